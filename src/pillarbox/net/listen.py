"""Doors to the outside: accept, count, run one task a connection, drain.

A ``Listener`` is a set of bound sockets that speak one protocol in one way. It knows nothing of
the protocol but the line that turns a client away when there are too many.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pillarbox.base.errors import Misuse
from pillarbox.base.ids import ConnectionIds
from pillarbox.base.limits import ConnectionLimits
from pillarbox.base.log import Logger
from pillarbox.base.signal import Signal
from pillarbox.net.driver import Connection
from pillarbox.net.faults import NetFault
from pillarbox.net.options import DEFAULTS, ConnectionOptions, Peer, peer_of
from pillarbox.net.sockets import BACKLOG
from pillarbox.net.tls import TlsSource
from pillarbox.net.tuning import no_delay

Handler = Callable[[Connection], Awaitable[None]]

#: Connections being told that there are too many; beyond that they are just dropped, so that a
#: flood cannot hold more of us by being refused than by being served.
MAX_POLITE: Final = 100

#: Seconds that handlers get to notice that their connection was cut, before they are cancelled.
_LAST_SECOND: Final = 1.0


@dataclass(frozen=True, slots=True)
class Door:
    """What is the same for all connections of a listener.

    ``name``: of the protocol, for the log. ``handler``: runs a connection from greeting to end;
    the listener closes it afterwards. ``tls``: certificates for STARTTLS, or with ``implicit``
    for a handshake before the handler. ``too_busy``: the line for a client over the limits, such
    as ``421 …`` with CRLF; clients of implicit TLS get none, as it would cost a handshake.
    ``limits`` may be shared between doors.
    """

    name: str
    handler: Handler
    tls: TlsSource | None = None
    implicit: bool = False
    too_busy: bytes = b""
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    options: ConnectionOptions = DEFAULTS

    def __post_init__(self) -> None:
        if self.implicit and self.tls is None:
            raise Misuse(f"{self.name}: implicit TLS needs a certificate")


class Listener:
    """Serves a ``Door`` on bound sockets, which it owns from now on."""

    def __init__(self, door: Door, sockets: Sequence[socket.socket], *, ids: ConnectionIds) -> None:
        self._door = door
        self._sockets = list(sockets)
        self._ids = ids
        self._log = Logger("net", door=door.name)
        self._servers: list[asyncio.AbstractServer] = []
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._refused: set[Connection] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        #: Up from the beginning of ``close``; every connection has it as ``draining``.
        self.draining = Signal()
        self.addresses: tuple[Peer, ...] = tuple(peer_of(s.getsockname()) for s in self._sockets)

    @property
    def name(self) -> str:
        """Of the door."""
        return self._door.name

    @property
    def connections(self) -> int:
        """Connections being handled now."""
        return len(self._tasks)

    async def start(self) -> None:
        """Accept from now on."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            no_delay(sock)
            serve = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await serve(self._connection, sock=sock, backlog=BACKLOG))
        for address in self.addresses:
            self._log.info("net.listening", ip=address.ip, port=address.port)

    async def close(self, grace: float = 30.0) -> None:
        """Accept no more, let the handlers finish, cut what is left after ``grace`` seconds.

        Handlers see ``draining``; those that wait with ``read_or(conn.draining)`` notice at
        once. Idempotent.
        """
        for server in self._servers:
            server.close()
        if not self._servers:
            for sock in self._sockets:
                sock.close()
        self._servers.clear()
        self._sockets.clear()
        self.draining.set()
        if not await self._wait_idle(grace):
            self._log.warning("net.cut", connections=len(self._tasks))
            for connection in list(self._tasks):
                connection.abort()
            if not await self._wait_idle(_LAST_SECOND):
                tasks = list(self._tasks.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._refused):
            connection.abort()

    async def _wait_idle(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _connection(self) -> Connection:
        return Connection(
            server_side=True,
            connection_id=self._ids.next(),
            options=self._door.options,
            draining=self.draining,
            tls=self._door.tls,
            on_made=self._made,
        )

    def _made(self, connection: Connection) -> None:
        refusal = self._door.limits.acquire(connection.peer.ip)
        if refusal is not None:
            self._refuse(connection, refusal.value)
            return
        connection.on_lost = self._lost
        if self._door.implicit and self._door.tls is not None:
            connection.begin_tls(self._door.tls)  # now: a task may start after the first bytes
        self._idle.clear()
        loop = asyncio.get_running_loop()
        self._tasks[connection] = loop.create_task(self._run(connection))

    def _refuse(self, connection: Connection, reason: str) -> None:
        self._log.warning("net.refused", reason=reason, ip=connection.peer.ip, conn=connection.id)
        if self._door.implicit or not self._door.too_busy or len(self._refused) >= MAX_POLITE:
            connection.abort()
            return
        self._refused.add(connection)
        connection.on_lost = self._refused.discard
        connection.write(self._door.too_busy)
        connection.close()

    def _lost(self, connection: Connection) -> None:
        """The connection is gone for good, however long its handler still cleans up."""
        self._door.limits.release(connection.peer.ip)

    async def _run(self, connection: Connection) -> None:
        try:
            if self._door.implicit:
                await connection.handshake()
            await self._door.handler(connection)
        except NetFault as fault:
            self._log.info("net.fault", fault=fault, ip=connection.peer.ip, conn=connection.id)
        except Exception as error:
            self._log.error("net.crashed", exc=error, ip=connection.peer.ip, conn=connection.id)
            connection.abort()
        finally:
            connection.close()
            del self._tasks[connection]
            if not self._tasks:
                self._idle.set()
