"""Items under our lease that wait for room at a destination: what is next there is at hand when a
message before it has left, and is not asked for in the store one by one."""

from __future__ import annotations

from collections import deque

from pillarbox.base.clock import Clock
from pillarbox.store.api import QueueItem


class Hand:
    """By destination, oldest first. Nothing is long in hand: who holds, drops or expires an item
    shall not wait for a server that is silent."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """``seconds``: after which an item is ``old``."""
        self._clock = clock
        self._seconds = seconds
        self._waiting: dict[str, deque[tuple[float, QueueItem]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def destinations(self) -> list[str]:
        """Those that something waits for."""
        return list(self._waiting)

    def count(self, destination: str) -> int:
        """How much waits for it."""
        return len(self._waiting.get(destination, ()))

    def put(self, destination: str, item: QueueItem) -> None:
        """It has no room there now."""
        line = self._waiting.setdefault(destination, deque())
        line.append((self._clock.monotonic() + self._seconds, item))

    def take(self, destination: str) -> QueueItem | None:
        """The next for it, unless that is old."""
        line = self._waiting.get(destination)
        if line is None or line[0][0] <= self._clock.monotonic():
            return None
        return self._pop(destination)

    def old(self) -> list[tuple[str, QueueItem]]:
        """What lay here for too long, with its destination; it is out of our hands then."""
        now, found = self._clock.monotonic(), []
        for destination, line in list(self._waiting.items()):
            while line and line[0][0] <= now:
                found.append((destination, self._pop(destination)))
        return found

    def _pop(self, destination: str) -> QueueItem:
        line = self._waiting[destination]
        _, item = line.popleft()
        if not line:
            del self._waiting[destination]
        return item
