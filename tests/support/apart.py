"""A store as a worker has it (decision 0076): reading here, the one writer at the end of a line.

Both ends are in this process, but all that is between processes is between them: what is asked,
answered and told is pickled and goes through a pair of sockets, and each end remembers for itself.
So whatever takes a store can be run with one that is written elsewhere; what real processes add is
held by tests/flows/test_workers.py.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pillarbox.app.asking import StoreDesk
from pillarbox.base.clock import Clock
from pillarbox.base.errors import Misuse
from pillarbox.base.ids import SystemRng
from pillarbox.bus.line import Asked, Line
from pillarbox.store.api import Publish, Store
from pillarbox.store.sqlite import Options, open_store
from pillarbox.store.sqlite.afar import StoreAfar, open_afar
from pillarbox.store.sqlite.store import SqliteStore
from pillarbox.store.sqlite.writer import Committed, WriteLane


def processes() -> int:
    """How many a house of the tests has: PILLARBOX_SERVER_WORKERS, 1 unless set."""
    return int(os.environ.get("PILLARBOX_SERVER_WORKERS", "1"))


class _End:
    """One end of a line, and whether it has gone."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self.gone = asyncio.Event()
        self.line: Line | None = None

    async def open(self, asked: Asked, heard: Callable[[Any], None]) -> None:
        line = Line(asked=asked, heard=heard, lost=self.gone.set)
        await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=self._sock)
        self.line = line


class _Apart:
    """Both ends, closed together. Everything but ``close`` is the worker's."""

    def __init__(self, afar: StoreAfar, writer: SqliteStore, ends: tuple[_End, _End]) -> None:
        self._afar = afar
        self._writer = writer
        self._ends = ends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._afar, name)

    @property
    def writer(self) -> WriteLane:
        """For tests that have to do what no method of a store does."""
        return self._writer.writer

    async def close(self) -> None:
        await self._afar.close()
        for end in self._ends:
            if end.line is not None:
                end.line.close()
            await end.gone.wait()
        await self._writer.close()


async def open_apart(
    directory: Path, publish: Publish, clock: Clock, options: Options | None = None
) -> Store:
    """The store in ``directory``. ``publish`` hears what a worker hears, when it hears it."""
    rng = SystemRng()
    near, far = (_End(sock) for sock in socket.socketpair())
    writer = await open_store(
        directory, publish=lambda _: None, clock=clock, options=options, rng=rng
    )
    assert isinstance(writer, SqliteStore)

    async def call(name: str, *args: Any, **kwargs: Any) -> Any:
        assert near.line is not None
        return await near.line.call(name, *args, **kwargs)

    afar = open_afar(directory, call, clock, rng, options)

    def tell(done: Committed) -> None:
        if far.line is not None:
            far.line.tell(done)

    def heard(done: Committed) -> None:
        afar.heard(done)
        publish(done.changes)

    async def nothing(name: str, *_: Any) -> Any:
        raise Misuse(f"this worker does not know {name}")

    writer.told = tell
    await near.open(nothing, heard)
    await far.open(StoreDesk(writer, lambda: None).asked, lambda _: None)
    return cast("Store", _Apart(afar, writer, (near, far)))
