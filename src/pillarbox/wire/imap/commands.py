"""What an IMAP client can ask, as values: one small class a command.

The parser makes them, ``serve/imap`` dispatches on their type, nobody else looks. All names are
Unicode (modified UTF-7 is undone), INBOX is canonical, macros are expanded, implied items are
added (``UID FETCH`` has FetchAtt.UID, CHANGEDSINCE has FetchAtt.MODSEQ), so that a handler never
interprets spelling. Commands of optional extensions are in ``extensions``; what an engine says
besides commands is in ``events``.

Number sets stay unresolved, as ``model.numset.parse_ranges`` gives them (``*`` is STAR), because
only the selected mailbox knows the largest number. The empty tuple, which no client can spell,
is SAVED_RESULT: the saved search result ``$`` (RFC 5182).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pillarbox.model.flags import FlagSet
from pillarbox.model.query import Query

Ranges = tuple[tuple[int, int], ...]
SAVED_RESULT: Ranges = ()


class FetchAtt(Enum):
    """Items of FETCH that have no argument; the value is the wire name."""

    UID = "UID"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    """BODYSTRUCTURE without extension data (RFC 9051 §6.4.5)."""
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"
    EMAILID = "EMAILID"
    THREADID = "THREADID"
    SAVEDATE = "SAVEDATE"
    OBJECTID = "OBJECTID"
    """EMAILID and THREADID in one (draft-ietf-mailmaint-imap-objectid-bis §7.5)."""


class StatusAtt(Enum):
    """Items of STATUS; the value is the wire name."""

    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    SIZE = "SIZE"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"
    APPENDLIMIT = "APPENDLIMIT"
    MAILBOXID = "MAILBOXID"
    DELETED_STORAGE = "DELETED-STORAGE"
    OBJECTID = "OBJECTID"


class StoreMode(Enum):
    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


@dataclass(frozen=True, slots=True)
class Section:
    """``BODY[…]``, and RFC822, RFC822.HEADER and RFC822.TEXT, which are the same by other names.

    ``path`` is the part, () the message; ``what`` one of '', HEADER, HEADER.FIELDS,
    HEADER.FIELDS.NOT, TEXT, MIME; ``fields`` as the client spelt them. ``partial`` is
    (first octet, number of octets). ``label`` is what stands before the literal in the response,
    made once here: ``BODY[HEADER.FIELDS (DATE)]<0>``.
    """

    path: tuple[int, ...]
    what: str
    fields: tuple[str, ...]
    partial: tuple[int, int] | None
    peek: bool
    label: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """``BINARY[path]``: the part with its transfer encoding undone (RFC 3516 §4.3)."""

    path: tuple[int, ...]
    partial: tuple[int, int] | None
    peek: bool
    label: bytes


@dataclass(frozen=True, slots=True)
class BinarySize:
    """``BINARY.SIZE[path]``: octets of the decoded part."""

    path: tuple[int, ...]
    label: bytes


@dataclass(frozen=True, slots=True)
class Preview:
    """RFC 8970; ``lazy``: only if it costs nothing, else NIL."""

    lazy: bool


FetchItem = FetchAtt | Section | Binary | BinarySize | Preview


@dataclass(frozen=True, slots=True)
class SearchReturn:
    """What RETURN (…) asks for (RFC 4731 §3.1 and its later options).

    An empty RETURN () means ALL and is parsed so. ``partial`` is (first, last), negative numbers
    counting from the end (RFC 9394 §3.1); ``update`` and ``context`` are RFC 5267.
    """

    min: bool = False
    max: bool = False
    all: bool = False
    count: bool = False
    save: bool = False
    relevancy: bool = False
    update: bool = False
    context: bool = False
    partial: tuple[int, int] | None = None
    update_items: tuple[FetchItem, ...] = ()
    """Fetched for every message that enters an updated result (RFC 5465 §8)."""


@dataclass(frozen=True, slots=True)
class ListReturn:
    """What LIST … RETURN (…) asks for (RFC 5258 §3.2 and its later options)."""

    subscribed: bool = False
    children: bool = False
    special_use: bool = False
    myrights: bool = False
    status: tuple[StatusAtt, ...] = ()
    metadata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resync:
    """QRESYNC's parameters (RFC 7162 §3.2.5): what the client knew when it left.

    ``known_uids`` None when not given; ``seq_match`` is (sequence numbers, their UIDs).
    """

    uidvalidity: int
    modseq: int
    known_uids: Ranges | None = None
    seq_match: tuple[Ranges, Ranges] | None = None


# --- any state (RFC 9051 §6.1)


@dataclass(slots=True)
class Capability:
    tag: str


@dataclass(slots=True)
class Noop:
    tag: str


@dataclass(slots=True)
class Logout:
    tag: str


@dataclass(slots=True)
class Id:
    """RFC 2971. ``fields`` keeps the client's order; keys lower-cased, NIL values as None."""

    tag: str
    fields: dict[str, str | None]


# --- not authenticated (RFC 9051 §6.2)


@dataclass(slots=True)
class StartTls:
    """Gate: ``accept()`` once the OK is written and TLS begins, ``refuse()`` after a NO.

    ``pipelined``: octets were already waiting behind the command, which is a plaintext injection
    or a broken client; ``accept`` throws them away either way.
    """

    tag: str
    pipelined: bool


@dataclass(slots=True)
class Authenticate:
    """Gate: ``challenge()`` to go on, ``done()`` once the tagged answer is written.

    ``initial`` is the decoded initial response (SASL-IR), None when there was none.
    """

    tag: str
    mechanism: str
    initial: bytes | None = field(repr=False)


@dataclass(slots=True)
class Login:
    """Gate: ``done()`` after the answer."""

    tag: str
    user: str
    password: str = field(repr=False)


# --- authenticated (RFC 9051 §6.3)


@dataclass(slots=True)
class Enable:
    """Gate: ``done()`` after the answer. ``names`` upper-cased, unknown ones included."""

    tag: str
    names: tuple[str, ...]


@dataclass(slots=True)
class Select:
    """Gate: ``done()`` after the answer. ``examine``: read-only."""

    tag: str
    mailbox: str
    examine: bool = False
    condstore: bool = False
    resync: Resync | None = None
    supplied: str = field(default="", compare=False)
    """How the client spelt the name, '' where it did so in normal form."""
    ids: Mapping[str, str] | None = None
    """Identifiers by which to find the mailbox, whatever its name is now; empty: the client only
    wants to hear of them (draft-ietf-mailmaint-imap-objectid-bis §7.1)."""


@dataclass(slots=True)
class Create:
    """``special_use``: attributes asked for by CREATE … (USE (…)) (RFC 6154 §3)."""

    tag: str
    mailbox: str
    special_use: tuple[str, ...] = ()
    supplied: str = field(default="", compare=False)
    """As for Select."""


@dataclass(slots=True)
class Delete:
    tag: str
    mailbox: str
    supplied: str = field(default="", compare=False)
    """As for Select."""


@dataclass(slots=True)
class Rename:
    tag: str
    mailbox: str
    new_name: str
    supplied: str = field(default="", compare=False)
    """The old name as the client spelt it, where either was not in normal form."""


@dataclass(slots=True)
class Subscribe:
    tag: str
    mailbox: str


@dataclass(slots=True)
class Unsubscribe:
    tag: str
    mailbox: str


@dataclass(slots=True)
class List:
    """``select`` holds selection options, upper-case: SUBSCRIBED, REMOTE, RECURSIVEMATCH,
    SPECIAL-USE. ``extended``: the client used RFC 5258 syntax, so \\NonExistent and friends
    apply. A single empty pattern asks for the separator only (RFC 9051 §6.3.9).
    """

    tag: str
    reference: str
    patterns: tuple[str, ...]
    select: frozenset[str] = frozenset()
    returns: ListReturn = ListReturn()
    extended: bool = False


@dataclass(slots=True)
class Lsub:
    tag: str
    reference: str
    pattern: str


@dataclass(slots=True)
class Namespace:
    tag: str


@dataclass(slots=True)
class Status:
    tag: str
    mailbox: str
    items: tuple[StatusAtt, ...]


@dataclass(slots=True)
class Idle:
    """Gate: ``accept()`` gives the continuation to write, IdleDone ends it; or ``refuse()``."""

    tag: str


# --- selected (RFC 9051 §6.4)


@dataclass(slots=True)
class Check:
    tag: str


@dataclass(slots=True)
class Close:
    """Gate: ``done()`` after the answer."""

    tag: str


@dataclass(slots=True)
class Unselect:
    """Gate: ``done()`` after the answer."""

    tag: str


@dataclass(slots=True)
class Expunge:
    """``ranges`` are UIDs (UID EXPUNGE, RFC 4315 §2.1); None means all that are \\Deleted."""

    tag: str
    ranges: Ranges | None = None


@dataclass(slots=True)
class Search:
    """``returns`` None: answer with untagged SEARCH, else with ESEARCH.

    ``modseq``: the query has a MODSEQ key, so the answer carries the highest one found
    (RFC 7162 §3.1.5). Strings in the query are Unicode already.
    """

    tag: str
    uid: bool
    query: Query
    returns: SearchReturn | None = None
    modseq: bool = False


@dataclass(slots=True)
class Fetch:
    """``items`` in the client's order, duplicates dropped."""

    tag: str
    uid: bool
    ranges: Ranges
    items: tuple[FetchItem, ...]
    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


@dataclass(slots=True)
class Store:
    """``unchanged_since``: do it only where the modseq is not above (RFC 7162 §3.1.3)."""

    tag: str
    uid: bool
    ranges: Ranges
    mode: StoreMode
    flags: FlagSet
    silent: bool = False
    unchanged_since: int | None = None


@dataclass(slots=True)
class Copy:
    tag: str
    uid: bool
    ranges: Ranges
    mailbox: str


@dataclass(slots=True)
class Move:
    tag: str
    uid: bool
    ranges: Ranges
    mailbox: str


# --- APPEND, which arrives in pieces


@dataclass(frozen=True, slots=True)
class Replaced:
    """The message that REPLACE takes away (RFC 8508); ``number`` 0 is ``*``."""

    uid: bool
    number: int


@dataclass(slots=True)
class AppendStart:
    """A message is about to come. The first piece of APPEND (and of each further message).

    Gate, unless ``catenate``: ``accept()`` gives the continuation to write (nothing when the
    literal is not synchronizing) and LiteralChunk events follow; ``refuse()`` after a NO drops
    the command, swallowing the octets of a non-synchronizing literal.

    The message is complete at the next AppendStart or at AppendEnd; after BadCommand or
    Disconnected it must be thrown away, with all messages of the command before it.

    ``index`` counts the messages of one MULTIAPPEND. ``binary``: literal8. With ``catenate`` the
    message is built from CatenateUrl and CatenateText events and ``size`` is 0.
    """

    tag: str
    mailbox: str
    flags: FlagSet
    date: datetime.datetime | None
    size: int
    sync: bool
    binary: bool = False
    utf8: bool = False
    index: int = 0
    catenate: bool = False
    replaces: Replaced | None = None


@dataclass(slots=True)
class AppendEnd:
    """The command is complete: commit, then answer."""

    tag: str


BaseCommand = (
    Capability
    | Noop
    | Logout
    | Id
    | StartTls
    | Authenticate
    | Login
    | Enable
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | Unsubscribe
    | List
    | Lsub
    | Namespace
    | Status
    | Idle
    | Check
    | Close
    | Unselect
    | Expunge
    | Search
    | Fetch
    | Store
    | Copy
    | Move
    | AppendStart
    | AppendEnd
)
"""What a server of IMAP4rev1 with the usual extensions has to answer."""
