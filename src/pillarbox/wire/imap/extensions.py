"""What a client can ask by the optional extensions; the continuation of ``commands``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.model.query import Query
from pillarbox.wire.imap.commands import FetchItem, SearchReturn

# --- sorting, threads, several mailboxes


class SortBy(Enum):
    """What SORT orders by; the value is the wire name (RFC 5256 §3, RFC 5957 §3, RFC 6203 §5)."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    RELEVANCY = "RELEVANCY"


@dataclass(frozen=True, slots=True)
class SortKey:
    by: SortBy
    reverse: bool = False


@dataclass(slots=True)
class Sort:
    """``returns`` None: answer with untagged SORT, else with ESEARCH (ESORT, RFC 5267 §3)."""

    tag: str
    uid: bool
    keys: tuple[SortKey, ...]
    query: Query
    returns: SearchReturn | None = None
    modseq: bool = False


@dataclass(slots=True)
class Thread:
    """``algorithm`` upper-case: ORDEREDSUBJECT, REFERENCES, REFS (RFC 5256 §3)."""

    tag: str
    uid: bool
    algorithm: str
    query: Query


@dataclass(frozen=True, slots=True)
class MailboxFilter:
    """Which mailboxes NOTIFY and ESEARCH mean (RFC 5465 §6, RFC 7377 §2.2).

    ``kind``: selected, selected-delayed, inboxes, personal, subscribed, subtree, subtree-one or
    mailboxes; ``names`` with the last three.
    """

    kind: str
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class MultiSearch:
    """The ESEARCH command (RFC 7377 §2). No ``sources`` means the selected mailbox.

    Results are UIDs. Message numbers in the query mean the selected mailbox's and make sense
    there only, which is the answerer's to check.
    """

    tag: str
    sources: tuple[MailboxFilter, ...]
    query: Query
    returns: SearchReturn
    modseq: bool = False


@dataclass(slots=True)
class CancelUpdate:
    """Stop the updates of these searches, by their tags (RFC 5267 §4.4)."""

    tag: str
    searches: tuple[str, ...]


@dataclass(slots=True)
class UidBatches:
    """Ranges of about ``size`` messages; ``wanted`` are the first and last batch to tell,
    counted from the newest, None for all (RFC 10022)."""

    tag: str
    size: int
    wanted: tuple[int, int] | None = None


class Rules(Enum):
    """Where the script of FILTER is from (draft-bosch-imap-filter-sieve §3.2)."""

    DELIVERY = "DELIVERY"
    PERSONAL = "PERSONAL"
    GLOBAL = "GLOBAL"
    SCRIPT = "SCRIPT"


@dataclass(slots=True)
class Filter:
    """Run a Sieve script over the messages that a search finds.

    ``given``: the script itself for SCRIPT, its name for PERSONAL and GLOBAL, else empty.
    """

    tag: str
    uid: bool
    rules: Rules
    given: bytes
    query: Query
    modseq: bool = False


# --- metadata (RFC 5464)


@dataclass(slots=True)
class GetMetadata:
    """``mailbox`` '' is the server. ``depth`` levels below each entry, None for all of them."""

    tag: str
    mailbox: str
    entries: tuple[str, ...]
    max_size: int | None = None
    depth: int | None = 0


@dataclass(slots=True)
class SetMetadata:
    """Values are octets, None takes the entry away."""

    tag: str
    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


# --- being told (RFC 5465)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """``events`` as RFC 5465 §5 spells them, empty for NONE; ``items`` are fetched with every
    new message of the selected mailbox."""

    mailboxes: MailboxFilter
    events: frozenset[str]
    items: tuple[FetchItem, ...] = ()


@dataclass(slots=True)
class Notify:
    """``groups`` None is NOTIFY NONE; ``status``: tell STATUS of all mailboxes first."""

    tag: str
    groups: tuple[EventGroup, ...] | None
    status: bool = False


# --- rights and quota (RFC 4314, RFC 9208)


@dataclass(slots=True)
class SetAcl:
    """``mode`` '' replaces the rights, '+' adds, '-' removes."""

    tag: str
    mailbox: str
    identifier: str
    rights: str
    mode: str = ""


@dataclass(slots=True)
class DeleteAcl:
    tag: str
    mailbox: str
    identifier: str


@dataclass(slots=True)
class GetAcl:
    tag: str
    mailbox: str


@dataclass(slots=True)
class ListRights:
    tag: str
    mailbox: str
    identifier: str


@dataclass(slots=True)
class MyRights:
    tag: str
    mailbox: str


@dataclass(slots=True)
class GetQuota:
    tag: str
    root: str


@dataclass(slots=True)
class GetQuotaRoot:
    tag: str
    mailbox: str


@dataclass(slots=True)
class SetQuota:
    """``limits``: resource (upper-case) and limit; a resource left out has none."""

    tag: str
    root: str
    limits: tuple[tuple[str, int], ...]


# --- the connection


@dataclass(slots=True)
class Language:
    """Language ranges in order of preference; none asks for the list (RFC 5255 §3.2)."""

    tag: str
    ranges: tuple[str, ...]


@dataclass(slots=True)
class Unauthenticate:
    """Gate: ``done()`` after the answer (RFC 8437)."""

    tag: str


@dataclass(slots=True)
class Compress:
    """Gate: write the OK, then ``accept()``; from there on the peer's octets are compressed.

    Those that came already are in the engine's ``leftover``: inflate them and feed the result.
    ``refuse()`` after a NO (RFC 4978 §3).
    """

    tag: str
    algorithm: str


@dataclass(slots=True)
class GetJmapAccess:
    """RFC 9698 §4."""

    tag: str


ExtensionCommand = (
    Sort
    | Thread
    | MultiSearch
    | CancelUpdate
    | UidBatches
    | Filter
    | GetMetadata
    | SetMetadata
    | Notify
    | SetAcl
    | DeleteAcl
    | GetAcl
    | ListRights
    | MyRights
    | GetQuota
    | GetQuotaRoot
    | SetQuota
    | Language
    | Unauthenticate
    | Compress
    | GetJmapAccess
)
