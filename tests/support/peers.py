"""Mail servers of other people on loopback: well-behaved, or with a fault a connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import ConnectionIds, SystemRng
from pillarbox.model.reply import Reply
from pillarbox.net.contexts import ServerTls
from pillarbox.net.driver import Connection
from pillarbox.net.faults import NetFault
from pillarbox.net.listen import Door, Listener
from pillarbox.net.options import ConnectionOptions
from pillarbox.net.sockets import bind_tcp
from pillarbox.wire.smtp import events
from pillarbox.wire.smtp.options import Options
from pillarbox.wire.smtp.replies import render
from support.smtpdoor import SmtpDoor, Taken


@dataclass
class Peer:
    """``faults``: one for each connection in turn, then none. See ``_serve`` for the words."""

    address: str
    port: int
    options: Options
    tls: ServerTls | None = None
    faults: deque[str] = field(default_factory=deque)
    connections: int = 0
    taken: list[Taken] = field(default_factory=list)
    snis: list[str | None] = field(default_factory=list)

    async def handle(self, conn: Connection) -> None:
        self.connections += 1
        fault = self.faults.popleft() if self.faults else ""
        try:
            await self._serve(conn, fault)
        except NetFault:
            pass

    async def _serve(self, conn: Connection, fault: str) -> None:
        door = SmtpDoor(self.options)
        door.taken = self.taken
        if fault == "hang up":
            conn.abort()
            return
        if fault in {"turned away", "busy"}:
            code = (554, "5.3.2") if fault == "turned away" else (421, "4.3.2")
            conn.write(render(Reply(*code, "No service for you")))
            await conn.read()
            return
        if fault == "silent":
            await conn.read()
            return
        conn.write(door.greet())
        while data := await conn.read():
            before, known = len(self.taken), len(door.seen)
            out = door.talk(data)
            fresh = door.seen[known:]
            took = len(self.taken) > before
            if fault == "drop at data" and any(isinstance(e, events.DataChunk) for e in fresh):
                conn.abort()
                return
            if fault == "lose answer" and took:
                conn.abort()
                return
            if fault == "421 at end" and took:
                self.taken.pop()
                out = render(Reply(421, "4.3.2", "Going down"))
            if fault == "stall at end" and took:
                await conn.read()
                return
            if fault == "421 at data" and b"354 " in out:
                out += render(Reply(421, "4.3.2", "Going down"))
            conn.write(out)
            if any(isinstance(event, events.StartTls) for event in fresh):
                if fault == "break tls":
                    await conn.read()
                    conn.write(b"this is not TLS at all\r\n")
                    conn.close()
                    return
                await conn.start_tls()
                self.snis.append(conn.tls.sni if conn.tls else None)
                conn.write(door.control("tls"))
            if door.engine.closed:
                return


@asynccontextmanager
async def peers(
    addresses: Iterable[str], options: Options, tls: ServerTls | None = None
) -> AsyncIterator[list[Peer]]:
    """Servers at these addresses, all on one port."""
    made: list[Peer] = []
    listeners: list[Listener] = []
    port = 0
    try:
        for address in addresses:
            sockets = bind_tcp(address, port)
            port = sockets[0].getsockname()[1]
            peer = Peer(address, port, options, tls)
            door = Door("peer", peer.handle, tls, options=ConnectionOptions(timeout=20, linger=0.2))
            listener = Listener(door, sockets, ids=ConnectionIds(SystemClock(), SystemRng()))
            await listener.start()
            listeners.append(listener)
            made.append(peer)
        yield made
    finally:
        await asyncio.gather(*(one.close(grace=0) for one in listeners))
