"""One POP3 connection: the loop, what the session knows, and how it ends.

The engine judges the protocol; the modules beside this one each answer a family of events and are
found by the type of the event. Nothing but an answered QUIT removes a message (RFC 1939 §6).

What needs nothing waited for (DELE, STAT, a message that was read ahead) is answered in the loop's
callback that brings its octets, while the task of the connection goes on waiting. The first event
of another kind, and all behind it, is left to the task (decisions 0081 and 0094).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from pillarbox.auth.context import Context
from pillarbox.auth.exchange import Exchange
from pillarbox.base.errors import Temporary, is_permanent
from pillarbox.base.log import Logger
from pillarbox.mailbox.pop3 import Maildrop
from pillarbox.net.driver import Connection
from pillarbox.net.faults import IdleTimeout, NetFault
from pillarbox.serve.pop3.options import Needs
from pillarbox.serve.pop3.pace import Pace
from pillarbox.wire.pop3 import render
from pillarbox.wire.pop3.events import Event
from pillarbox.wire.pop3.phrases import Phrase
from pillarbox.wire.pop3.render import Voice
from pillarbox.wire.pop3.server import Engine

log = Logger("pop3")

ROOM = 65_536
"""Octets of long answers after which the peer must make room for more."""


class Made(NamedTuple):
    """The answer to RETR of ``number`` in the language of ``voice``."""

    number: int
    voice: Voice
    answer: bytes


Handler = Callable[["Session", Any], Awaitable[None]]
AtOnce = Callable[["Session", Any], bool]
"""Answers without waiting; False, and nothing was said, when the event's ``Handler`` has to."""


class Session:
    """Serves one connection until it ends. Handlers use its attributes freely."""

    def __init__(
        self,
        conn: Connection,
        needs: Needs,
        pace: Pace,
        handlers: Mapping[type, Handler],
        at_once: Mapping[type, AtOnce],
    ) -> None:
        self.conn = conn
        self.needs = needs
        self.pace = pace
        self.engine = Engine(
            secure=conn.tls is not None,
            stls_offered=conn.can_start_tls,
            limits=needs.options.engine,
        )
        self.voice = Voice(preferred=needs.options.language)
        """The language of answers; LANG puts another in its place."""
        self.log = log.bind(conn=conn.id, ip=conn.peer.ip)
        self.maildrop: Maildrop | None = None
        """Locked and open from login to the end."""
        self.exchange: Exchange | None = None
        """A SASL exchange that is going on."""
        self.login_failures = 0
        self.fetched = 0
        """Messages sent whole, for the log."""
        self.made: Made | None = None
        """The answer that is probably wanted next."""
        self.over = False
        """The last answer has been written."""
        self._handlers = handlers
        self._prompt = at_once
        self._login_by = 0.0
        self._listening = False
        """The task waits for octets and for nothing else."""
        self._left: list[Event] = []
        """What was not for ``_at_once``."""
        self._sent = 0
        """Octets of answers since the peer last had to make room."""

    @property
    def drop(self) -> Maildrop:
        """The maildrop of a session in TRANSACTION."""
        if self.maildrop is None:
            raise RuntimeError("not logged in")  # the engine's table forbids it
        return self.maildrop

    # -- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """From greeting to end."""
        conn, engine, options = self.conn, self.engine, self.needs.options
        self._login_by = self.needs.clock.monotonic() + options.login_timeout
        self.write(self.voice.ok(Phrase.GREETING, host=options.hostname))
        conn.at_once = self._at_once
        try:
            while not self.over:
                data = await self._wait()
                if self._left:  # came before ``data``
                    left, self._left = self._left, []
                    await self._handle(left)
                if data is not None and not self.over:
                    await self._handle(engine.feed(data) if data else engine.eof())
        except IdleTimeout:
            if conn.draining.is_set():
                self._shut_down()
            else:
                self.log.info("pop3.idle")  # RFC 1939 §3: closed without a response
        finally:
            conn.at_once = None
            self.close()

    def _at_once(self, data: bytes) -> bool:
        """Answer what can be answered now; False when the task has to read ``data`` itself."""
        if not self._listening or self._left or self.maildrop is None:
            return False
        events = self.engine.feed(data)
        for number, event in enumerate(events):
            if self._sent >= ROOM or not self._answered(event):
                self._left = events[number:]
                self.conn.knock()
                return True
        self.conn.flush()
        self._sent = 0
        return True

    def _answered(self, event: Event) -> bool:
        """Whether the event could be answered without waiting."""
        answer = self._prompt.get(type(event))
        if answer is None:
            return False
        try:
            return answer(self, event)
        except Exception as error:
            self._failed(event, error)
            return True

    async def _wait(self) -> bytes | None:
        """Bytes from the client; None when there are events left, or the session is over.

        A server that goes down greets nobody any more, but a client at work comes to its QUIT:
        what it has read and not yet removed it would read again.
        """
        conn = self.conn
        if self.maildrop is None:  # however busy the client keeps us meanwhile
            conn.timeout = self._login_by - self.needs.clock.monotonic()
            if conn.timeout <= 0:
                raise IdleTimeout("no login in time")
        if not conn.draining.is_set():
            self._listening = True
            try:
                data = await conn.read_or(conn.draining)
            finally:
                self._listening = False
            if data is not None or self._left:
                return data
        if self.maildrop is None:
            self._shut_down()
            return None
        conn.timeout = self.needs.options.last_words
        return await conn.read()

    async def _handle(self, events: list[Event]) -> None:
        while events:
            for number, event in enumerate(events, 1):
                refused = await self._answer(event)
                if self.over:
                    return
                if number == len(events) and self.engine.gated:  # only the last can be a gate
                    if not refused:
                        raise RuntimeError(f"{type(event).__name__}: a gate was left shut")
                    self.engine.refuse()
                if self._sent >= ROOM:  # commands that came at once have long answers too
                    await self._drain()
            events = self.engine.resume()

    async def _answer(self, event: Event) -> bool:
        """Have an event answered; True when that failed."""
        if self._answered(event):
            return False
        try:
            await self._handlers[type(event)](self, event)
        except NetFault:
            raise
        except Exception as error:
            self._failed(event, error)
        else:
            return False
        return True

    def _failed(self, event: Event, error: Exception) -> None:
        """A hand that broke, or a bug: the client is told, and the session goes on."""
        command = type(event).__name__
        if isinstance(error, Temporary):
            self.log.warning("pop3.unavailable", command=command, error=str(error))
            self._give_up(Phrase.TRY_LATER, render.SYS_TEMP)
            return
        self.log.error("pop3.bug", exc=error, command=command)
        if is_permanent(error):
            self._give_up(Phrase.BROKEN, render.SYS_PERM)
        else:
            self._give_up(Phrase.TRY_LATER, render.SYS_TEMP)

    def _give_up(self, phrase: Phrase, code: str) -> None:
        self.exchange = None
        self.write(self.voice.err(phrase, code))

    def _shut_down(self) -> None:
        self.write(self.voice.err(Phrase.SHUTTING_DOWN, render.SYS_TEMP))
        self.over = True

    def close(self) -> None:
        """Let go of the maildrop. What was marked and not removed is as it was."""
        self.exchange = None
        drop, self.maildrop = self.maildrop, None
        if drop is not None:
            drop.close()
            self.log.info("pop3.end", fetched=self.fetched)

    # -- answers ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Add to what leaves next."""
        self.conn.write(data)
        self._sent += len(data)

    async def send(self, data: bytes) -> None:
        """Add a piece of a long answer, and wait for room when there were many."""
        self.write(data)
        if self._sent >= ROOM:
            await self._drain()

    async def _drain(self) -> None:
        self._sent = 0
        await self.conn.drain()

    def context(self) -> Context:
        """The connection as a login sees it."""
        tls = self.conn.tls
        return Context(
            "pop3",
            self.conn.peer.ip,
            secure=tls is not None,
            bindings=tls.channel_bindings if tls else {},
            conn=self.conn.id,
        )
