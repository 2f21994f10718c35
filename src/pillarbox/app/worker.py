"""A worker: the doors of a house in a process of their own.

It inherits its sockets and a line to the process that has the store open, and lives as long as
that. All the doors are here but POP3's, because one session at a time may have a maildrop.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from pillarbox.app import doors
from pillarbox.app.core import open_core
from pillarbox.app.counts import Counted, Counts, Ended
from pillarbox.app.datadir import DataDir
from pillarbox.app.handlers import Handlers
from pillarbox.app.internet import dns_options
from pillarbox.app.loops import run
from pillarbox.app.run import logging_to_stderr, quiet_collector
from pillarbox.app.sending import Sending
from pillarbox.app.settings import connection_options, settings
from pillarbox.app.supervise import Supervisor, every
from pillarbox.app.workers import CONNECTIONS, END_SESSIONS, Adopt, Hello, Ready, Stop
from pillarbox.base import log as logs
from pillarbox.base.clock import Clock, SystemClock
from pillarbox.base.errors import Misuse, PillarboxError
from pillarbox.base.ids import ConnectionIds, SystemRng
from pillarbox.bus.line import Line, first_news
from pillarbox.bus.local import LocalBus
from pillarbox.config.schema import Config
from pillarbox.model.address import Address
from pillarbox.net.dnsclient import DnsClient
from pillarbox.net.listen import Door, Listener
from pillarbox.store.api import Publish, Store
from pillarbox.store.sqlite.afar import StoreAfar, as_store, open_afar
from pillarbox.store.sqlite.writer import Committed

log = logs.Logger("worker")


def main(fd: int) -> None:
    """Run until the other end of the line ``fd`` says so, or goes away."""
    # Terminals and service managers signal the whole group; only the first process decides.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sock = socket.socket(fileno=fd)
    hello = first_news(sock)
    with logging_to_stderr(hello.config.log):
        run(Worker(hello).run(sock), hello.config.server.event_loop)


class Worker:
    """One process."""

    def __init__(self, hello: Hello) -> None:
        self._config: Config = hello.config
        self._doors = hello.doors
        clock, rng = self._clock, self._rng = SystemClock(), SystemRng()
        made = settings(hello.config)
        self._counts = Counts(clock, rng, made, hello.number, hello.counts)
        self._listeners: list[Listener] = []
        self._handlers: Handlers | None = None
        self._certificates: doors.Certificates | None = None
        self._store: StoreAfar | None = None
        self._bus = LocalBus()
        self._over = asyncio.Event()
        self._cut = asyncio.Event()
        self._grace = 0.0

    async def run(self, sock: socket.socket) -> None:
        """Serve until told to stop."""
        clock, rng = self._clock, self._rng
        sock.setblocking(False)
        line = Line(asked=self._asked, heard=self._heard, lost=self._cut_off)
        await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=sock)
        self._counts.share(line.tell)

        async def opener(path: Path, publish: Publish, clock: Clock) -> Store:  # noqa: ARG001
            self._store = open_afar(path, line.call, clock, rng)
            return as_store(self._store)

        async with AsyncExitStack() as stack:
            core = await stack.enter_async_context(
                open_core(self._config, self._bus.publish, clock, rng, opener)
            )
            secret = DataDir(self._config.server.data).secret(rng)
            resolver = DnsClient(clock, dns_options(self._config))
            sending = None
            if self._config.send.enabled:  # for what it knows, not to send
                sending = Sending(self._config, core, resolver, secret, _not_here)
                stack.push_async_callback(sending.close)
            self._handlers = Handlers(
                core,
                self._bus,
                settings(self._config),
                self._counts,
                hostname=self._config.server.hostname,
                secret=secret,
                resolver=resolver,
                sending=sending,
            )
            stack.push_async_callback(self._handlers.crew.close)
            stack.callback(self._handlers.views.shut)
            stack.push_async_callback(self._handlers.recorder.write)
            stack.push_async_callback(self._handlers.teacher.close)
            supervisor = Supervisor(clock)
            stack.push_async_callback(supervisor.close)
            supervisor.start("journal", self._handlers.recorder.run)
            if sending is not None and (told := sending.dmarc_reports) is not None:
                supervisor.start("dmarc", lambda: every(clock, 60.0, told.flush))
            supervisor.start("lessons", self._handlers.teacher.run)
            await self._open_doors(ConnectionIds(clock, rng))
            quiet_collector()
            line.tell(Ready())
            await self._over.wait()
            await self._drain()
        line.close()

    async def _drain(self) -> None:
        """Let connections finish; a second order to stop cuts them."""

        async def cut() -> None:
            await self._cut.wait()
            await asyncio.gather(*(one.close(0) for one in self._listeners))

        async with asyncio.TaskGroup() as group:
            cutting = group.create_task(cut())
            await asyncio.gather(*(one.close(self._grace) for one in self._listeners))
            cutting.cancel()

    async def _open_doors(self, ids: ConnectionIds) -> None:
        pair = doors.pair_of(self._config.tls)
        self._certificates = doors.Certificates(pair) if pair else None
        self._set_limits()
        handlers = self._handlers
        assert handlers is not None  # noqa: S101  (made just before)
        for name, fds in self._doors.items():
            kind = doors.KINDS[name]
            door = Door(
                name,
                handlers.handler(name),
                self._certificates,
                kind.implicit,
                kind.too_busy,
                self._counts.limits,
                connection_options(self._config, name),
            )
            self._listeners.append(
                Listener(door, [socket.socket(fileno=fd) for fd in fds], ids=ids)
            )
        for listener in self._listeners:
            await listener.start()

    def _set_limits(self) -> None:
        limits = self._counts.limits
        limits.total = self._config.limits.connections
        limits.per_address = self._config.limits.connections_per_address

    # ------------------------------------------------------------------ what the line says

    async def _asked(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the first process asks."""
        if name == CONNECTIONS:
            return {one.name: one.connections for one in self._listeners}
        if name == END_SESSIONS and self._handlers is not None:
            self._handlers.presence.end(*args)
            return None
        raise Misuse(f"a worker does not know {name}")

    def _heard(self, value: Any) -> None:
        if isinstance(value, Committed):
            if self._store is not None:
                self._store.heard(value)
            self._bus.publish(value.changes)
        elif isinstance(value, (Counted, Ended)):
            self._counts.heard(value)
        elif isinstance(value, Adopt):
            self._adopt(value.config)
        elif isinstance(value, Stop):
            if self._over.is_set():  # a second time: do not wait for connections any longer
                self._cut.set()
            self._grace = value.grace
            self._over.set()

    def _adopt(self, config: Config) -> None:
        pair = doors.pair_of(config.tls)
        try:
            made = settings(config)
            if self._certificates is not None and pair is not None:
                self._certificates.reload(pair)
        except PillarboxError as error:
            log.error("worker.reload-failed", error=str(error))
            return
        self._config = config
        self._set_limits()
        logs.set_level(config.log.level)
        if self._handlers is not None:
            self._handlers.adopt(made)

    def _cut_off(self) -> None:
        """The process that writes has gone: nothing can be promised any more."""
        self._grace = 0.0
        self._over.set()
        self._cut.set()


async def _not_here(message: bytes, sender: Address, to: Address) -> None:  # noqa: ARG001
    """Mail of the house itself is written where the queue is worked."""
    raise Misuse("a worker writes no mail of its own")
