"""A transport that is two lists: a connection without a socket, a network, or sleeping."""

from __future__ import annotations

import asyncio


class Pipe(asyncio.Transport):
    """Where the server's octets go."""

    def __init__(self) -> None:
        super().__init__()
        self.said = bytearray()
        self.news = asyncio.Event()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said += data
        self.news.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It never fills."""

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """The tests say little at a time."""

    def resume_reading(self) -> None:
        """Never paused."""

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
        self.news.set()

    abort = close
