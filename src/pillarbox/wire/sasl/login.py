"""LOGIN (draft-murchison-sasl-login): obsolete, and still what much mail software speaks.

The draft lets a server send "Username:" and "Password:" instead of its own strings, because
clients wait for those; everybody does.
"""

from __future__ import annotations

from pillarbox.wire.sasl.machine import (
    Abort,
    Challenge,
    ClientContext,
    Failed,
    Fault,
    Respond,
    ServerContext,
    Step,
    text_of,
)
from pillarbox.wire.sasl.plain import check_password

USERNAME = b"Username:"
PASSWORD = b"Password:"


class LoginServer:
    """Asks for the name, then for the password.

    An initial response is taken as the name. The mechanism has none by its draft, but Microsoft's
    mail services send it.
    """

    __slots__ = ("_over", "_prompted", "_user")

    def __init__(self, _context: ServerContext) -> None:
        self._prompted = False
        self._over = False
        self._user: str | None = None

    def step(self, response: bytes | None) -> Step:
        if self._over or (response is None and self._prompted):
            raise RuntimeError("LOGIN takes a name and a password")
        self._prompted = True
        if response is None:
            return Challenge(USERNAME)
        text = text_of(response)
        if text is None:
            self._over = True
            return Failed(Fault.MALFORMED, "too long or not UTF-8")
        if self._user is None:
            self._user = text
            return Challenge(PASSWORD)
        self._over = True
        return check_password(self._user, text, "")


class LoginClient:
    """Answers name, then password, whatever the prompts say (the draft's §2.1)."""

    __slots__ = ("_answers",)
    name = "LOGIN"
    satisfied = True

    def __init__(self, context: ClientContext) -> None:
        self._answers = [context.password.encode(), context.user.encode()]

    def start(self) -> None:
        return None

    def step(self, _challenge: bytes) -> Respond | Abort:
        return Respond(self._answers.pop()) if self._answers else Abort("LOGIN asks twice only")
