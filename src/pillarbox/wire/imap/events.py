"""What the engine tells its caller besides commands.

Events come in the order of the wire; handling them in that order is what keeps answers and
continuations in order as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Send:
    """Write ``data`` now: the engine's own continuation for a small synchronizing literal."""

    data: bytes


@dataclass(slots=True)
class BadCommand:
    """The line cannot be a command here; write ``reply`` and go on.

    ``tag`` is ``*`` when the client's could not be read. ``status`` is BAD, or NO when the
    grammar was right and the value impossible; ``code`` a response code without brackets.
    During an APPEND it also ends that: throw away what had come.
    """

    tag: str
    text: str
    code: str = ""
    status: str = "BAD"

    @property
    def reply(self) -> bytes:
        code = f"[{self.code}] " if self.code else ""
        return f"{self.tag} {self.status} {code}{self.text}\r\n".encode("ascii", "replace")


@dataclass(slots=True)
class Bye:
    """The peer cannot be followed any more: write ``reply`` and close. The engine is deaf now."""

    text: str
    code: str = ""

    @property
    def reply(self) -> bytes:
        code = f"[{self.code}] " if self.code else ""
        return f"* BYE {code}{self.text}\r\n".encode("ascii", "replace")


@dataclass(slots=True)
class LiteralChunk:
    """Octets of the literal accepted last; never empty."""

    data: bytes


@dataclass(slots=True)
class CatenateUrl:
    """The next piece of a CATENATE message is the text behind this IMAP URL (RFC 4469 §3).

    Gate: ``accept()`` when it was found, ``refuse()`` after NO [BADURL …].
    """

    tag: str
    url: str


@dataclass(slots=True)
class CatenateText:
    """The next piece comes as a literal. Gate, as for AppendStart."""

    tag: str
    size: int
    sync: bool
    binary: bool = False
    utf8: bool = False


@dataclass(slots=True)
class AuthResponse:
    """The client's answer to ``challenge()``, base64 undone.

    Gate: ``challenge()`` again, or ``done()`` once the tagged answer is written.
    """

    tag: str
    data: bytes = field(repr=False)


@dataclass(slots=True)
class AuthCancelled:
    """The client sent ``*``: answer BAD (RFC 9051 §6.2.2). The engine reads commands again."""

    tag: str


@dataclass(slots=True)
class IdleDone:
    """DONE has come: answer OK."""

    tag: str


@dataclass(slots=True)
class Disconnected:
    """The peer closed. ``tag`` names the command it left half said, '' when none."""

    tag: str


EngineEvent = (
    Send
    | BadCommand
    | Bye
    | LiteralChunk
    | CatenateUrl
    | CatenateText
    | AuthResponse
    | AuthCancelled
    | IdleDone
    | Disconnected
)
