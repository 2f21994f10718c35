"""Message bytes by number."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pillarbox.base.errors import Permanent
from pillarbox.store.api import Staging
from pillarbox.store.blobs.inline import BytesStaging
from pillarbox.store.memory.state import State
from pillarbox.store.rules import STREAM_PIECE


class MemoryBlobs:
    """See ``api.Blobs``."""

    state: State

    def stage(self, expected: int = 0) -> Staging:
        return BytesStaging()

    async def read(self, blob: int, start: int = 0, length: int | None = None) -> bytes:
        kept = self.state.blobs.get(blob)
        if kept is None:
            raise Permanent(f"there is no blob {blob}")
        return kept.body[start : None if length is None else start + length]

    async def stream(
        self, blob: int, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        data = await self.read(blob, start, length)
        for at in range(0, len(data), STREAM_PIECE):
            yield data[at : at + STREAM_PIECE]
