"""PLAIN (RFC 4616): everything in one message, so only inside TLS."""

from __future__ import annotations

from pillarbox.wire.sasl.machine import (
    MAX_FIELD,
    Abort,
    Challenge,
    CheckPassword,
    ClientContext,
    Done,
    Failed,
    Fault,
    Respond,
    ServerContext,
    Step,
    text_of,
)
from pillarbox.wire.sasl.prep import saslprep


def check_password(user: str, password: str, authzid: str) -> Step:
    """The question all password mechanisms end in; Failed when a name cannot be prepared."""
    prepared = [saslprep(part) for part in (user, password, authzid)]
    if not prepared[0] or not prepared[1] or prepared[2] is None:  # RFC 4616 §2
        return Failed(Fault.MALFORMED, "name or password empty or not allowed by SASLprep")
    name, secret, identity = prepared[0], prepared[1], prepared[2]

    def answer(right: bool) -> Step:
        if right:
            return Done(name, identity)
        return Failed(Fault.CREDENTIALS, "wrong password or unknown user")

    return CheckPassword(name, secret, identity, answer)


class PlainServer:
    """``[authzid] NUL authcid NUL passwd``, as initial response or after an empty challenge."""

    __slots__ = ("_challenged", "_over")

    def __init__(self, _context: ServerContext) -> None:
        self._challenged = False
        self._over = False

    def step(self, response: bytes | None) -> Step:
        if self._over or (response is None and self._challenged):
            raise RuntimeError("PLAIN takes one response")
        if response is None:
            self._challenged = True
            return Challenge(b"")  # RFC 4422 §3: the mechanism is client-first
        self._over = True
        parts = response.split(b"\0") if len(response) <= 3 * MAX_FIELD + 2 else []
        texts = [text for part in parts if (text := text_of(part)) is not None]
        if len(parts) != 3 or len(texts) != 3:  # RFC 4616 §2
            return Failed(Fault.MALFORMED, "not authzid NUL authcid NUL passwd in UTF-8")
        authzid, user, password = texts
        return check_password(user, password, authzid)


class PlainClient:
    """Sends the password at once; answers nothing further."""

    __slots__ = ("_message",)
    name = "PLAIN"
    satisfied = True

    def __init__(self, context: ClientContext) -> None:
        parts = (context.authzid, context.user, context.password)
        self._message = "\0".join(parts).encode()

    def start(self) -> bytes:
        return self._message

    def step(self, challenge: bytes) -> Respond | Abort:
        """An empty challenge asks again for the initial response; any other makes no sense."""
        return Abort("PLAIN has no challenges") if challenge else Respond(self._message)
