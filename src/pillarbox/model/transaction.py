"""An SMTP transaction as values: who sends, who receives, with what parameters.

Recipients are routed once, at RCPT, and the answer rides along on the recipient: delivery and
queue never ask again (RFC 5321 §3.3: accepting a recipient is a promise).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pillarbox.base.swift import swift
from pillarbox.model.address import Address
from pillarbox.model.verdict import UNJUDGED, Verdict


class Role(Enum):
    """Which door a transaction came through; decides who may relay and who gets fix-ups."""

    MX = "mx"
    SUBMISSION = "submission"
    LMTP = "lmtp"
    LOCAL = "local"
    """Made by the house itself: DSNs, automatic replies, imports."""


@swift
@dataclass(frozen=True, slots=True)
class Sender:
    """MAIL FROM with its parameters; ``address`` None is the null reverse-path."""

    address: Address | None
    size: int | None = None
    """Octets announced by SIZE= (RFC 1870 §4), None when not announced."""
    body: str = "7BIT"
    """7BIT, 8BITMIME (RFC 6152) or BINARYMIME (RFC 3030)."""
    smtputf8: bool = False
    ret: str = ""
    """FULL or HDRS (RFC 3461 §4.3), '' when absent."""
    envid: str = ""
    """Decoded ENVID (RFC 3461 §4.4)."""
    auth: str = ""
    params: Mapping[str, str | None] = field(default_factory=dict)
    """Further parameters by upper-case keyword, as sent; kept with the message."""


@swift
@dataclass(frozen=True, slots=True)
class Local:
    """Route: into a mailbox of this house. ``mailbox`` '' lets delivery choose (INBOX)."""

    account: int
    address: str
    """Normal form of the account's own address, for logs and Delivered-To."""
    mailbox: str = ""
    detail: str = ""
    """What stood behind the + (RFC 5233), for filing and Sieve."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Route: to another server, chosen at sending time from the domain.

    ``address`` is where it goes, which an alias may have made differ from the recipient's.
    """

    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


class Part(Enum):
    """What mail to an address of a list is for; the values end its local part."""

    POST = ""
    OWNER = "-owner"
    REQUEST = "-request"
    """RFC 2142 §6: to whoever runs the list."""
    UNSUBSCRIBE = "-unsubscribe"
    BOUNCES = "-bounces"


@dataclass(frozen=True, slots=True)
class Listed:
    """Route: to a mailing list, which knows what to do with it. ``address`` is the list's own, in
    normal form; ``token`` stood behind the + and says which member is meant."""

    address: str
    part: Part = Part.POST
    token: str = ""


Route = Local | Remote | Listed


@swift
@dataclass(frozen=True, slots=True)
class Recipient:
    """RCPT TO with its parameters and where it leads. One alias can lead to many routes."""

    address: Address
    routes: tuple[Route, ...] = ()
    notify: frozenset[str] = frozenset()
    """NEVER, SUCCESS, FAILURE, DELAY (RFC 3461 §4.1); empty when the sender did not say."""
    orcpt: str = ""
    """Original recipient as ``type;address`` (RFC 3461 §4.2), '' when absent."""
    params: Mapping[str, str | None] = field(default_factory=dict)
    member: int = 0
    """Number of the list's member that this is a copy for, 0 for other mail."""

    def routed(self, routes: tuple[Route, ...]) -> Recipient:
        """The same, leading there."""
        return Recipient(self.address, routes, self.notify, self.orcpt, self.params, self.member)


@swift
@dataclass(frozen=True, slots=True)
class Peer:
    """Who spoke to us, for trace fields, policy and logs."""

    ip: str
    port: int = 0
    helo: str = ""
    tls: str = ""
    """Protocol and cipher, '' in the clear."""
    user: str = ""
    """Login name when authenticated."""
    protocol: str = "SMTP"
    """Keyword for the Received field: ESMTPS, ESMTPSA, LMTPS, UTF8SMTPS … (RFC 3848, 6531)."""


@swift
@dataclass(frozen=True, slots=True)
class Envelope:
    """Everything about a message that is not in the message."""

    sender: Sender
    recipients: tuple[Recipient, ...]
    role: Role
    peer: Peer
    received_at: float
    """Seconds since 1970 UTC, when DATA or BDAT ended."""
    id: str = ""
    """Trace id, unique in the house, in the Received field and every log line."""
    verdict: Verdict = UNJUDGED
    """What was found out about the message as it came in."""
    list: str = ""
    """Address of the list whose members these recipients are, '' for other mail: each gets a copy
    with marks of its own."""
