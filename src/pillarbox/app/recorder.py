"""Writes refusals to the journal, beside the mail: nobody who is refused waits for the disk, and a
flood of them costs a row a second of it."""

from __future__ import annotations

import asyncio

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.model.story import Refused
from pillarbox.store.journal import Journal

log = Logger("house")

MOST = 100
"""Refusals written in one go; what comes above them in ``PAUSE`` seconds is counted only."""
PAUSE = 1.0


class Recorder:
    """One for a house."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._waiting: list[Refused] = []
        self._lost = 0
        self._there = asyncio.Event()

    def refused(self, refused: Refused) -> None:
        """Remember to write it."""
        if len(self._waiting) < MOST:
            self._waiting.append(refused)
        else:
            self._lost += 1
        self._there.set()

    async def run(self) -> None:
        """Write what there is, whenever there is something."""
        while True:
            await self._there.wait()
            await self._clock.sleep(PAUSE)
            self._there.clear()
            await self.write()

    async def write(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        lost, self._lost = self._lost, 0
        if waiting:
            await self._journal.refused(waiting)
        if lost:
            log.warning("journal.refusals-not-kept", count=lost)
