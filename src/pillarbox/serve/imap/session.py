"""One IMAP connection: the loop, what the session knows, and how every answer ends.

The engine judges the protocol; the modules beside this one each answer a family of commands and
are found by the type of the command. What another session changed is told where the protocol
allows it: ``finish`` says it before the tagged answer, and the loop says it while the client
idles.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pillarbox.auth.context import Context
from pillarbox.base.errors import Temporary
from pillarbox.base.log import Logger
from pillarbox.mailbox.view import View
from pillarbox.model.account import Account
from pillarbox.model.numset import EMPTY, NumSet
from pillarbox.net.driver import Connection
from pillarbox.net.faults import IdleTimeout, NetFault
from pillarbox.serve.imap import telling
from pillarbox.serve.imap.annotated import Watch
from pillarbox.serve.imap.numbers import meant
from pillarbox.serve.imap.options import Needs
from pillarbox.wire.imap import capability, render
from pillarbox.wire.imap.commands import Ranges
from pillarbox.wire.imap.events import BadCommand, Bye, Disconnected, Send
from pillarbox.wire.imap.render import codes
from pillarbox.wire.imap.server import Event, ServerEngine
from pillarbox.wire.imap.state import State

log = Logger("imap")

Handler = Callable[["Session", Any], Awaitable[None]]


class Session:
    """Serves one connection until it ends. Handlers use its attributes freely."""

    def __init__(self, conn: Connection, needs: Needs, handlers: Mapping[type, Handler]) -> None:
        self.conn = conn
        self.needs = needs
        self.engine = ServerEngine(needs.options.engine)
        self.log = log.bind(conn=conn.id, ip=conn.peer.ip)
        self.account: Account | None = None
        """Set by a login."""
        self.view: View | None = None
        """The selected mailbox."""
        self.enabled: set[str] = set()
        """What ENABLE turned on, and CONDSTORE where a command implied it."""
        self.saved = EMPTY
        """UIDs of the saved search result, ``$`` (RFC 5182)."""
        self.idling = False
        self.over = False
        """The last answer has been written."""
        self.watch: Watch | None = None
        """Hears of annotations that others change, once METADATA is enabled."""
        self.login_failures = 0
        self.scratch: dict[str, Any] = {}
        """What a family of commands keeps from one event to the next (an exchange, an upload)."""
        self._handlers = handlers

    @property
    def user(self) -> Account:
        """The account of a session that is logged in."""
        if self.account is None:
            raise RuntimeError("not logged in")  # the engine's table forbids it
        return self.account

    @property
    def selected(self) -> View:
        """The view of a session that has selected a mailbox."""
        if self.view is None:
            raise RuntimeError("nothing is selected")  # the engine's table forbids it
        return self.view

    @property
    def condstore(self) -> bool:
        """The client wants modseqs (RFC 7162 §3.1)."""
        return bool(self.enabled & {"CONDSTORE", "QRESYNC"})

    @property
    def qresync(self) -> bool:
        """The client wants VANISHED instead of EXPUNGE (RFC 7162 §3.2.3)."""
        return "QRESYNC" in self.enabled

    def messages(self, ranges: Ranges, *, uid: bool) -> NumSet | None:
        """Sequence numbers of the messages a command means; None when one does not exist."""
        return meant(self.selected, ranges, self.saved, uid=uid)

    # -- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """From greeting to end."""
        conn, engine = self.conn, self.engine
        conn.timeout = self.needs.options.login_timeout
        conn.write(render.ok("*", "Pillarbox is ready", codes.capability(self.capabilities())))
        try:
            while not self.over:
                data = await self._wait()
                if data is None:
                    continue
                await self._handle(engine.feed(data) if data else engine.eof())
        except IdleTimeout:
            conn.write(render.bye("You have been silent for too long"))
        finally:
            await self.end()

    async def _wait(self) -> bytes | None:
        """Bytes from the client; None when something else was dealt with meanwhile."""
        conn = self.conn
        if self.idling:
            heard = [one.changed for one in (self.view, self.watch) if one is not None]
            data = await conn.read_or(conn.draining, *heard)
        else:
            data = await conn.read_or(conn.draining)
        if data is not None:
            return data
        if conn.draining.is_set():
            self.bye("The server is going down")
        elif self.idling:
            await self.hear()
            self.sync(allow_expunge=True)  # RFC 2177 §3: at once
        return None

    async def _handle(self, events: list[Event]) -> None:
        engine = self.engine
        while events:
            for event in events:
                await self._answer(event)
                if self.over:
                    return
            engine.done()
            events = engine.resume()

    async def _answer(self, event: Event) -> None:
        match event:
            case Send():
                self.write(event.data)
                self.conn.flush()
                return
            case Disconnected():
                self.over = True
                return
        handler = self._handlers.get(type(event))
        try:
            await self.hear()
            if self.over:
                return
            if handler is not None:
                await handler(self, event)
            elif isinstance(event, BadCommand):
                self.write(event.reply)
            elif isinstance(event, Bye):
                self.write(event.reply)
                self.over = True
            else:
                raise RuntimeError(f"no handler for {type(event).__name__}")
        except NetFault:
            raise
        except Temporary as error:
            self.log.warning("imap.unavailable", command=type(event).__name__, error=str(error))
            self._give_up(event, "Not possible at the moment; try again later", codes.UNAVAILABLE)
        except Exception as error:
            self.log.error("imap.bug", exc=error, command=type(event).__name__)
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
        await self.unselect()

    # -- answers ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Add to what leaves next."""
        self.conn.write(data)

    def bye(self, text: str, code: str = "") -> None:
        """The last words."""
        self.write(render.bye(text, code))
        self.over = True

    def finish(
        self, tag: str, text: str = "Done", code: str = "", *, allow_expunge: bool = True
    ) -> None:
        """Say what happened to the mailbox, then OK."""
        self.sync(allow_expunge=allow_expunge)
        self.write(render.ok(tag, text, code))

    def refuse(self, tag: str, text: str, code: str = "", *, allow_expunge: bool = True) -> None:
        """The same with NO."""
        self.sync(allow_expunge=allow_expunge)
        self.write(render.no(tag, text, code))

    def sync(
        self, *, allow_expunge: bool, echo: NumSet = EMPTY, silent: bool = False, told: bool = False
    ) -> None:
        """Tell the client what its mailbox has become.

        ``echo``: UIDs whose flags are said anyhow. ``silent``: of changes by this session only
        modseqs. ``told``: not even these, they stand in the answer already.
        """
        view = self.view
        if view is None or self.over:
            return
        if view.ended:
            self.bye("The mailbox is gone" if view.ended == "deleted" else "The mailbox is lost")
            return
        updates = view.sync(allow_expunge=allow_expunge, echo=echo)
        if updates:
            manner = telling.Manner(
                condstore=self.condstore, qresync=self.qresync, silent=silent, told=told
            )
            self.write(telling.say(updates, view, manner))

    # -- what the session is ------------------------------------------------------------------

    async def hear(self) -> None:
        """Take note of what others did that is not in the view: rights and annotations."""
        await self.recheck()
        watch = self.watch
        if watch is not None and watch.changed.is_set() and not self.over:
            access = self.needs.ops.access
            self.write(await watch.told(access, utf8=self.engine.utf8))

    async def look_out(self) -> None:
        """From now on, tell of annotations that others change."""
        if self.watch is None:
            others = await self.needs.ops.access.sharers(self.user)
            self.watch = Watch(self.needs.views.bus, self.user, self.conn.id, others)

    def look_away(self) -> None:
        """No longer."""
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()

    async def recheck(self) -> None:
        """When the access list of the selected mailbox has changed: go on with the rights there
        are now, or end (RFC 4314 §5.1.1)."""
        view = self.view
        if view is None or view.access == view.state.access:
            return
        view.access = view.state.access
        rights = await self.needs.ops.access.rights(self.user, view.box)
        if rights == view.rights:
            return
        view.rights = rights
        if "r" not in rights:
            self.bye("You may not read this mailbox any more", codes.NOPERM)
            return
        self.write(telling.flags_and_permanent(view))

    def capabilities(self) -> list[str]:
        """What CAPABILITY lists now."""
        from_auth = self.needs.authenticator
        ctx = self.context()
        facts = capability.Facts(
            starttls=self.conn.can_start_tls,
            login=from_auth.cleartext(ctx),
            mechanisms=tuple(from_auth.mechanisms(ctx)),
            append_limit=self.needs.options.engine.append,
        )
        return capability.names(self.engine.state, facts, self.masked)

    @property
    def masked(self) -> frozenset[str]:
        """Capabilities that this client is not to know of."""
        return self.needs.options.masked | (self.account.masked if self.account else frozenset())

    def context(self) -> Context:
        """The connection as a login sees it."""
        tls = self.conn.tls
        return Context(
            "imap",
            self.conn.peer.ip,
            secure=tls is not None,
            bindings=tls.channel_bindings if tls else {},
            conn=self.conn.id,
        )

    async def unselect(self) -> None:
        """Leave the selected mailbox, if any, without expunging."""
        view, self.view = self.view, None
        self.saved = EMPTY
        if view is not None:
            await self.needs.views.close(view)
        if self.engine.state is State.SELECTED:
            self.engine.state = State.AUTHENTICATED
