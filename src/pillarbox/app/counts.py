"""What all processes of a house count together: failed logins, nuisances, connections.

Each process keeps the whole count and decides by itself, so that no login waits for another
process; what happens in one is told to the others at once, by way of the first. Two that count at
the same moment may let through what one alone would not: as many more as there are processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pillarbox.app.settings import Settings
from pillarbox.auth.cache import KEY_OCTETS, SuccessCache
from pillarbox.auth.lockout import Failed, Lockout, Succeeded
from pillarbox.auth.lockout import Picture as Lockouts
from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.limits import ConnectionLimits, Held
from pillarbox.policy.tarpit import Blamed, Known, Tarpit

FIRST: Final = 0
"""Number of the first process; workers begin with 1."""
TOGETHER: Final = 0.02
"""Seconds in which changes of the number of connections are gathered into one word."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Something was counted in the process with this number."""

    process: int
    what: Failed | Succeeded | Blamed | Held


@dataclass(frozen=True, slots=True)
class Ended:
    """The process with this number is gone, and its connections with it."""

    process: int


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is counted, for a process that begins. Times are of the machine's monotonic
    clock, which its processes share. ``key``: of the digests of passwords."""

    key: bytes = field(repr=False)
    lockout: Lockouts
    tarpit: Known
    connections: Mapping[int, Mapping[str, int]]


class Counts:
    """Those of one process: the first, or one that begins with a ``picture`` of what the others
    have counted."""

    def __init__(
        self,
        clock: Clock,
        rng: Rng,
        settings: Settings,
        process: int = FIRST,
        picture: Picture | None = None,
    ) -> None:
        self._key = picture.key if picture is not None else rng.bytes(KEY_OCTETS)
        self.logins = SuccessCache(clock, rng, key=self._key)
        self.lockout = Lockout(clock, settings.lockout)
        self.tarpit = Tarpit(clock, settings.tarpit)
        self.limits = ConnectionLimits()
        self._process = process
        self._tell: Callable[[Counted], None] | None = None
        self._due = False
        self._kinds: dict[type, Callable[[Any], None]] = {
            Failed: self.lockout.heard,
            Succeeded: self.lockout.heard,
            Blamed: self.tarpit.heard,
        }
        if picture is not None:
            self.lockout.begin_with(picture.lockout)
            self.tarpit.begin_with(picture.tarpit)
            for number, held in picture.connections.items():
                if number != process:
                    self.limits.heard(number, Held(held))

    def share(self, tell: Callable[[Counted], None]) -> None:
        """From now on tell others what is counted here."""
        self._tell = tell
        self.lockout.tell = self.tarpit.tell = self._say
        self.limits.changed = self._soon

    def heard(self, news: Counted | Ended) -> None:
        """What another process said."""
        if isinstance(news, Ended):
            self.limits.forget(news.process)
        elif isinstance(news.what, Held):
            self.limits.heard(news.process, news.what)
        else:
            self._kinds[type(news.what)](news.what)

    def picture(self) -> Picture:
        """For a process that begins, and hears from now on what is told."""
        connections = {self._process: self.limits.held, **self.limits.elsewhere}
        return Picture(self._key, self.lockout.picture(), self.tarpit.picture(), connections)

    def _say(self, what: Failed | Succeeded | Blamed | Held) -> None:
        if self._tell is not None:
            self._tell(Counted(self._process, what))

    def _soon(self) -> None:
        """Connections come by the thousand: one word for all of a moment."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(TOGETHER, self._say_connections)

    def _say_connections(self) -> None:
        self._due = False
        self._say(self.limits.told())
