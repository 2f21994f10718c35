"""Notices a hook that keeps the event loop for itself, and names it.

While such a hook runs nothing else does, so a thread looks; what is over is told by the loop.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Coroutine, Generator
from typing import Any

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger

log = Logger("hooks")

LONG = 0.1
"""Seconds without an await that are worth a warning."""
STUCK = 1.0
"""Seconds from which on the thread tells, without waiting for an end."""


class Watch:
    """One for a house. The thread begins with the first step and ends with ``close``."""

    def __init__(self, clock: Clock, *, long: float = LONG, stuck: float = STUCK) -> None:
        self._clock = clock
        self._long = long
        self._stuck = stuck
        self._now: tuple[str, float, int] | None = None
        self._told: object = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, name: str) -> None:
        """The hook ``name`` has the loop from now on."""
        self._now = (name, self._clock.monotonic(), threading.get_ident())
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="hooks", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """It gave the loop back."""
        now, self._now = self._now, None
        if now is not None and (took := self._clock.monotonic() - now[1]) > self._long:
            log.warning("hook.blocked", hook=now[0], seconds=round(took, 2))

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _look(self) -> None:
        while not self._over.wait(self._stuck / 2):
            now = self._now
            if now is None or now is self._told:
                continue
            name, since, thread = now
            if self._clock.monotonic() - since > self._stuck:
                self._told = now
                log.error("hook.blocking", hook=name, at=_place(thread))


def _place(thread: int) -> str:
    """Where a thread is."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001  (there is no other way to ask)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


class Steps:
    """A coroutine to be awaited with each of its steps, from await to await, under a watch."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], watch: Watch, name: str) -> None:
        self._coroutine = coroutine
        self._watch = watch
        self._name = name

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            self._watch.begin(self._name)
            try:
                if error is not None:
                    asked = self._coroutine.throw(error)
                else:
                    asked = self._coroutine.send(value)
            except StopIteration as end:
                return end.value
            finally:
                self._watch.end()
            try:
                value, error = (yield asked), None
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as thrown:
                value, error = None, thrown
