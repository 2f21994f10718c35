"""IMAP sessions in this process: the real connection, engine and door, over a pipe of two lists.

No socket, no thread of a network, no sleeping: what the server has to say after a command or a
change is there once its tasks have had their turns.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from pillarbox.auth.login import Authenticator
from pillarbox.auth.passwords import CHEAP, Passwords
from pillarbox.base.clock import Clock
from pillarbox.base.ids import SystemRng
from pillarbox.base.lanes import Lane
from pillarbox.bus.local import LocalBus
from pillarbox.mailbox.intake import Intake
from pillarbox.mailbox.ops import Ops
from pillarbox.mailbox.views import Views
from pillarbox.net.driver import Connection
from pillarbox.net.faults import NetFault
from pillarbox.serve.imap.door import at_once, handlers
from pillarbox.serve.imap.options import Needs, Options
from pillarbox.serve.imap.pulse import between
from pillarbox.serve.imap.session import Session
from pillarbox.store.api import Store
from pillarbox.wire.imap.state import State
from support.pipe import Pipe

TURNS = 12
"""Of the loop, after which everybody woken by a change has said what there is to say."""


@dataclass
class Doorway:
    """What sessions of one store share; `open` one after another."""

    store: Store
    bus: LocalBus
    clock: Clock
    lane: Lane

    def __post_init__(self) -> None:
        rng = SystemRng()
        passwords = Passwords(self.lane, rng, CHEAP)
        authenticator = Authenticator(
            self.store, passwords, clock=self.clock, rng=rng, secret=rng.bytes(32)
        )
        self._needs = Needs(
            self.store,
            Ops(self.store),
            Views(self.store, self.bus),
            authenticator,
            lambda expected, binary: Intake(self.store, expected=expected, binary=binary),
            self.clock,
            Options(progress=3600.0),
        )
        self._table, self._prompt = handlers(), at_once()
        self._count = 0

    async def open(self, address: str) -> Spoken:
        """A session of this account, logged in."""
        self._count += 1
        conn = Connection(server_side=True, connection_id=f"s{self._count}")
        pipe = Pipe()
        conn.connection_made(pipe)
        session = Session(conn, self._needs, self._table, self._prompt, between)
        session.account = await self.store.account_by_address(address)
        session.engine.state = State.AUTHENTICATED
        conn.timeout = None
        task = asyncio.get_running_loop().create_task(_served(session, conn))
        spoken = Spoken(conn, pipe, task)
        await spoken.turns()
        spoken.lines()
        return spoken


async def _served(session: Session, conn: Connection) -> None:
    """As `net.listen` does it: what was written last leaves too, and a lost peer is no fault."""
    with contextlib.suppress(NetFault):
        await session.run()
    conn.flush()


class Spoken:
    """One session, as its client has it."""

    def __init__(self, conn: Connection, pipe: Pipe, task: asyncio.Task[None]) -> None:
        self._conn = conn
        self._pipe = pipe
        self._task = task
        self._count = 0

    def lines(self) -> list[str]:
        """Whole lines said since the last call."""
        whole, _, rest = bytes(self._pipe.said).rpartition(b"\r\n")
        self._pipe.said[:] = rest
        return whole.decode().split("\r\n") if whole else []

    def send(self, data: bytes) -> None:
        """Octets as the network brings them."""
        self._conn.get_buffer(len(data))[: len(data)] = data
        self._conn.buffer_updated(len(data))

    def stall(self) -> None:
        """The client takes no more, and what is on its way to it is enough."""
        self._conn.pause_writing()

    def recover(self) -> None:
        """It takes again."""
        self._conn.resume_writing()

    def drain(self) -> None:
        """The server wants to stop."""
        self._conn.draining.set()

    async def turns(self) -> None:
        """Let everybody do what they were woken for."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def say(self, command: str, until: str = "") -> list[str]:
        """Lines up to the tagged one, or up to the first that begins with ``until``."""
        self._count += 1
        tag = f"t{self._count}"
        self.send(f"{tag} {command}\r\n".encode())
        return await self.hear(until or tag + " ")

    async def done(self) -> list[str]:
        """The end of an IDLE."""
        self.send(b"DONE\r\n")
        return await self.hear(f"t{self._count} ")

    async def hear(self, start: str) -> list[str]:
        """Lines up to the one that begins so; to the end, when the server hangs up."""
        found: list[str] = []
        while True:
            self._pipe.news.clear()
            found += self.lines()
            if any(line.startswith(start) for line in found):
                return found
            if self._task.done():
                self._task.result()
                return found
            waits = [asyncio.ensure_future(self._pipe.news.wait()), self._task]
            await asyncio.wait(waits, timeout=30, return_when=asyncio.FIRST_COMPLETED)
            waits[0].cancel()
            assert self._pipe.news.is_set() or self._task.done(), (start, found)

    @property
    def over(self) -> bool:
        """The server ended it."""
        return self._task.done()

    async def close(self) -> None:
        """The connection is lost, as connections are."""
        self._conn.connection_lost(None)
        await asyncio.wait([self._task])
        self._task.result()
