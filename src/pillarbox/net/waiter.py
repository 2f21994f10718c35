"""One task waiting for something to happen to a connection, with a time-out that costs little."""

from __future__ import annotations

import asyncio
import math


class Waiter:
    """``wait`` in one task, ``wake`` from the event loop's callbacks.

    Setting and cancelling a timer for every short command would cost as much as the command. The
    timer here is left standing: when it fires early it looks again and moves itself on.
    Idleness is measured by the event loop's own clock, which its timers run on.
    """

    __slots__ = ("_deadline", "_future", "_loop", "_timer", "knocked")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = math.inf
        #: ``knock`` was called since the owner last put this down.
        self.knocked = False

    async def wait(self, seconds: float | None) -> bool:
        """True when woken, whatever for; False after ``seconds``, None meaning never."""
        if self._future is not None:
            raise RuntimeError("another task waits for this connection already")
        future = self._future = self._loop.create_future()
        if seconds is None:
            self._deadline = math.inf
        else:
            self._deadline = deadline = self._loop.time() + seconds
            if self._timer is None or self._timer.when() > deadline:
                self.stop()
                self._timer = self._loop.call_at(deadline, self._tick)
        try:
            woken: bool = await future
        finally:
            self._future = None
        return woken

    def wake(self) -> None:
        """End the wait there is, if there is one."""
        future = self._future
        if future is not None and not future.done():
            future.set_result(True)

    def prolong(self, seconds: float | None) -> None:
        """The peer has spoken without ending the wait: the time-out begins anew."""
        if seconds is not None:
            self._deadline = self._loop.time() + seconds

    def knock(self, *_: object) -> None:
        """Wake, and leave word of it: what knocked may have gone again when the task runs."""
        self.knocked = True
        self.wake()

    def stop(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        future = self._future
        if future is None or future.done() or self._deadline == math.inf:
            return  # the next wait sets a timer of its own
        if self._loop.time() >= self._deadline:
            future.set_result(False)
        else:
            self._timer = self._loop.call_at(self._deadline, self._tick)
