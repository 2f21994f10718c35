"""What the SMTP doors need to be told and given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pillarbox.auth.login import Authenticator
from pillarbox.auth.sendas import SendAs
from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.route import Router
from pillarbox.delivery.senders import SenderRules
from pillarbox.filters.chain import Screened
from pillarbox.hooks.crew import Crew
from pillarbox.mailbox.intake import Intake
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.story import Refused
from pillarbox.model.transaction import Envelope, Peer, Sender
from pillarbox.model.verdict import Verdict
from pillarbox.policy.tarpit import Tarpit
from pillarbox.serve.smtp.header import Inspection
from pillarbox.wire.smtp.options import Options as EngineOptions


def unseen(peer: Peer, sender: Sender) -> Inspection | None:  # noqa: ARG001
    """For ``Needs.inspect``: looks at nothing."""
    return None


@dataclass(frozen=True, slots=True)
class Options:
    """One kind of door; shared by its connections."""

    engine: EngineOptions
    timeout: float = 300.0
    """Seconds of silence until the connection is closed (RFC 5321 §4.5.3.2.7)."""
    login_timeout: float = 60.0
    """Seconds that a client of submission has to log in, however busy it keeps us meanwhile."""
    auth_failures: int = 3
    """Failed logins on one connection before it is closed."""
    max_header: int = 256 * 1024
    """Octets of header that are looked at before anything is written."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The rooms behind the door."""

    router: Router
    acceptor: Acceptor
    authenticator: Authenticator
    send_as: SendAs
    intake: Callable[[int, bool], Intake]
    """Begins a message of about so many octets (0: unknown); True: line ends stay as they come."""
    clock: Clock
    rng: Rng
    queued: Callable[[], None]
    """Called when something was put into the queue."""
    senders: SenderRules | None = None
    """What those who log in may do to others; None sets no bounds."""
    refused: Callable[[Refused], None] = lambda refused: None  # noqa: ARG005
    """Called with what was refused, for the journal; must not wait."""
    screen: Callable[[Envelope, memoryview, Verdict], Awaitable[Screened]] | None = None
    """Asks filters about a whole message from another server; None where there are none."""
    greylist: Callable[[str, Address | None, Address], Awaitable[Reply | None]] | None = None
    """May ask another server (its IP address, the sender) to come again for a recipient."""
    tarpit: Tarpit | None = None
    """Keeps other servers waiting that are a nuisance."""
    inspect: Callable[[Peer, Sender], Inspection | None] = unseen
    """Begins to look at a message from another server; None where that is not wanted."""
    hooks: Crew | None = None
    """The operator's own rules, asked last; None where there can be none."""
