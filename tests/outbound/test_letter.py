"""The message as it goes out, without a server to send it to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pillarbox.model.transaction import Envelope
from pillarbox.outbound.letter import Letters, Pieces
from pillarbox.outbound.paths import Wish
from pillarbox.store.memory import MemoryStore


class Counted:
    """A store's messages, and how often they were asked for."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.reads = 0

    async def read(self, blob: int, start: int = 0, length: int | None = None) -> bytes:
        self.reads += 1
        return await self._store.read(blob, start, length)

    def stream(self, blob: int, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        self.reads += 1
        return self._store.stream(blob, start, length)


@pytest.mark.parametrize(
    ("size", "reads"), [(80, 1), (256 * 1024, 1), (256 * 1024 + 1, 4), (700_000, 4)]
)
async def test_a_short_message_is_read_once_for_all_that_is_done_with_it(
    far: Any, size: int, reads: int
) -> None:
    front = b"Return-Path: <x@y>\r\nTLS-Required: No\r\n\r\n"
    body = front + b"x" * (size - len(front) - 2) + b"\r\n"
    seen: list[bytes] = []

    async def sign(envelope: Envelope, pieces: Pieces) -> bytes:
        seen.append(b"".join([piece async for piece in pieces()]))
        return b"Signed: yes\r\n"

    async with far(servers=1) as world:
        await world.send("bob@far.test", body=body)
        (item,) = await world.store.queue_items()
        counted = Counted(world.store)
        letters = Letters(item, counted, sign)
        assert await letters.wish() is Wish.OPTIONAL
        letter = await letters.letter()
        for _ in range(2):  # another server may have to be asked
            sent = b"".join([piece async for piece in letter.pieces()])
            assert sent == b"Signed: yes\r\n" + body[20:]
        assert letter.size == len(sent)
        assert letter.whole == (sent if size <= 256 * 1024 else None)
        assert seen == [body[20:]]
        assert counted.reads == reads
