"""What a POP3 client can make happen at the server.

``server.Engine`` yields these in the order of the commands; answer each in that order
(RFC 2449 §6.6). An event marked *Gate* stops the engine until it is told the outcome, because
the outcome decides how the next line is read. Nothing here is checked against a maildrop: that
message 7 exists is the door's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


@dataclass(slots=True)
class User:
    """Gate: ``accept()`` or ``refuse()``. Accept unknown names too (RFC 1939 §13)."""

    name: str


@dataclass(slots=True)
class Pass:
    """Gate: ``accept()`` once logged in with the maildrop open, else ``refuse()``.

    ``user`` is the name of the USER before. Spaces belong to the password (RFC 1939 §7).
    """

    user: str
    password: str = field(repr=False)


@dataclass(slots=True)
class Auth:
    """Gate: write what ``challenge(data)`` returns, or ``accept()``, or ``refuse()``.

    ``mechanism`` in upper case; ``initial`` is decoded, None when there was no initial response.
    """

    mechanism: str
    initial: bytes | None = field(repr=False)


@dataclass(slots=True)
class AuthResponse:
    """Gate, as ``Auth``: the client's answer to a challenge, decoded."""

    data: bytes = field(repr=False)


class AuthEnd(Enum):
    """Why an exchange ended before its outcome."""

    CANCELLED = "cancelled"
    MALFORMED = "malformed"
    TOO_LONG = "too long"


@dataclass(slots=True)
class AuthFailed:
    """The exchange is over: the client cancelled it or sent what is not base64. Answer -ERR."""

    why: AuthEnd


@dataclass(slots=True)
class Mechanisms:
    """AUTH without argument: list the mechanisms (``quirks.bare_auth``)."""


@dataclass(slots=True)
class Stls:
    """Gate: write +OK, then ``start_tls()`` and the handshake; or ``refuse()``.

    ``start_tls`` returns how many octets came in the clear behind the command: more than none is
    an injection (RFC 2595 §4 forbids to send any), which it has thrown away.
    """


@dataclass(slots=True)
class Capa:
    """Answer with ``capa.render``."""


@dataclass(slots=True)
class Utf8:
    """The engine is in UTF-8 mode from here on (RFC 6856 §2.1). Answer +OK."""


@dataclass(slots=True)
class Lang:
    """``wanted`` a language range, ``*`` for the house's own, '' to list (RFC 6856 §3)."""

    wanted: str


@dataclass(slots=True)
class Stat: ...


@dataclass(slots=True)
class List:
    """``number`` None: all of them."""

    number: int | None


@dataclass(slots=True)
class Uidl:
    """``number`` None: all of them."""

    number: int | None


@dataclass(slots=True)
class Retr:
    number: int


@dataclass(slots=True)
class Top:
    number: int
    lines: int


@dataclass(slots=True)
class Dele:
    number: int


@dataclass(slots=True)
class Rset: ...


@dataclass(slots=True)
class Noop: ...


@dataclass(slots=True)
class Quit:
    """The last event. With ``update`` remove what is marked, then answer; close in any case."""

    update: bool


@dataclass(slots=True)
class Eof:
    """The last event: the peer is gone without QUIT. Remove nothing (RFC 1939 §6)."""


class FaultKind(Enum):
    """What is wrong with a line. All get -ERR (RFC 1939 §3)."""

    UNKNOWN = "unknown command"
    SYNTAX = "wrong or missing argument"
    STATE = "not in this state"
    USER_FIRST = "PASS without USER"
    NOT_OFFERED = "not offered here"
    TLS_ACTIVE = "STLS inside TLS"
    AFTER_UTF8 = "STLS after UTF8"
    TOO_LONG = "line too long"
    FOREIGN = "another protocol"
    FLOOD = "too much sent ahead, or too many faults"


@dataclass(slots=True)
class Fault:
    """A line that cannot be obeyed. Answer ``voice.fault``; when ``fatal``, close after it.

    ``verb`` is a known command or ''; ``usage`` its arguments, for the answer.
    """

    kind: FaultKind
    verb: str = ""
    usage: str = ""
    fatal: bool = False


Event = (
    User
    | Pass
    | Auth
    | AuthResponse
    | AuthFailed
    | Mechanisms
    | Stls
    | Capa
    | Utf8
    | Lang
    | Stat
    | List
    | Uidl
    | Retr
    | Top
    | Dele
    | Rset
    | Noop
    | Quit
    | Eof
    | Fault
)
