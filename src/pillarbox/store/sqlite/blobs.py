"""Message bytes by number, inline or from files."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pillarbox.base.errors import Permanent
from pillarbox.base.lanes import Lane
from pillarbox.store.api import Staging
from pillarbox.store.blobs.codec import decode
from pillarbox.store.blobs.files import FileBodies
from pillarbox.store.rules import STREAM_PIECE
from pillarbox.store.sqlite.reader import Reader

_FIND = (
    "SELECT b.codec, b.size, b.file, d.data FROM blob b LEFT JOIN body d ON d.blob = b.id"
    " WHERE b.id = ?"
)


class SqliteBlobs:
    """See ``api.Blobs``."""

    reader: Reader
    files: FileBodies
    lane: Lane

    def stage(self, expected: int = 0) -> Staging:
        return self.files.stage(expected)

    async def read(self, blob: int, start: int = 0, length: int | None = None) -> bytes:
        whole, file, size = self._find(blob)
        stop = size if length is None else min(size, start + length)
        if not file:
            return whole if start == 0 and stop == size else whole[start:stop]
        if stop <= start:
            return b""
        return await self.lane.run(self.files.read, file, start, stop - start)

    async def stream(
        self, blob: int, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        whole, file, size = self._find(blob)
        stop = size if length is None else min(size, start + length)
        for at in range(start, stop, STREAM_PIECE):
            piece = min(STREAM_PIECE, stop - at)
            if file:
                yield await self.lane.run(self.files.read, file, at, piece)
            else:
                yield whole[at : at + piece]

    def _find(self, blob: int) -> tuple[bytes, str, int]:
        row = self.reader.row(_FIND, (blob,))
        if row is None:
            raise Permanent(f"there is no blob {blob}")
        codec, size, file, data = row
        return (b"" if file else decode(codec, data, size)), file, size
