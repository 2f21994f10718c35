"""The shapes of a SASL exchange: what a machine returns and what it is made from.

A machine owns no store and waits for nobody. ``step`` takes the peer's decoded octets and
returns a value; where something must be asked, the value is a question that carries the method
to answer it with::

    step = machine.step(initial_response_or_None)
    while True:
        match step:
            case Challenge(data):          # send it, wait for the peer's response
                step = machine.step(response)
            case CheckPassword():
                step = step.answer(is_right)
            case NeedCredentials():
                step = step.answer(credentials_or_None, identity)
            case Done() | Failed():
                break

``pillarbox.auth.login`` has this loop, with policy, for all doors. A mechanism to come brings its
own question (a certificate for EXTERNAL, a token for OAUTHBEARER) and a row in the table; the
doors do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from pillarbox.model.account import Credentials

MAX_FIELD = 1024
"""Octets of a user name, password or authorization identity. RFC 4616 §2 asks for 255."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send ``data`` (decoded; may be empty) and give the peer's answer to ``step``."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """The peer is ``user`` and wishes to act as ``authzid`` ('' when it did not say).

    Whether it may is the caller's decision. ``server_final`` is additional data with success
    (RFC 4422 §3.6): where the protocol has no room for it in the outcome it goes out as one more
    challenge, whose response must be empty, before the success is told.
    """

    user: str
    authzid: str = ""
    server_final: bytes = b""


class Fault(Enum):
    """Why an exchange failed. The peer is told little of it."""

    MALFORMED = "malformed"
    """Not what the mechanism's grammar allows, or too long."""
    UNSUPPORTED = "unsupported"
    """A mandatory extension or a channel binding type that is not known here."""
    BINDING = "binding"
    """Channel binding does not match, or its negotiation was tampered with: an attack."""
    CREDENTIALS = "credentials"
    """Unknown user or wrong password; nobody is told which."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange is over. ``detail`` is for the log; it never holds what the peer sent."""

    fault: Fault
    detail: str


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Is this the password of ``user``? All three are in SASLprep form."""

    user: str
    password: str = field(repr=False)
    authzid: str
    answer: Callable[[bool], Step] = field(repr=False, compare=False)


class ProvideCredentials(Protocol):
    """How ``NeedCredentials`` is answered."""

    def __call__(self, credentials: Credentials | None, identity: str = "") -> Step:
        """``credentials`` None, or without SCRAM keys, when there is nobody to log in.

        ``identity``: the spelling under which the user was looked up. The made-up salt of an
        unknown user depends on it alone, so that all spellings of one name get one salt, as they
        would if the user existed.
        """
        ...


@dataclass(frozen=True, slots=True)
class NeedCredentials:
    """What is kept of ``user`` (in SASLprep form)?"""

    user: str
    authzid: str
    answer: ProvideCredentials = field(repr=False, compare=False)


Step = Challenge | CheckPassword | NeedCredentials | Done | Failed


class ServerMachine(Protocol):
    """The server's side of one exchange; used once."""

    def step(self, response: bytes | None) -> Step:
        """Take a response; the first time the initial response, None when there was none.

        Any octets give a value. RuntimeError shows a bug in the caller: a step after the end, or
        while a question is open.
        """
        ...


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What a connection and its house give to a machine.

    ``bindings``: channel binding data by type (``tls-exporter``, ``tls-server-end-point``,
    ``tls-unique``), empty without TLS. Give them exactly when -PLUS is offered: they decide
    whether a client that says "you seem not to support binding" was lied to. ``tls-unique`` may
    be among them only for TLS 1.2 with extended master secret or without resumption
    (RFC 7677 §4).

    ``secret`` keys the made-up salts of unknown users; the same for all workers and for long,
    because a salt that changes tells that nobody is there. ``iterations`` should be what new
    passwords get.
    """

    secret: bytes = field(repr=False)
    nonce: Callable[[], str]
    """A fresh string of printable ASCII without comma, at least 100 bits."""
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    iterations: int = 4096


# ------------------------------------------------------------------------------ client's side


@dataclass(frozen=True, slots=True)
class Respond:
    """Send ``data`` (decoded; may be empty)."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Abort:
    """Cancel the exchange (``*``): the server is not what it should be."""

    detail: str


class ClientMachine(Protocol):
    """The client's side of one exchange; used once."""

    @property
    def name(self) -> str:
        """Mechanism name to ask for."""
        ...

    @property
    def satisfied(self) -> bool:
        """True once success may be believed. With SCRAM a server that says OK without having
        proved itself is refused (RFC 5802 §5)."""
        ...

    def start(self) -> bytes | None:
        """The initial response; None when the server speaks first."""
        ...

    def step(self, challenge: bytes) -> Respond | Abort:
        """Answer a challenge, or look at the additional data of a success."""
        ...


@dataclass(frozen=True, slots=True)
class ClientContext:
    """With what a client logs in. ``private``: TLS with a verified peer, or the same machine."""

    user: str
    password: str = field(repr=False)
    nonce: Callable[[], str]
    private: bool
    authzid: str = ""
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    max_iterations: int = 1_000_000
    """A server that asks for more is refused: it wants our processor (RFC 5802 §9)."""


def text_of(data: bytes) -> str | None:
    """``data`` as text: valid UTF-8 of bounded length without NUL (RFC 4616 §2); else None."""
    if len(data) > MAX_FIELD or b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
