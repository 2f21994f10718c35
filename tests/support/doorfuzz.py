"""Real doors under random streams: nothing is called a bug, nobody else suffers, all ends.

An example is a list of packets. They are sent one after another without listening; then the client
ends its side and everything the server says is read up to its own end, which must come.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from support.stage import Stage
from support.wire import Wire

Open = Callable[[Path, Path], AbstractAsyncContextManager[Stage]]

FRESH = 300
"""Examples after which a new house is built, so that none grows without end."""


class Errors(logging.Handler):
    """What the house calls an error of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(f"{record.getMessage()} {getattr(record, 'fields', '')} {record.exc_info}")


class DoorFuzz:
    """Call it with one example after another; `close` it."""

    def __init__(self, open_stage: Open, head: str, folder: Path) -> None:
        """``head``: the first line of a dialogue, which says what kind of house it is."""
        self._open = open_stage
        self._folder = folder
        self._path = folder / "head.txt"
        self._path.write_text(head + "\nC: \n", "utf-8")
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        self._stage: Stage | None = None
        self._other: Wire | None = None
        self._left = 0
        self._errors = Errors()
        logging.getLogger("pillarbox").addHandler(self._errors)

    def __call__(self, packets: list[bytes]) -> None:
        self._runner.run(self._one(packets))

    def close(self) -> None:
        """Leave the last house."""
        self._runner.run(self._stack.aclose())
        self._runner.close()
        logging.getLogger("pillarbox").removeHandler(self._errors)

    async def _one(self, packets: list[bytes]) -> None:
        if self._left == 0:
            await self._stack.aclose()
            self._stage = await self._stack.enter_async_context(
                self._open(self._path, self._folder)
            )
            self._other = await self._stack.enter_async_context(self._stage.attended())
            self._left = FRESH
        self._left -= 1
        assert self._stage is not None
        assert self._other is not None
        async with self._client(self._stage.port) as wire:
            for packet in packets:
                await wire.send(packet)
            wire.eof()
            await wire.rest()
        await self._stage.bystander.go_on(self._other)
        seen, self._errors.seen = self._errors.seen, []
        assert not seen, seen

    @contextlib.asynccontextmanager
    async def _client(self, port: int) -> AsyncIterator[Wire]:
        wire = await Wire.connect(port)
        try:
            with contextlib.suppress(ConnectionError, BrokenPipeError):  # cut off: that is an end
                yield wire
        finally:
            wire.close()
