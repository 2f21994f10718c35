"""Moving pages from the write-ahead log into the database, beside the writing.

The bulk is moved by a connection of its own in a thread, while commits go on; what came in
meanwhile is little, and moved between two transactions, so that the log begins again from its
start. Left to SQLite, the commit that crosses the limit would pay for all of it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw

from pillarbox.base.errors import PillarboxError
from pillarbox.base.lanes import Lane
from pillarbox.store.sqlite.opening import open_checkpointer
from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.writer import WriteLane


class Checkpointer:
    """Watches the log's size. ``look`` after each commit; it costs half a microsecond.

    SQLite would tell by a hook, in the middle of COMMIT: then the write thread has to win the
    interpreter back once more for each commit (decision 0092).
    """

    def __init__(self, path: Path, options: Options, lane: Lane) -> None:
        self._db = open_checkpointer(path)
        self._limit = options.wal_limit // int(self._db.pragma("page_size"))
        self._lane = lane
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def look(self, writer: WriteLane) -> None:
        """Begin when the log has grown past the limit and none is under way."""
        if self._closed or (self._task is not None and not self._task.done()):
            return
        if writer.log_pages() > self._limit:
            self._task = asyncio.get_running_loop().create_task(self._run(writer))

    async def _run(self, writer: WriteLane) -> None:
        try:
            await self._lane.run(_move, self._db)
            await writer.outside(_move)
        except PillarboxError:
            pass  # a reader in the way or a bad moment: the next commit asks again
        except apsw.Error:
            pass

    async def close(self) -> None:
        """Wait for one under way and begin no other."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task])
        self._db.close()


def _move(connection: apsw.Connection) -> None:
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
