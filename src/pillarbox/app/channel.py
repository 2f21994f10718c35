"""What a call to the house carries beside its arguments: octets in, octets out.

The same for a call inside the process and one through the control socket, so that an operation
is written once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from pillarbox.base.errors import Misuse

PIECE = 1 << 16
"""Octets handed on at once."""

Sink = Callable[[bytes], Awaitable[None]]
"""Takes octets of an answer; waits while the other side is slow."""


class Body(Protocol):
    """The octets that came with a call."""

    async def read(self, most: int) -> bytes:
        """Up to ``most`` octets, in order; none at the end."""
        ...


class NoBody:
    """A call without octets."""

    async def read(self, most: int) -> bytes:
        return b""


class StreamBody:
    """Octets given by an iterator, for calls inside the process."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    async def read(self, most: int) -> bytes:
        while not self._held:
            try:
                self._held = await anext(self._chunks)
            except StopAsyncIteration:
                return b""
        piece, self._held = self._held[:most], self._held[most:]
        return piece


async def take(body: Body, size: int) -> AsyncIterator[bytes]:
    """The next ``size`` octets. Raises Misuse if there are fewer."""
    while size:
        piece = await body.read(min(size, PIECE))
        if not piece:
            raise Misuse("the call ended before all its octets came")
        size -= len(piece)
        yield piece


async def nowhere(_: bytes) -> None:
    """A sink for calls that answer with no octets."""
    raise Misuse("this call answers with octets, and nobody takes them")


class Caller(Protocol):
    """Performs operations of ``app.admin`` on a house, wherever it runs."""

    async def call(
        self,
        operation: str,
        arguments: dict[str, Any],
        *,
        body: AsyncIterator[bytes] | None = None,
        size: int = 0,
        sink: Sink = nowhere,
    ) -> dict[str, Any]:
        """The operation's result. ``body`` gives ``size`` octets to go along.

        Raises Misuse for what the caller did wrong, Temporary and Permanent for what broke.
        """
        ...
