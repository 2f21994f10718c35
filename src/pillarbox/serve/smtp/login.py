"""AUTH on an SMTP connection: the exchange, and its outcome as replies."""

from __future__ import annotations

from dataclasses import replace

from pillarbox.auth.context import Context
from pillarbox.auth.exchange import Exchange
from pillarbox.auth.login import Authenticator
from pillarbox.auth.results import Accepted, LoginResult, Reason, Rejected
from pillarbox.model.account import Account
from pillarbox.model.reply import Reply
from pillarbox.net.driver import Connection
from pillarbox.wire.sasl.machine import Challenge
from pillarbox.wire.smtp.options import Options

WELCOME = Reply(235, "2.7.0", "Welcome")
UNAVAILABLE = Reply(454, "4.7.0", "Logging in is not possible at the moment; try again later")
TOO_MANY = Reply(421, "4.7.0", "Too many failed logins")

REPLIES = {  # RFC 4954 §6
    Reason.CREDENTIALS: Reply(535, "5.7.8", "User name or password is wrong"),
    Reason.LOCKED: Reply(454, "4.7.0", "Too many failed logins from your network; try later"),
    Reason.NEEDS_TLS: Reply(538, "5.7.11", "Encryption required; STARTTLS first"),
    Reason.MECHANISM: Reply(504, "5.5.4", "Mechanism not offered"),
    Reason.MALFORMED: Reply(501, "5.5.2", "That is not what the mechanism expects"),
    Reason.AUTHORIZATION: Reply(535, "5.7.8", "You may not act as that user"),
}


def with_mechanisms(options: Options, authenticator: Authenticator, conn: Connection) -> Options:
    """The engine's options with the mechanisms that this very connection may use.

    What can be bound to is known once there is TLS, so after STARTTLS no -PLUS is shown.
    """
    bindings = conn.tls.channel_bindings if conn.tls else {}
    clear = authenticator.mechanisms(Context("submission", conn.peer.ip, secure=False))
    secure = authenticator.mechanisms(
        Context("submission", conn.peer.ip, secure=True, bindings=bindings)
    )
    return replace(options, auth=tuple(secure), auth_in_clear=tuple(clear))


class Login:
    """Who is at the other end; one for a connection."""

    def __init__(
        self,
        conn: Connection,
        authenticator: Authenticator,
        max_failures: int,
        shown: tuple[str, ...],
    ) -> None:
        """``shown``: the mechanisms that EHLO lists inside TLS."""
        self._conn = conn
        self._shown = shown
        self._authenticator = authenticator
        self._max_failures = max_failures
        self._failures = 0
        self._exchange: Exchange | None = None
        self.account: Account | None = None
        """Set once logged in."""

    async def start(self, mechanism: str, initial: bytes | None) -> bytes | Reply:
        """Begin; a challenge to send, or the reply that ends it."""
        tls = self._conn.tls
        ctx = Context(
            "submission",
            self._conn.peer.ip,
            secure=tls is not None,
            bindings=tls.channel_bindings if tls else {},
            conn=self._conn.id,
        )
        exchange = self._authenticator.begin(mechanism, ctx, self._shown)
        if isinstance(exchange, Rejected):
            return REPLIES[exchange.reason]
        self._exchange = exchange
        return await self.answer(initial)

    async def answer(self, data: bytes | None) -> bytes | Reply:
        """Go on with the client's response."""
        if self._exchange is None:
            raise RuntimeError("no exchange is going on")
        outcome = await self._exchange.step(data)
        if isinstance(outcome, Challenge):
            return outcome.data
        self._exchange = None
        return self._ended(outcome)

    def _ended(self, outcome: LoginResult) -> Reply:
        if isinstance(outcome, Accepted):
            self.account = outcome.account
            return WELCOME
        if not isinstance(outcome, Rejected):
            return UNAVAILABLE
        self._failures += outcome.guess
        return TOO_MANY if self._failures >= self._max_failures else REPLIES[outcome.reason]
