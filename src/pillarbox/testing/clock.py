"""A clock that a test moves."""

from __future__ import annotations

import asyncio


class FakeClock:
    """Implements ``base.clock.Clock``; time passes only by ``advance`` or by sleeping on it.

    Sleepers wake in the order of their times, so days of waiting run in milliseconds.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now - self._start

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self._now + max(0.0, seconds), self._count, future)
        self._sleepers.append(entry)
        self._sleepers.sort(key=lambda one: one[:2])
        try:
            await future
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, waking sleepers one after the other and letting them run."""
        end = self._now + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            when, _, future = self._sleepers.pop(0)
            self._now = max(self._now, when)
            if not future.done():
                future.set_result(None)
            await _settle()
        self._now = end
        await _settle()


async def _settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)
