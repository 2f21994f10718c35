"""One SMTP, submission or LMTP connection: the loop, and what is not mail itself.

The engine judges the protocol, ``transaction`` handles mail, this file what surrounds it:
greeting, hello, TLS, login, help and hanging up.

What needs nothing asked is answered where its octets arrive, in the loop's callback, while the task
of the connection goes on waiting: an envelope whose recipients are known, and the content as it
comes (decision 0091). The first event that has to wait, and all behind it, is left to the task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from pillarbox.base.errors import Temporary
from pillarbox.base.log import Logger
from pillarbox.model.reply import OK, Reply
from pillarbox.model.transaction import Peer, Role
from pillarbox.net.driver import Connection
from pillarbox.net.faults import IdleTimeout, NetFault
from pillarbox.policy.tarpit import Tarpit
from pillarbox.serve.smtp.login import Login, with_mechanisms
from pillarbox.serve.smtp.options import Needs, Options
from pillarbox.serve.smtp.transaction import SENDER_OK, TROUBLE, Transaction
from pillarbox.wire.smtp import events
from pillarbox.wire.smtp.options import Extension
from pillarbox.wire.smtp.replies import render
from pillarbox.wire.smtp.server import Engine

log = Logger("smtp")

BYE = Reply(221, "2.0.0", "Bye")
TIMED_OUT = Reply(421, "4.4.2", "You have been silent for too long")
SHUTTING_DOWN = Reply(421, "4.3.2", "The server is going down; try again soon")
NO_TLS = Reply(454, "4.7.0", "TLS is not available at the moment")
AUTH_FIRST = Reply(530, "5.7.0", "Log in first")
NOT_YOU = Reply(553, "5.7.1", "That sender address is not one of yours")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, but will take mail and try to deliver it")
NOT_SUPPORTED = Reply(502, "5.5.1", "Not supported here")
HELP = Reply(214, "2.0.0", "Commands are those of RFC 5321; questions go to postmaster")

AtOnce = Callable[[Any], bytes | None]
"""What to say to an event; None when somebody has to be asked first, and nothing was done yet."""
Handler = Callable[[Any], Awaitable[bytes]]


class Session:
    """Serves one connection until it ends."""

    def __init__(self, conn: Connection, options: Options, needs: Needs) -> None:
        self._conn = conn
        self._options = options
        self._needs = needs
        self._log = log.bind(conn=conn.id, ip=conn.peer.ip, door=options.engine.role.value)
        engine = options.engine
        if engine.role is Role.SUBMISSION:
            engine = with_mechanisms(engine, needs.authenticator, conn)
        if conn.can_start_tls:
            engine = replace(engine, extensions=engine.extensions | {Extension.STARTTLS})
        self._login_by = 0.0
        self._engine = Engine(engine, tls=conn.tls is not None)
        peer = Peer(conn.peer.ip, conn.peer.port, tls=_tls_words(conn))
        self._transaction = Transaction(self._engine, options, needs, peer, self._log)
        self._tarpit = self._transaction.tarpit
        self._login = Login(conn, needs.authenticator, options.auth_failures, engine.auth)
        self._listening = False
        """The task waits for octets and for nothing else."""
        self._left: list[events.Event] = []
        """What was not for ``_at_once``."""
        transaction = self._transaction
        self._prompt: dict[type, AtOnce] = {
            events.Hello: self._hello,
            events.Mail: self._mail_known,
            events.Rcpt: transaction.rcpt_known,
            events.Data: transaction.data,
            events.Bdat: transaction.bdat,
            events.DataChunk: transaction.chunk,
            events.ChunkEnd: transaction.chunk_end,
            events.AuthAborted: self._given,
            events.Rset: self._rset,
            events.Noop: self._always(OK),
            events.Quit: self._always(BYE),
            events.Vrfy: self._always(CANNOT_VERIFY),  # RFC 5321 §3.5.3
            events.Expn: self._always(NOT_SUPPORTED),
            events.Help: self._always(HELP),
            events.Unknown: self._given,
            events.Fault: self._given,
            events.Gone: self._gone,
        }
        self._handlers: dict[type, Handler] = {
            events.Mail: self._mail,
            events.Rcpt: transaction.rcpt,
            events.DataEnd: transaction.end,
            events.Auth: self._auth,
            events.AuthLine: self._auth_line,
            events.StartTls: self._start_tls,
        }

    async def run(self) -> None:
        """Until the client or we hang up. Content that was not completed is forgotten."""
        conn, engine = self._conn, self._engine
        conn.timeout = self._options.timeout
        self._login_by = self._needs.clock.monotonic() + self._options.login_timeout
        conn.at_once = self._at_once
        conn.write(engine.greet())
        try:
            while not engine.closed:
                await self._handle(self._events(await self._wait()))
        except IdleTimeout:
            conn.write(render(TIMED_OUT))
        finally:
            conn.at_once = None
            self._transaction.abandon()

    def _events(self, data: bytes | None) -> list[events.Event]:
        """What was left to the task, then what ``data`` brings.

        What was left waits for its answer, so the engine only keeps ``data``, and throws it away
        where that answer begins TLS (RFC 3207 §4.2). Fed afterwards it would be obeyed under TLS.
        """
        left, self._left = self._left, []
        if data is None:
            return left
        return left + (self._engine.feed(data) if data else self._engine.eof())

    async def _wait(self) -> bytes | None:
        """Bytes from the client, b"" when it or we hang up; None when something else was dealt
        with meanwhile. A server that goes down lets a transaction end first."""
        conn, engine = self._conn, self._engine
        if self._options.engine.role is Role.SUBMISSION:
            conn.timeout = self._patience()
        self._listening = True
        try:
            if conn.draining.is_set() and engine.sender is not None:
                return await conn.read()
            data = await conn.read_or(conn.draining)
        finally:
            self._listening = False
        if data is not None or self._left or engine.closed:
            return data
        if engine.sender is None and conn.draining.is_set():
            conn.write(render(SHUTTING_DOWN))  # RFC 5321 §3.8
            return b""
        return None

    def _at_once(self, data: bytes) -> bool:
        """Answer what can be answered now; False when the task has to read ``data`` itself."""
        conn, tarpit = self._conn, self._tarpit
        if not self._listening or self._left or conn.draining.is_set():
            return False
        if self._options.engine.role is Role.SUBMISSION and self._login.account is None:
            return False  # who keeps us busy does not put off the login
        if tarpit is not None and tarpit.delay(conn.peer.ip):
            return False
        engine = self._engine
        happened = engine.feed(data)
        while happened:
            for number, event in enumerate(happened):
                out = self._answer_now(event)
                if out is None:
                    self._left = happened[number:]
                    conn.knock()
                    return True
                if out:
                    conn.write(out)
            happened = engine.resume()
        if engine.closed:
            conn.knock()
        conn.flush()
        return True

    def _patience(self) -> float:
        """Seconds that a client of submission may be silent now."""
        if self._login.account is not None:
            return self._options.timeout
        left = self._login_by - self._needs.clock.monotonic()
        if left <= 0:
            raise IdleTimeout("no login in time")
        return min(left, self._options.timeout)

    async def _handle(self, happened: list[events.Event]) -> None:
        while happened:
            for event in happened:
                out = self._answer_now(event)
                if out is None:
                    out = await self._answer(event)
                if out:
                    if self._tarpit is not None and self._tarpit.delay(self._conn.peer.ip):
                        await self._hold(self._tarpit)
                    self._conn.write(out)
            happened = self._engine.resume()

    async def _hold(self, tarpit: Tarpit) -> None:
        """Let a nuisance wait; what was answered before goes out first."""
        self._conn.flush()
        await tarpit.hold(self._conn.peer.ip, self._conn.draining.is_set)

    def _answer_now(self, event: events.Event) -> bytes | None:
        """What to say to an event; None when it has to wait for ``_answer``."""
        kind = type(event)
        try:
            return self._prompt[kind](event) if kind in self._prompt else None
        except Exception as error:
            return self._failed(event, error)

    async def _answer(self, event: events.Event) -> bytes:
        """What to say to an event that somebody has to be asked about."""
        try:
            return await self._handlers[type(event)](event)
        except NetFault:
            raise
        except Exception as error:
            return self._failed(event, error)

    def _failed(self, event: events.Event, error: Exception) -> bytes:
        """It costs one command, or one message (451)."""
        command = type(event).__name__
        if isinstance(error, Temporary):
            self._log.warning("smtp.unavailable", command=command, error=str(error))
        else:
            self._log.error("smtp.bug", exc=error, command=command)
        return self._engine.reply_each(TROUBLE)

    # -- around the mail ----------------------------------------------------------------------

    def _hello(self, event: events.Hello) -> bytes:
        self._transaction.abandon()
        self._transaction.peer = replace(self._transaction.peer, helo=event.name)
        return self._engine.reply(Reply(250, "", ""))

    def _mail_known(self, event: events.Mail) -> bytes | None:
        """Submission: only after login, and only as oneself (RFC 6409 §4.3, §6.1)."""
        if self._options.engine.role is Role.SUBMISSION:
            account = self._login.account
            if account is None:
                return self._engine.reply(AUTH_FIRST)
            if not self._needs.send_as.is_own(account, event.sender.address):
                return None
        self._transaction.begin()
        return self._engine.reply(SENDER_OK)

    async def _mail(self, event: events.Mail) -> bytes:
        """Another address than the account's own: it may lead there."""
        account, sender = self._login.account, event.sender.address
        if account is None or not await self._needs.send_as.allows(account, sender):
            self._log.info("smtp.send-as", user=self._transaction.peer.user, sender=str(sender))
            self._transaction.refusals.recipient(
                self._transaction.peer, str(sender or ""), "", NOT_YOU
            )
            return self._engine.reply(NOT_YOU)
        self._transaction.begin()
        return self._engine.reply(SENDER_OK)

    def _rset(self, event: events.Rset) -> bytes:
        self._transaction.abandon()
        return self._engine.reply(OK)

    async def _start_tls(self, event: events.StartTls) -> bytes:
        if not self._conn.can_start_tls:
            return self._engine.reply(NO_TLS)
        self._conn.write(self._engine.accept_tls())
        injected = await self._conn.start_tls()
        self._engine.tls_started()
        if injected or self._engine.plaintext_injected:
            self._log.warning("smtp.injected", octets=injected)
        self._transaction.peer = replace(
            self._transaction.peer, helo="", tls=_tls_words(self._conn)
        )
        return b""

    # -- login --------------------------------------------------------------------------------

    async def _auth(self, event: events.Auth) -> bytes:
        return self._after(await self._login.start(event.mechanism, event.initial))

    async def _auth_line(self, event: events.AuthLine) -> bytes:
        return self._after(await self._login.answer(event.data))

    def _after(self, outcome: bytes | Reply) -> bytes:
        """A challenge goes on with the exchange; a reply ends it."""
        if isinstance(outcome, bytes):
            return self._engine.auth_challenge(outcome)
        account = self._login.account
        if account is not None:
            self._transaction.peer = replace(self._transaction.peer, user=account.address)
        return self._engine.auth_done(outcome)

    # -- small answers ------------------------------------------------------------------------

    def _always(self, reply: Reply) -> AtOnce:
        def answer(event: events.Event) -> bytes:  # noqa: ARG001
            return self._engine.reply(reply)

        return answer

    def _given(self, event: events.Unknown | events.Fault | events.AuthAborted) -> bytes:
        """The engine knows the answer."""
        return self._engine.reply(event.reply)

    def _gone(self, event: events.Gone) -> bytes:
        if event.in_transaction:
            self._log.info("smtp.gone")
        self._transaction.abandon()
        return b""


def _tls_words(conn: Connection) -> str:
    """Protocol and cipher, as the Received field says them."""
    return f"{conn.tls.version} {conn.tls.cipher}" if conn.tls else ""
