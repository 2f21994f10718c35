"""One at a time for each key, without limit for different keys.

Logins of one account from one network take turns. A client that opens five connections at once
pays for one password check, since the other four then find it in the cache; and somebody who
tries a thousand passwords on a thousand connections at once is refused after the tenth, like one
who tries them one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Keys that nobody holds or waits for take no memory."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._held)

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Wait for those before, first come first served; then nobody else holds ``key``."""
        lock, interested = self._held.get(key) or (asyncio.Lock(), 0)
        self._held[key] = (lock, interested + 1)
        try:
            async with lock:
                yield
        finally:
            lock, interested = self._held[key]
            if interested == 1:
                del self._held[key]
            else:
                self._held[key] = (lock, interested - 1)
