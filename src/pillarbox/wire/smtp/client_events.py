"""What a server's replies mean to the one who sends: the events of ``client.Client``.

Everything that happens to one recipient ends in exactly one ``Outcome``, whatever went wrong and
however late, so that a queue can settle on nothing else. The other events move the session on, or
are for the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.model.reply import Reply
from pillarbox.wire.smtp.capabilities import Capabilities


class Stage(Enum):
    """Where a recipient's fate was decided."""

    BEFORE = "before"
    """Here, without asking: the server does not offer what the message needs."""
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    """At DATA, before any content."""
    CONTENT = "content"
    """After the content, or a chunk of it."""
    LOST = "lost"
    """The connection went away first. After the content this may mean a duplicate."""


@dataclass(slots=True)
class Greeting:
    """The server's first words. If good call ``hello()``, else ``quit()``."""

    reply: Reply


@dataclass(slots=True)
class Welcome:
    """The hello was accepted; ``capabilities`` is empty after HELO."""

    reply: Reply
    capabilities: Capabilities


@dataclass(slots=True)
class HelloRefused:
    """EHLO failed: try ``hello(extended=False)`` (RFC 5321 §3.2), or ``quit()``."""

    reply: Reply


@dataclass(slots=True)
class TlsGo:
    """Gate. Do the handshake, call ``tls_started()``, then say hello again (RFC 3207 §4.2)."""

    reply: Reply


@dataclass(slots=True)
class TlsRefused:
    reply: Reply


@dataclass(slots=True)
class Challenge:
    """Gate. ``auth_respond(data)``, or ``auth_cancel()`` when it makes no sense."""

    data: bytes


@dataclass(slots=True)
class Authenticated:
    reply: Reply


@dataclass(slots=True)
class AuthRefused:
    reply: Reply


@dataclass(slots=True)
class SenderAnswered:
    """For the log: how MAIL went."""

    reply: Reply


@dataclass(slots=True)
class RecipientAnswered:
    """For the log: how RCPT went. ``index`` counts the recipients given to ``send``."""

    index: int
    reply: Reply


@dataclass(slots=True)
class ContentWanted:
    """Gate. Give the message: ``content(data)`` while ``may_send``, at the end ``finish()``.

    Comes again for every chunk where the server takes chunks one at a time only.
    """


@dataclass(slots=True)
class Outcome:
    """The final word on one recipient; exactly one for each."""

    index: int
    reply: Reply
    stage: Stage


@dataclass(slots=True)
class TransactionOver:
    """Every recipient has its Outcome; the session is ready for more unless ``Lost`` follows."""


@dataclass(slots=True)
class Answered:
    """The reply to ``noop``, ``reset`` or ``quit``."""

    action: str
    reply: Reply


@dataclass(slots=True)
class Lost:
    """The connection is of no use any more: close it. ``reply`` says why, as a 4xx."""

    reply: Reply


ClientEvent = (
    Greeting
    | Welcome
    | HelloRefused
    | TlsGo
    | TlsRefused
    | Challenge
    | Authenticated
    | AuthRefused
    | SenderAnswered
    | RecipientAnswered
    | ContentWanted
    | Outcome
    | TransactionOver
    | Answered
    | Lost
)
