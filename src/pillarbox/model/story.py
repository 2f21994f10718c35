"""What happened to a message, as the values its story is told in.

The store writes an event in the transaction of the change that it tells, so a story neither runs
ahead of the mail nor behind it. Replies are kept as they were said, word for word. An event is
read back years of versions later: fields may be added with a default, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pillarbox.base.swift import swift

MAILBOX = "mailbox"
QUEUE = "queue"
DISCARDED = "discarded"
REFUSED = "refused"


@swift
@dataclass(frozen=True, slots=True)
class Way:
    """One route of one recipient, and where it ended when the message was taken."""

    to: str
    """The recipient, as it was given at RCPT."""
    route: str
    """'local ann@example.org' or 'remote bob@example.net': where the address leads."""
    end: str
    """MAILBOX, QUEUE, DISCARDED or REFUSED."""
    account: int = 0
    mailbox: int = 0
    name: str = ""
    """MAILBOX: the mailbox's name then. DISCARDED: who or what discarded it."""
    uid: int = 0
    number: int = -1
    """Of the recipient within the queue item: QUEUE, or a delivery out of the queue."""
    reply: str = ""
    """REFUSED: why."""


@swift
@dataclass(frozen=True, slots=True)
class Accepted:
    """The house took a message and said so."""

    trace: str
    """Envelope id: in the reply, the Received field and every log line."""
    door: str
    """``transaction.Role``: mx, submission, lmtp, or local for what the house wrote itself."""
    sender: str
    """'' is the null reverse-path."""
    size: int
    """Octets."""
    blob: int
    """0 when nothing was kept, because everybody's copy was discarded."""
    item: int = 0
    """Queue item, 0 for none."""
    message_id: str = ""
    ip: str = ""
    helo: str = ""
    tls: str = ""
    """Protocol and cipher, '' in the clear."""
    user: str = ""
    """Who had logged in."""
    protocol: str = ""
    envid: str = ""
    ways: tuple[Way, ...] = ()


@swift
@dataclass(frozen=True, slots=True)
class Appended:
    """A user's program put a message into a mailbox (APPEND, import)."""

    account: int
    mailbox: int
    name: str
    uid: int
    size: int
    blob: int
    message_id: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The house said no, to a message or to a recipient of one."""

    trace: str
    """'' when no content had come."""
    door: str
    reply: str
    sender: str = ""
    to: tuple[str, ...] = ()
    """Recipients that were refused; empty: the whole message."""
    message_id: str = ""
    size: int = 0
    ip: str = ""
    helo: str = ""
    tls: str = ""
    user: str = ""
    count: int = 1
    """How many such refusals of one connection this stands for."""
    found: tuple[Judged, ...] = ()
    """What the checks of the message had brought."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check found: ``what`` is spf, dkim, dmarc, arc, dnsbl, spam, virus …"""

    what: str
    result: str
    """As Authentication-Results says it (RFC 8601 §2.7): pass, fail, none, temperror …"""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """Anything else worth telling: ``what`` in one word (list, forward, sieve, hold, srs …),
    ``text`` in a sentence."""

    what: str
    text: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Try:
    """One server that was tried within an attempt."""

    host: str
    address: str
    """IP address, '' when it came to no connection."""
    tls: str
    """Protocol, cipher and how far the peer was checked; '' in the clear."""
    reply: str
    """What it said, or what went wrong."""
    said: bool = True
    """It was the server that said it."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt at some recipients of a queue item, all with the same answer."""

    numbers: tuple[int, ...]
    """Recipients within the item."""
    to: tuple[str, ...]
    """Their addresses, in the same order."""
    reply: str
    """The server's last word about them."""
    state: str
    """What follows: 'done', 'failed', 'due' or 'held'."""
    by: str = ""
    """Name of the server that said it; '' when it was found out here."""
    tls: str = ""
    due: float = 0.0
    """When it is tried again (seconds since 1970), the earliest of them; 0 when it is over."""
    owed: str = ""
    """What the sender is to be told: '', failed, delayed, relayed or delivered."""
    maybe: bool = False
    """The message was sent and the answer lost: the next attempt may make a duplicate."""
    tries: tuple[Try, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """Mail that had waited in the queue came into mailboxes here."""

    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """The sender was told (RFC 3464), or nobody could be."""

    numbers: tuple[int, ...]
    actions: tuple[str, ...]
    """What about each: failed, delayed, relayed or delivered."""
    to: str = ""
    trace: str = ""
    """Envelope id of the report, whose own story goes on; '' when none was made."""


@dataclass(frozen=True, slots=True)
class Handled:
    """An operator, or a rule, took the queue item in hand."""

    what: str
    """held, released, retried, expired or dropped."""
    by: str = ""
    item: int = 0
    numbers: tuple[int, ...] = ()
    """Recipients that this ended: expired and dropped."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A copy came from one place to another; ``copied``: the first one stayed too."""

    account: int
    mailbox: int
    name: str
    uid: int
    to_account: int
    to_mailbox: int
    to_name: str
    to_uid: int
    by: str = ""
    copied: bool = False
    restored: bool = False
    """It had been expunged and was brought back."""


@dataclass(frozen=True, slots=True)
class Expunged:
    """A copy was deleted from a mailbox; it can be brought back for the retention time."""

    account: int
    mailbox: int
    name: str
    uid: int
    by: str = ""
    whole: bool = False
    """Its mailbox was deleted, or its account removed."""


Event = (
    Accepted
    | Appended
    | Refused
    | Judged
    | Noted
    | Attempted
    | Delivered
    | Reported
    | Handled
    | Moved
    | Expunged
)

KINDS: Mapping[str, type[Event]] = {
    "accepted": Accepted,
    "appended": Appended,
    "refused": Refused,
    "judged": Judged,
    "noted": Noted,
    "attempted": Attempted,
    "delivered": Delivered,
    "reported": Reported,
    "handled": Handled,
    "moved": Moved,
    "expunged": Expunged,
}
"""The words the events have at rest and in JSON."""
KIND_OF = {kind: word for word, kind in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event and when it happened, in seconds since 1970 UTC."""

    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one message, in the order in which it happened."""

    id: int
    entries: tuple[Entry, ...] = field(default=())
