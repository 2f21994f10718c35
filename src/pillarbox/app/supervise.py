"""Background work that must go on: what fails is logged and begins again, never silently dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger

log = Logger("house")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
CALM = 300.0
"""Seconds after which work that ran well is forgiven its failures."""

Work = Callable[[], Awaitable[None]]


class Supervisor:
    """Keeps pieces of work running until closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failures = 0
        """How often some work had to begin again."""

    def start(self, name: str, work: Work) -> None:
        """Run ``work``, which does not end by itself, from now on."""
        self._tasks[name] = asyncio.get_running_loop().create_task(self._keep(name, work))

    async def close(self) -> None:
        """End all work. Idempotent."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, work: Work) -> None:
        pause = FIRST_PAUSE
        while True:
            began = self._clock.monotonic()
            error: Exception | None = None
            try:
                await work()
            except Exception as raised:
                error = raised
            self.failures += 1
            if self._clock.monotonic() - began > CALM:
                pause = FIRST_PAUSE
            log.error("house.work-failed", exc=error, work=name, again_in=pause)
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def every(clock: Clock, seconds: float, work: Work) -> None:
    """Do ``work`` now and then again every so many seconds."""
    while True:
        await work()
        await clock.sleep(seconds)
