"""Notes in rows."""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_FIND = (
    "SELECT key, value FROM note WHERE kind = ? AND key >= ? AND key < ? AND until > ? ORDER BY key"
)
_BEYOND = chr(0x10FFFF)
"""Sorts after whatever a key goes on with."""


class SqliteNotes:
    """See ``notes.Notes``."""

    reader: Reader
    writer: WriteLane

    async def remember(
        self, kind: str, values: Mapping[str, bytes | None], *, until: float, now: float
    ) -> None:
        def change(tx: Tx) -> None:
            tx.db.execute("DELETE FROM note WHERE until <= ?", (now,))
            for key, value in values.items():
                if value is None:
                    tx.db.execute("DELETE FROM note WHERE kind = ? AND key = ?", (kind, key))
                else:
                    row = (kind, key, value, until)
                    tx.db.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?, ?)", row)

        await self.writer.do(change)

    async def recall(self, kind: str, *, prefix: str = "", now: float) -> dict[str, bytes]:
        return dict(self.reader.all(_FIND, (kind, prefix, prefix + _BEYOND, now)))
