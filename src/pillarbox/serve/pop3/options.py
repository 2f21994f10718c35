"""What the POP3 door needs to be told and given."""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.auth.login import Authenticator
from pillarbox.base.clock import Clock
from pillarbox.mailbox.pop3 import Maildrops
from pillarbox.wire.pop3.server import Limits


@dataclass(frozen=True, slots=True)
class Options:
    """How the door behaves; shared by its connections. Times in seconds."""

    hostname: str = "localhost"
    """Our own name, in the greeting."""
    engine: Limits = field(default_factory=Limits)
    timeout: float = 600.0
    """Silence after login until the connection is closed: 10 minutes at least (RFC 1939 §3)."""
    login_timeout: float = 60.0
    login_failures: int = 3
    """Failed logins on one connection before it is closed."""
    login_delay: float = 0.0
    """Least time between two logins of an account (RFC 2449 §6.5)."""
    expire: int | None = None
    """Days that mail is kept at least, for CAPA; None is for ever (RFC 2449 §6.7)."""
    language: str = "en"
    """What ``LANG *`` chooses; a tag of ``wire.pop3.phrases.LANGUAGES``."""
    implementation: str = "Pillarbox"
    max_header: int = 256 * 1024
    """Octets of a header that are held to be said in ASCII."""
    last_words: float = 3.0
    """Silence that ends a session while the server goes down."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The rooms behind the door."""

    maildrops: Maildrops
    """One for all doors of a process: it holds the locks."""
    authenticator: Authenticator
    clock: Clock
    options: Options = field(default_factory=Options)
