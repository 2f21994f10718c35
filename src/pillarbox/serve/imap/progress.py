"""Word that a command is still being worked on (RFC 9585)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Progress:
    """One connection's: ``start`` with a command, ``stop`` when it is answered.

    After ``first`` seconds, and then after ever longer times, ``say`` is called on the loop with
    the tag: a client that waits for minutes needs a few lines, not hundreds.
    """

    __slots__ = ("_first", "_say", "_tag", "_timer")

    def __init__(self, say: Callable[[str], None], first: float) -> None:
        self._say = say
        self._first = first
        self._tag = ""
        self._timer: asyncio.TimerHandle | None = None

    def start(self, tag: str) -> None:
        """The command with this tag begins."""
        self._tag = tag
        self._wait(self._first)

    def stop(self) -> None:
        """It is done. Does nothing when none was begun."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._tick, seconds)

    def _tick(self, waited: float) -> None:
        self._say(self._tag)
        self._wait(min(waited * 2, 10.0))
