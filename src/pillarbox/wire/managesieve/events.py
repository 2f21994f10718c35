"""What a client of ManageSieve asks for (RFC 5804 §2), as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capability:
    """§2.4."""


@dataclass(frozen=True, slots=True)
class Noop:
    """§2.13. ``tag`` comes back in the answer; None: there was none."""

    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Logout:
    """§2.3. The engine is over."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """§2.2. A gate: ``Engine.start_tls`` or ``refuse``."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """§2.1. A gate: ``challenge``, ``accept`` or ``refuse``. ``initial`` None: there was none."""

    mechanism: str
    initial: bytes | None = None


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The answer to a challenge. A gate like ``Authenticate``."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """The client gave up the exchange or broke it; ``cancelled``: by ``"*"``."""

    cancelled: bool


@dataclass(frozen=True, slots=True)
class Unauthenticate:
    """§2.14."""


@dataclass(frozen=True, slots=True)
class HaveSpace:
    """§2.5. ``size`` in octets."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class PutScript:
    """§2.6."""

    name: str
    source: bytes


@dataclass(frozen=True, slots=True)
class ListScripts:
    """§2.7."""


@dataclass(frozen=True, slots=True)
class SetActive:
    """§2.8. ``name`` '' is for none."""

    name: str


@dataclass(frozen=True, slots=True)
class GetScript:
    """§2.9."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteScript:
    """§2.10."""

    name: str


@dataclass(frozen=True, slots=True)
class RenameScript:
    """§2.11."""

    name: str
    new: str


@dataclass(frozen=True, slots=True)
class CheckScript:
    """§2.12."""

    source: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is no command, or not one for now. ``code``: a response code or ''. ``fatal``:
    nothing more is read after it, and the answer is BYE."""

    text: str
    code: str = ""
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Eof:
    """The client's end."""


Event = (
    Capability
    | Noop
    | Logout
    | StartTls
    | Authenticate
    | AuthResponse
    | AuthFailed
    | Unauthenticate
    | HaveSpace
    | PutScript
    | ListScripts
    | SetActive
    | GetScript
    | DeleteScript
    | RenameScript
    | CheckScript
    | Fault
    | Eof
)
