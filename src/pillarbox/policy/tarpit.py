"""Delays for nuisances: clients that try one unknown recipient after the other wait for answers.

Guessing addresses pays only where it is quick. What an address did is remembered for a while, in
all processes of the house, so that hanging up does not help; nothing is held while somebody waits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.base.clock import Clock

REMEMBERED: Final = 10_000
"""Addresses; then the one that was quiet longest is forgotten."""
WAITING: Final = 200
"""Connections that wait at once; more are answered without delay, so that this is no way to use up
what the server has."""
LONGEST: Final = 30.0
"""Seconds for one answer: clients give up after minutes (RFC 5321 §4.5.3.2)."""
_SLICE: Final = 0.5
"""Seconds after which a waiting connection looks whether the server goes down."""


@dataclass(frozen=True, slots=True)
class Options:
    """``delay``: seconds before each answer, at most ``LONGEST``. ``after``: so many offences.
    ``memory``: seconds without another one until they are forgotten. ``exempt``: clients that
    never wait."""

    delay: float = 3.0
    after: int = 5
    memory: float = 3600.0
    exempt: Callable[[str], bool] = lambda ip: False  # noqa: ARG005


@dataclass(frozen=True, slots=True)
class Blamed:
    """An offence, for whoever counts with us."""

    ip: str
    listed: bool


def _untold(event: Blamed) -> None:
    """Nobody else counts."""


Known = OrderedDict[str, tuple[int, float]]
"""Address to offences and the monotonic time of the last one; the quietest first."""


class Tarpit:
    """One for a process; hand what each tells to the others."""

    def __init__(self, clock: Clock, options: Options) -> None:
        self._clock = clock
        self.options = options
        self._known: Known = OrderedDict()
        self._waiting = 0
        self.tell: Callable[[Blamed], None] = _untold

    def blame(self, ip: str, *, listed: bool = False) -> None:
        """An offence: a recipient that is refused for good; ``listed`` counts for as many as it
        takes."""
        if self.options.exempt(ip):
            return
        event = Blamed(ip, listed)
        self.heard(event)
        self.tell(event)

    def heard(self, event: Blamed) -> None:
        """Count an offence, here or in another process."""
        ip, listed = event.ip, event.listed
        now = self._clock.monotonic()
        count, at = self._known.pop(ip, (0, now))
        count = 0 if now - at > self.options.memory else count
        self._known[ip] = (count + (self.options.after if listed else 1), now)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def picture(self) -> Known:
        """All that is known, for a process that begins."""
        return OrderedDict(self._known)

    def begin_with(self, known: Known) -> None:
        """Take over what another process knew."""
        self._known = known

    def delay(self, ip: str) -> float:
        """Seconds that an answer to this client waits."""
        count, at = self._known.get(ip, (0, 0.0))
        if count < max(1, self.options.after) or self._waiting >= WAITING:
            return 0.0
        if self._clock.monotonic() - at > self.options.memory:
            return 0.0
        return min(self.options.delay, LONGEST)

    async def hold(self, ip: str, over: Callable[[], bool]) -> None:
        """Wait as long as this client has to, or until ``over``."""
        left = self.delay(ip)
        if not left:
            return
        self._waiting += 1
        try:
            while left > 0 and not over():
                await self._clock.sleep(min(left, _SLICE))
                left -= _SLICE
        finally:
            self._waiting -= 1
