"""One IMAP connection: the loop.

The engine judges the protocol; the modules beside this one each answer a family of commands and
are found by the type of the command. What another session changed is told where the protocol
allows it: ``finish`` says it before the tagged answer, and the loop says it while the client
idles. Between commands ``between`` (given by the door) says what takes more work: results kept up
to date, and what NOTIFY asked for.

A command that needs nothing asked (NOOP, a piece of a literal) is answered where its octets arrive,
in the loop's callback, while the task of the connection goes on waiting; waking it and falling
asleep again costs more than such an answer (decision 0081). The first event of another kind, and
all behind it, is left to the task. News for a client that idles are told in the same way, one turn
of the loop after the commit: hundreds of sessions may idle in one mailbox.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pillarbox.base.errors import Temporary
from pillarbox.base.signal import Signal
from pillarbox.mailbox.view import View
from pillarbox.net.driver import Connection
from pillarbox.net.faults import IdleTimeout, NetFault
from pillarbox.serve.imap import features
from pillarbox.serve.imap.client import Client
from pillarbox.serve.imap.options import Needs
from pillarbox.serve.imap.progress import Progress
from pillarbox.wire.imap import commands, extensions, render
from pillarbox.wire.imap.events import Bye, Disconnected
from pillarbox.wire.imap.render import codes
from pillarbox.wire.imap.server import Event

Handler = Callable[["Session", Any], Awaitable[None]]
AtOnce = Callable[["Session", Any], None]
Between = Callable[["Session"], Awaitable[None]]

ROOM = 65_536
"""Octets of answers after which the peer must make room for more."""

LENGTHY = frozenset(
    {
        commands.Search,
        commands.Copy,
        commands.Move,
        commands.Store,
        commands.Expunge,
        extensions.Sort,
        extensions.Thread,
        extensions.MultiSearch,
        extensions.Filter,
    }
)
"""Commands that can take long before their first word, and write whole responses only, so that
an untagged OK may come in between (RFC 9585 §4)."""


async def _nothing(_session: Session) -> None:
    """Between commands there is nothing to say."""


class Session(Client):
    """Serves one connection until it ends."""

    def __init__(
        self,
        conn: Connection,
        needs: Needs,
        handlers: Mapping[type, Handler],
        at_once: Mapping[type, AtOnce],
        between: Between = _nothing,
    ) -> None:
        super().__init__(conn, needs)
        self._handlers = handlers
        self._prompt = at_once
        self._between = between
        self._listening = False
        """The task waits for octets and for nothing else."""
        self._left: list[Event] = []
        """What was not for ``_at_once``."""
        self._progress = Progress(self._working, needs.options.progress)

    # -- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """From greeting to end."""
        conn, engine = self.conn, self.engine
        self.ask_who()
        conn.at_once = self._at_once
        conn.write(render.ok("*", "Pillarbox is ready", self.capabilities()))
        try:
            while not self.over:
                data = await self._wait()
                if not self.over:
                    await self._handle(self._events(data))
                if data == b"" and not self.over:
                    await self._handle(engine.eof())
        except IdleTimeout:
            late = "been silent for too long" if self.account else "taken too long to log in"
            conn.write(render.bye(f"You have {late}"))
        finally:
            conn.at_once = None
            await self.end()

    def _events(self, data: bytes | None) -> list[Event]:
        """What was left to the task, then what ``data`` brings. The engine gets ``data`` before
        that is handled, as if both had come at once: behind COMPRESS it is packed (RFC 4978 §3).
        """
        left, self._left = self._left, []
        return left + self.engine.feed(data) if data else left

    def _at_once(self, data: bytes) -> bool:
        """Answer what can be answered now; False when the task has to read ``data`` itself."""
        if not self._listening or self._left or self.account is None:
            return False
        if self.notify is not None or self.contexts or self.unheard:
            return False
        engine, table = self.engine, self._prompt
        events = engine.feed(data)
        while events:
            for number, event in enumerate(events):
                answer = table.get(type(event))
                if answer is None or self.unsent >= ROOM:
                    self._left = events[number:]
                    self.conn.knock()
                    return True
                self._answer_now(answer, event)
                if self.over:
                    self.conn.knock()
                    return True
            engine.done()
            events = engine.resume()
        self.conn.flush()
        self.unsent = 0
        return True

    def _answer_now(self, answer: AtOnce, event: Event) -> None:
        self.command = event
        try:
            answer(self, event)
        except Exception as error:
            self._failed(event, error)
        finally:
            self.command = None

    async def _wait(self) -> bytes | None:
        """Bytes from the client; None when something else was dealt with meanwhile."""
        conn = self.conn
        if self.account is None:
            conn.timeout = self.login_by - self.needs.clock.monotonic()
            if conn.timeout <= 0:
                raise IdleTimeout("no login in time")
        news = self.notify is not None or self.contexts.touched
        if news and self.engine.between:
            await self._say_between()
            if self.over:
                return None
        view = self.view if self.idling and self.notify is None else None
        if view is not None:
            view.changed.watch(self._news)
            if view.changed.is_set():
                self._news()
        self._listening = True
        try:
            data = await conn.read_or(conn.draining, *self._wakes())
        finally:
            self._listening = False
            if view is not None:
                view.changed.unwatch(self._news)
        if data is not None or self._left or self.over:
            return data
        if conn.draining.is_set():
            self.bye("The server is going down")
        elif self.idling or self.notify is not None:
            await self.hear()
            if self.view is not None and self.view.changed.is_set():
                self._tell_at_once(self.view)
        return None

    async def _say_between(self) -> None:
        try:
            await self._between(self)
        except NetFault:
            raise
        except Exception as error:  # nobody asked for it, so nobody is to be answered
            self.log.error("imap.between", exc=error)

    def _wakes(self) -> list[Signal]:
        """What happens elsewhere and is to be told while the client says nothing."""
        watch, view = self.notify, self.view
        wakes = []
        # RFC 5465 §4: IDLE tells what NOTIFY tells; without NOTIFY ``_news`` does.
        listens = watch is not None and self.engine.between and watch.hears("MessageNew")
        if view is not None and listens:
            wakes.append(view.changed)
        if watch is not None and self.engine.between:
            wakes.append(watch.signal)
        if self.watch is not None and self.idling:
            wakes.append(self.watch.changed)
        return wakes

    def _news(self) -> None:
        """The mailbox of a client that idles has changed. Told in a turn of its own: the commit
        that brings it may bring more, and others wait for its end."""
        self.conn.soon(self._tell_idler)

    def _tell_idler(self) -> None:
        view, conn = self.view, self.conn
        if view is None or not self._listening or not view.changed.is_set():
            return  # the task is awake and looks itself before it waits again
        if self.unheard or self.contexts or conn.congested:
            conn.knock()
            return
        self._tell_at_once(view)
        conn.flush()
        if self.over:
            conn.knock()

    def _tell_at_once(self, view: View) -> None:
        """The mailbox has changed, and the client is listening: RFC 2177 §3, RFC 5465 §3.1."""
        hold = not self.idling and self.notify is not None and self.notify.delays_expunges
        self.sync(allow_expunge=not hold)
        if hold:
            view.changed.clear()  # what is held back waits for a command (RFC 5465 §6.1.2)

    async def _handle(self, events: list[Event]) -> None:
        engine = self.engine
        while events:
            for event in events:
                await self._answer(event)
                if self.over:
                    return
                if self.unsent >= ROOM:  # commands that came at once have long answers too
                    self.unsent = 0
                    await self.conn.drain()
            engine.done()
            events = engine.resume()

    async def _answer(self, event: Event) -> None:
        kind = type(event)
        at_once = self._prompt.get(kind)
        if at_once is not None and not self.unheard:
            self._answer_now(at_once, event)
            return
        if kind is Disconnected:
            self.over = True
            return
        self.command = event
        for name in features.used(event):
            if name not in self.speaks:
                self.speaks.add(name)
                self.log.debug("imap.speaks", capability=name)
        handler = self._handlers.get(kind)
        if kind in LENGTHY and "INPROGRESS" not in self.masked:
            self._progress.start(event.tag)  # type: ignore[union-attr]
        try:
            await self.hear()
            if self.over:
                return
            if at_once is not None:
                at_once(self, event)
            elif handler is not None:
                await handler(self, event)
            elif isinstance(event, Bye):
                self.write(event.reply)
                self.over = True
            else:
                raise RuntimeError(f"no handler for {type(event).__name__}")
        except NetFault:
            raise
        except Exception as error:
            self._failed(event, error)
        finally:
            self._progress.stop()
            self.command = None

    def _working(self, tag: str) -> None:
        """A command takes long: say that the server is alive (RFC 9585 §4)."""
        self.write(render.ok("*", "Still at it", codes.inprogress(tag)))
        self.conn.flush()

    def _failed(self, event: Event, error: Exception) -> None:
        """A hand that broke, or a bug: the client is told, and the session goes on."""
        command = type(event).__name__
        if isinstance(error, Temporary):
            self.log.warning("imap.unavailable", command=command, error=str(error))
            self._give_up(event, "Not possible at the moment; try again later", codes.UNAVAILABLE)
        else:
            self.log.error("imap.bug", exc=error, command=command)
            self._give_up(event, "Something is wrong here; it has been noted", codes.SERVERBUG)

    def _give_up(self, event: Event, text: str, code: str) -> None:
        tag = getattr(event, "tag", "")
        if tag:
            self.write(render.no(tag, text, code))
        else:
            self.bye(text)

    async def end(self) -> None:
        """Forget everything: the connection is gone or going."""
        upload = self.scratch.pop("append", None)
        if upload is not None:
            upload.discard()
        self.look_away()
        self.unnotify()
        await self.unselect()
