"""A whole mail house: every room, put together from one configuration.

    async with House(config) as house:
        print(house.ports["imaps"])
        await house.serve()

Making a ``House`` does nothing. ``bind`` takes the ports, which may need a right that is given up
afterwards; entering opens the store and the doors; leaving drains the doors and closes the store.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import pillarbox
from pillarbox.app import doors
from pillarbox.app.admin.rooms import Rooms
from pillarbox.app.caller import LocalCaller
from pillarbox.app.control import Control
from pillarbox.app.core import Core, OpenStore, open_core, sqlite_store
from pillarbox.app.counts import Counts
from pillarbox.app.datadir import DataDir
from pillarbox.app.dmarcinbox import ReportInbox
from pillarbox.app.handlers import Handlers
from pillarbox.app.internet import THE_INTERNET, Internet, dns_options
from pillarbox.app.reload import merged
from pillarbox.app.sending import Sending
from pillarbox.app.settings import connection_options, settings
from pillarbox.app.supervise import Supervisor, every
from pillarbox.app.workers import Workers
from pillarbox.base.clock import Clock, SystemClock
from pillarbox.base.errors import Misuse
from pillarbox.base.ids import ConnectionIds, Rng, SystemRng
from pillarbox.base.log import Logger
from pillarbox.bus.local import LocalBus
from pillarbox.config.schema import Config
from pillarbox.dns.answers import Resolver
from pillarbox.model.address import Address
from pillarbox.model.change import Added, Change
from pillarbox.net.dnsclient import DnsClient
from pillarbox.net.listen import Door, Listener
from pillarbox.store.sqlite.store import SqliteStore

log = Logger("house")

PURGE_EVERY = 3600.0
"""Seconds between two looks for mail whose retention is over."""
TOMBSTONES = 90 * 86_400.0
"""Seconds that a mailbox remembers which UIDs were expunged, for clients that were away."""


class House:
    """One server. Enter it once."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        rng: Rng | None = None,
        opener: OpenStore = sqlite_store,
        given: Mapping[str, list[socket.socket]] | None = None,
        internet: Internet = THE_INTERNET,
        resolver: Resolver | None = None,
    ) -> None:
        """``opener``: opens another store than the usual one. ``given``: sockets by door, taken
        over from a service manager. ``internet``: where mail goes. ``resolver``: answers instead
        of the DNS."""
        self.config = config
        self._clock = clock or SystemClock()
        self._rng = rng or SystemRng()
        self._opener = opener
        self._given = given or {}
        self._internet = internet
        self._resolver = resolver
        self._place = DataDir(config.server.data)
        self._sockets: doors.Sockets | None = None
        self._twins: list[doors.Sockets] = []
        self._workers: Workers | None = None
        self._certificates: doors.Certificates | None = None
        self._counts = Counts(self._clock, self._rng, settings(config))
        self._listeners: dict[str, Listener] = {}
        self._supervisor = Supervisor(self._clock)
        self._handlers: Handlers | None = None
        self._core: Core | None = None
        self._admin: LocalCaller | None = None
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._cutting = asyncio.Event()
        self._since = 0.0

    # ------------------------------------------------------------------ coming and going

    def bind(self) -> None:
        """Load the certificates and take the ports. Done once; entering does it otherwise.

        Raises Misuse for what the configuration asks and the machine does not give.
        """
        if self._sockets is None:
            pair = doors.pair_of(self.config.tls)
            self._certificates = doors.Certificates(pair) if pair else None
            workers = self.config.server.workers
            self._sockets = doors.bind(self.config.listen, self._given, shared=workers > 1)
            self._twins = [doors.twins(self._sockets) for _ in range(workers - 1)]

    async def __aenter__(self) -> Self:
        """Open everything; mail is taken from now on. What fails leaves nothing open."""
        try:
            self.bind()
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain the doors for up to ``server.drain`` seconds, then close everything."""
        await self._close()

    async def _open(self) -> None:
        self._place.prepare()
        lock = await self._place.lock(self._clock)
        self._stack.callback(lock.release)
        bus = LocalBus()
        core = await self._stack.enter_async_context(
            open_core(self.config, bus.publish, self._clock, self._rng, self._opener)
        )
        self._core = core
        await core.store.reclaim()  # what was under way when the last process ended
        secret = self._place.secret(self._rng)
        resolver = self._resolver or DnsClient(self._clock, dns_options(self.config))
        sending = None
        if self.config.send.enabled:
            sending = Sending(self.config, core, resolver, secret, self._write, self._internet)
            self._stack.push_async_callback(sending.close)
        self._handlers = handlers = Handlers(
            core,
            bus,
            settings(self.config),
            self._counts,
            hostname=self.config.server.hostname,
            secret=secret,
            resolver=resolver,
            sending=sending,
        )
        self._stack.push_async_callback(handlers.crew.close)
        self._stack.callback(handlers.views.shut)
        self._stack.push_async_callback(handlers.recorder.write)
        self._stack.push_async_callback(handlers.teacher.close)
        self._stack.push_async_callback(self._supervisor.close)
        self._supervisor.start("queue", handlers.runner.run)
        self._supervisor.start("index", core.indexer.run)
        self._supervisor.start("journal", handlers.recorder.run)
        self._supervisor.start("lessons", handlers.teacher.run)
        if sending is not None:
            reports = sending.tls_reports
            self._supervisor.start("reports", lambda: every(self._clock, 900.0, reports.work))
            if (told := sending.dmarc_reports) is not None:
                self._supervisor.start("dmarc", lambda: every(self._clock, 60.0, told.flush))
                self._supervisor.start("told", lambda: every(self._clock, 900.0, told.work))
        if self.config.checks.reports_inbox:
            inbox = ReportInbox(
                *(core.store, self._clock, self.config.checks.reports_inbox),
                self.config.server.hostname,
                core.scan,
            )
            self._supervisor.start("dmarc-inbox", lambda: every(self._clock, 900.0, inbox.work))
        bus.subscribe(self._heard)
        self._supervisor.start("purge", lambda: every(self._clock, PURGE_EVERY, self._purge(core)))
        rooms = Rooms(
            core.store,
            core.passwords,
            core.scan,
            core.indexer,
            self._clock,
            self._about,
            handlers.runner.wake,
            core.keys,
            self.config,
            self._internet,
            sending.tls_reports if sending is not None else None,
            sending.dmarc_reports if sending is not None else None,
            self._end_sessions,
        )
        self._admin = LocalCaller(rooms)
        self._since = self._clock.now()
        await self._open_doors(handlers)
        if self._twins:
            await self._open_workers(core, handlers)
        control = Control(self._place, rooms)
        await control.start()
        self._stack.push_async_callback(control.close)
        log.info("house.open", data=str(self._place.path), version=pillarbox.__version__)

    async def _open_doors(self, handlers: Handlers) -> None:
        ids = ConnectionIds(self._clock, self._rng)
        self._set_limits(self.config)
        sockets, self._sockets = self._sockets or {}, {}
        self._stack.push_async_callback(self._drain)
        for name, bound in sockets.items():
            if not bound:
                continue  # closed: needs no certificate either
            kind = doors.KINDS[name]
            door = Door(
                name,
                handlers.handler(name),
                self._certificates,
                kind.implicit,
                kind.too_busy,
                self._counts.limits,
                connection_options(self.config, name),
            )
            self._listeners[name] = Listener(door, bound, ids=ids)
        for listener in self._listeners.values():
            await listener.start()

    async def _open_workers(self, core: Core, handlers: Handlers) -> None:
        """The doors in other processes too. Draining ends them with those of this one."""
        store = core.store
        if not isinstance(store, SqliteStore):
            raise Misuse("only the store on SQLite can be read by several processes")
        twins, self._twins = self._twins, []
        workers = Workers(
            *(self.config, twins, store, handlers.runner.wake, self._clock), self._counts
        )
        self._workers = workers
        store.told = workers.committed
        await workers.start()

    async def _drain(self) -> None:
        """Close all doors at once and let connections finish; a second ``stop`` cuts them."""
        grace = self.config.server.drain
        async with asyncio.TaskGroup() as group:
            cutting = group.create_task(self._cut())
            closing = [one.close(grace) for one in self._listeners.values()]
            if self._workers is not None:
                closing.append(self._workers.close(grace))
            await asyncio.gather(*closing)
            cutting.cancel()

    async def _cut(self) -> None:
        await self._cutting.wait()
        if self._workers is not None:
            self._workers.cut()
        await asyncio.gather(*(one.close(0) for one in self._listeners.values()))

    async def _close(self) -> None:
        for sockets in (self._sockets or {}, *self._twins):
            doors.close(sockets)
        self._sockets, self._twins = {}, []
        await self._stack.aclose()

    # ------------------------------------------------------------------ running

    async def serve(self) -> None:
        """Return once somebody called ``stop``."""
        await self._stopping.wait()

    def stop(self) -> None:
        """End ``serve``. A second call does not wait for connections any longer."""
        if self._stopping.is_set():
            self._cutting.set()
        self._stopping.set()

    def reload(self, config: Config) -> None:
        """Put into force what can change while the house runs, certificates among it; what
        cannot is named in the log. Raises Misuse and changes nothing if the certificate, a
        script or a hook is bad."""
        new, waiting = merged(self.config, config)
        made = settings(new)
        pair = doors.pair_of(new.tls)
        if self._certificates is not None and pair is not None:
            self._certificates.reload(pair)
        self.config = new
        self._set_limits(new)
        if self._handlers is not None:
            self._handlers.adopt(made)
        if self._workers is not None:
            self._workers.adopt(new)
        log.info("house.reloaded")
        if waiting:
            log.warning("house.restart-needed", keys=",".join(waiting))

    def _set_limits(self, config: Config) -> None:
        limits = self._counts.limits
        limits.total = config.limits.connections
        limits.per_address = config.limits.connections_per_address

    async def _write(self, message: bytes, sender: Address, to: Address) -> None:
        """A message of the house itself."""
        if self._handlers is not None:
            await self._handlers.write(message, sender, to)

    async def _end_sessions(self, account: int) -> None:
        """In every process; when it returns they have ended."""
        if self._handlers is not None:
            self._handlers.presence.end(account)
        if self._workers is not None:
            await self._workers.end_sessions(account)

    def _heard(self, change: Change) -> None:
        if isinstance(change, Added) and self._core is not None:
            self._core.indexer.wake()

    def _purge(self, core: Core) -> Any:
        async def purge() -> None:
            now = self._clock.now()
            retention = self.config.mail.retention
            freed = await core.store.purge(now - retention, now - max(retention, TOMBSTONES))
            if freed:
                log.info("house.purged", octets=freed)
            await core.store.forget(now - self.config.mail.story)

        return purge

    # ------------------------------------------------------------------ asking

    @property
    def ports(self) -> dict[str, int]:
        """Door to the port it is bound to; doors that are closed are not there."""
        return {name: listener.addresses[0].port for name, listener in self._listeners.items()}

    @property
    def core(self) -> Core:
        """Store, passwords and lanes, for whoever embeds the house. Misuse before it is open."""
        if self._core is None:
            raise Misuse("the house is not open")
        return self._core

    @property
    def admin(self) -> LocalCaller:
        """Performs the operations of ``app.admin`` in this house."""
        if self._admin is None:
            raise Misuse("the house is not open")
        return self._admin

    @property
    def pids(self) -> list[int]:
        """Of this process and of those it has started, which speak for the same house."""
        return [os.getpid(), *(self._workers.pids if self._workers is not None else [])]

    async def _about(self) -> dict[str, Any]:
        there = {name: listener.connections for name, listener in self._listeners.items()}
        if self._workers is not None:
            there = Counter(there) + await self._workers.connections()
        first, *workers = self.pids
        return {
            "running": True,
            "version": pillarbox.__version__,
            "pid": first,
            "workers": workers,
            "since": self._since,
            "failures": self._supervisor.failures,
            "doors": [
                {
                    "name": name,
                    "addresses": [f"{peer.ip}:{peer.port}" for peer in listener.addresses],
                    "connections": there.get(name, 0),
                }
                for name, listener in self._listeners.items()
            ],
        }
