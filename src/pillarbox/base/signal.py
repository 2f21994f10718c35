"""A level that can be waited for by a task, a callback or a socket.

``asyncio.Event`` can only be awaited, so whoever waits for *either* an event *or* bytes needs a
task for each side. A ``Signal`` also calls back, which is what lets ten thousand IDLE connections
wait for mail and for the client at the price of one set entry each.

Belongs to one event loop: call every method from that loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Signal:
    """Like ``asyncio.Event`` (``set``, ``clear``, ``is_set``, ``wait``), with watchers."""

    __slots__ = ("_set", "_watchers")

    def __init__(self) -> None:
        self._set = False
        self._watchers: dict[Callable[[], None], None] | None = None

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        """Raise the level and call every watcher once, in the order they came; idempotent."""
        if not self._set:
            self._set = True
            for watcher in tuple(self._watchers or ()):
                watcher()

    def clear(self) -> None:
        """Lower the level; watchers stay."""
        self._set = False

    def watch(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called at each rise from now on. It must not raise.

        Not called for a level already up: look at ``is_set`` first.
        """
        if self._watchers is None:
            self._watchers = {}
        self._watchers[callback] = None

    def unwatch(self, callback: Callable[[], None]) -> None:
        """Forget ``callback``; no error if it was not watching."""
        if self._watchers is not None:
            self._watchers.pop(callback, None)
            if not self._watchers:
                self._watchers = None

    async def wait(self) -> None:
        """Return once the level is up."""
        if self._set:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        self.watch(wake)
        try:
            await waiter
        finally:
            self.unwatch(wake)
