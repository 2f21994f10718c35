"""What the ManageSieve door needs to be told and given."""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.auth.login import Authenticator
from pillarbox.base.clock import Clock
from pillarbox.store.scripts import Scripts
from pillarbox.wire.managesieve.server import Limits


@dataclass(frozen=True, slots=True)
class Options:
    """How the door behaves. Times in seconds."""

    engine: Limits = field(default_factory=Limits)
    timeout: float = 1800.0
    """Silence after login: 30 minutes at least (RFC 5804 §1.6)."""
    login_timeout: float = 60.0
    login_failures: int = 3
    """Failed logins on one connection before it is closed."""
    redirects: int = 8
    """For MAXREDIRECTS (§1.7)."""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """The rooms behind the door."""

    scripts: Scripts
    authenticator: Authenticator
    clock: Clock
    options: Options = field(default_factory=Options)
