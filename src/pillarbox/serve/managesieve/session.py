"""One ManageSieve connection: the loop, what the session knows, and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pillarbox.auth.context import Context
from pillarbox.auth.exchange import Exchange
from pillarbox.base.errors import is_permanent
from pillarbox.base.log import Logger
from pillarbox.model.account import Account
from pillarbox.net.driver import Connection
from pillarbox.net.faults import IdleTimeout, NetFault
from pillarbox.serve.managesieve.options import Needs
from pillarbox.sieve.extensions.table import CAPABILITIES
from pillarbox.wire.managesieve import render
from pillarbox.wire.managesieve.events import Event
from pillarbox.wire.managesieve.server import Engine

log = Logger("managesieve")

Handler = Callable[["Session", Any], Awaitable[None]]


class Session:
    """Serves one connection until it ends. Handlers use its attributes freely."""

    def __init__(self, conn: Connection, needs: Needs, handlers: Mapping[type, Handler]) -> None:
        self.conn = conn
        self.needs = needs
        self.engine = Engine(
            secure=conn.tls is not None,
            tls_offered=conn.can_start_tls,
            limits=needs.options.engine,
        )
        self.log = log.bind(conn=conn.id, ip=conn.peer.ip)
        self.account: Account | None = None
        self.exchange: Exchange | None = None
        """A SASL exchange that is going on."""
        self.login_failures = 0
        self.over = False
        """The last answer has been written."""
        self._handlers = handlers
        self._login_by = 0.0

    @property
    def who(self) -> int:
        """The number of the account that is logged in."""
        if self.account is None:
            raise RuntimeError("not logged in")  # the engine's table forbids it
        return self.account.id

    async def run(self) -> None:
        """From greeting to end."""
        conn, engine = self.conn, self.engine
        self.start_login_clock()
        self.write(self.capabilities() + render.line("OK", "Pillarbox is ready"))
        try:
            while not self.over:
                if self.account is None:
                    conn.timeout = self._login_by - self.needs.clock.monotonic()
                    if conn.timeout <= 0:
                        raise IdleTimeout("no login in time")
                data = None if conn.draining.is_set() else await conn.read_or(conn.draining)
                if data is None:
                    self.bye("the server is going down", "TRYLATER")
                else:
                    await self._handle(engine.feed(data) if data else engine.eof())
        except IdleTimeout:
            self.bye("that took too long")

    def start_login_clock(self) -> None:
        """Somebody is to log in from now on."""
        self._login_by = self.needs.clock.monotonic() + self.needs.options.login_timeout

    async def _handle(self, events: list[Event]) -> None:
        while events:
            for event in events:
                await self._answer(event)
                if self.over:
                    return
            events = self.engine.resume()

    async def _answer(self, event: Event) -> None:
        try:
            await self._handlers[type(event)](self, event)
        except NetFault:
            raise
        except Exception as error:
            self.log.error("managesieve.trouble", exc=error, command=type(event).__name__)
            self.exchange = None
            if self.engine.gated:
                self.engine.refuse()
            self.no("that is not possible right now", "" if is_permanent(error) else "TRYLATER")

    # -- answers ------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Add to what leaves next."""
        self.conn.write(data)

    def ok(self, text: str = "", code: str = "") -> None:
        """It was done."""
        self.write(render.line("OK", text, code))

    def no(self, text: str, code: str = "") -> None:
        """It was not."""
        self.write(render.line("NO", text, code))

    def bye(self, text: str, code: str = "") -> None:
        """And the connection ends."""
        self.write(render.line("BYE", text, code))
        self.over = True

    def context(self) -> Context:
        """The connection as a login sees it."""
        tls = self.conn.tls
        return Context(
            "managesieve",
            self.conn.peer.ip,
            secure=tls is not None,
            bindings=tls.channel_bindings if tls else {},
            conn=self.conn.id,
        )

    def capabilities(self) -> bytes:
        """RFC 5804 §1.7; after login without ways to log in, and with the owner."""
        names = [] if self.account else self.needs.authenticator.mechanisms(self.context())
        values: list[tuple[str, str | None]] = [
            ("IMPLEMENTATION", f"Pillarbox {self.needs.options.version}".strip()),
            ("SASL", " ".join(names)),
            ("SIEVE", " ".join(CAPABILITIES)),
            ("NOTIFY", "mailto"),
            ("MAXREDIRECTS", str(self.needs.options.redirects)),
            ("UNAUTHENTICATE", None),
            ("VERSION", "1.0"),
        ]
        if not self.engine.secure and self.conn.can_start_tls and self.account is None:
            values.append(("STARTTLS", None))
        if self.account is not None:
            values.append(("OWNER", self.account.address))
        return render.capabilities(values)
