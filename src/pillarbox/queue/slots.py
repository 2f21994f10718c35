"""How much goes to one destination at a time, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pillarbox.base.clock import Clock


class Slots:
    """Counts what is under way by destination; '' (this house) has no limit."""

    def __init__(self, clock: Clock, most: int, pace: float) -> None:
        """``most`` at a time; ``pace``: seconds between two beginnings."""
        self._clock = clock
        self._most = most
        self._pace = pace
        self._running: Counter[str] = Counter()
        self._domains: dict[str, set[str]] = {}
        self._next: dict[str, float] = {}

    def take(self, destination: str, domain: str) -> bool:
        """Begin something there, if there is room. ``domain``: of the recipients, which a relay
        for many makes differ."""
        if not destination:
            return True
        self.note(destination, domain)
        if not self.room(destination):
            return False
        self._running[destination] += 1
        if self._pace > 0:
            self._next[destination] = self._clock.monotonic() + self._pace
        return True

    def note(self, destination: str, domain: str) -> None:
        """Mail to this domain goes there, too."""
        self._domains.setdefault(destination, set()).add(domain)

    def room(self, destination: str) -> bool:
        """Whether something may begin there."""
        return not self._full(destination, self._clock.monotonic())

    def free(self, destination: str) -> None:
        """What was begun there is over."""
        if not destination:
            return
        self._running[destination] -= 1
        if self._running[destination] <= 0:
            del self._running[destination]
            if self._pace <= 0:
                self._domains.pop(destination, None)

    def full(self) -> list[str]:
        """Destinations that have no room now."""
        now = self._clock.monotonic()
        for destination in [name for name, at in self._next.items() if at <= now]:
            del self._next[destination]
            if destination not in self._running:
                self._domains.pop(destination, None)
        return [name for name in self._domains if self._full(name, now)]

    def domains(self, destinations: Iterable[str]) -> set[str]:
        """Those of the recipients that go there."""
        return {domain for name in destinations for domain in self._domains[name]}

    def _full(self, destination: str, now: float) -> bool:
        if self._running[destination] >= self._most:
            return True
        return bool(self._next) and self._next.get(destination, 0.0) > now
