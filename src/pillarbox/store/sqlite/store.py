"""The store on SQLite, opened and closed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pillarbox.base.clock import Clock, SystemClock
from pillarbox.base.errors import PillarboxError, Temporary
from pillarbox.base.ids import Rng, SystemRng
from pillarbox.base.lanes import Lane
from pillarbox.model.change import Change
from pillarbox.store.api import Publish, Snapshot, Store
from pillarbox.store.blobs.files import FileBodies
from pillarbox.store.sqlite import packed
from pillarbox.store.sqlite.audit import SqliteAudit
from pillarbox.store.sqlite.blobs import SqliteBlobs
from pillarbox.store.sqlite.cache import Cache
from pillarbox.store.sqlite.checkpoint import Checkpointer
from pillarbox.store.sqlite.directory import SqliteDirectory
from pillarbox.store.sqlite.faults import translate
from pillarbox.store.sqlite.ids import Ids
from pillarbox.store.sqlite.intake import Intake
from pillarbox.store.sqlite.journal import SqliteJournal
from pillarbox.store.sqlite.learned import SqliteLearned
from pillarbox.store.sqlite.lists import SqliteLists
from pillarbox.store.sqlite.lock import StoreLock
from pillarbox.store.sqlite.mail import SqliteMail
from pillarbox.store.sqlite.mailboxes import SqliteMailboxes
from pillarbox.store.sqlite.notes import SqliteNotes
from pillarbox.store.sqlite.opening import open_database
from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.retention import SqliteRetention, clear_account
from pillarbox.store.sqlite.scripts import SqliteScripts
from pillarbox.store.sqlite.sharing import SqliteSharing
from pillarbox.store.sqlite.spool import SqliteSpool
from pillarbox.store.sqlite.texts import SqliteTexts, TextLane
from pillarbox.store.sqlite.turns import Turns
from pillarbox.store.sqlite.writer import Committed, WriteLane

DATABASE = "mail.db"
TEXTS = "text.db"
_READ_THREADS = 2
_FILE_THREADS = 2
_LANE_BOUND = 10_000


class SqliteStore(
    SqliteTexts,
    SqliteAudit,
    SqliteJournal,
    SqliteSpool,
    SqliteRetention,
    SqliteMail,
    SqliteMailboxes,
    SqliteSharing,
    SqliteLists,
    SqliteNotes,
    SqliteLearned,
    SqliteScripts,
    SqliteDirectory,
    SqliteBlobs,
):
    """A ``Store``. Made by ``open_store`` only."""

    def __init__(
        self, directory: Path, publish: Publish, clock: Clock, options: Options, rng: Rng
    ) -> None:
        """Blocks while it opens, migrates and sweeps; nothing else runs yet."""
        path = directory / DATABASE
        self._publish = publish
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = StoreLock(directory / "lock")
        try:
            connection = open_database(path, options)
            self.files = FileBodies(directory / "blobs", options.inline_limit, rng)
            self.files.prepare()
            named = connection.execute("SELECT file FROM blob WHERE file <> ''")
            self.files.sweep({name for (name,) in named})
            self._left = [n for (n,) in connection.execute("SELECT account FROM leaving")]
            self.lane = Lane("blob-files", threads=_FILE_THREADS, bound=_LANE_BOUND)
            self._read_lane = Lane("db-read", threads=_READ_THREADS, bound=_LANE_BOUND)
            self._checkpoint_lane = Lane("db-checkpoint")
            self._checkpointer = Checkpointer(path, options, self._checkpoint_lane)
            self.reader = Reader(path, options, clock, self._read_lane)
            self.index = TextLane(path, directory / TEXTS, options, rng, connection)
            ids = Ids(connection)
            self.cache = Cache()
            self.writer = WriteLane(connection, ids, options, clock, self._committed)
            self.intake = Intake(self.writer, self.files, self.lane, options)
            self.turns = Turns(options.little_due)
        except BaseException:
            self._lock.release()
            raise
        self._background: set[asyncio.Task[None]] = set()
        self._closed = False
        self.told: Callable[[Committed], None] | None = None
        """Hears of every commit, before its waiters: other processes are told by it (``afar``)."""

    def _committed(self, done: Committed) -> None:
        """After each commit, before its waiters: forget, publish, remove."""
        if done.forget_all:
            self.cache.clear()
        else:
            self.cache.forget(done.forget, done.learned, done.changes)
        if done.files:
            self.afterwards(self.lane.run(self.files.remove, done.files))
        self._checkpointer.look(self.writer)
        if self.told is not None:
            self.told(done)
        if done.changes:
            self._publish(done.changes)

    def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what nobody waits for: files that are swept at the next start if they stay, copies
        that are made again."""

        async def run() -> None:
            with contextlib.suppress(PillarboxError):
                await work

        task = asyncio.get_running_loop().create_task(run())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def to_pack(self, snapshot: Snapshot) -> None:
        copy = replace(  # whoever gets the snapshot lets it follow the mailbox
            snapshot, uids=snapshot.uids[:], modseqs=snapshot.modseqs[:], flags=snapshot.flags[:]
        )
        self.afterwards(self._pack(copy))

    async def _pack(self, snapshot: Snapshot) -> None:
        box, modseq = snapshot.box, snapshot.box.highest_modseq
        if await self.writer.do(lambda tx: packed.begin(tx, box.account, box.id, modseq)):
            made = await self.lane.run(packed.chunks, snapshot)
            await self.writer.do(
                lambda tx: packed.keep(tx, box.account, box.id, modseq, made), aside=True
            )

    async def pack(self, account: int, mailbox: int) -> None:
        """Pack a mailbox if there is need, which a process that cannot has found out."""
        await self.load(account, mailbox)

    async def recover(self) -> None:
        """Go on with removals that a crash interrupted."""
        for account in self._left:
            await clear_account(self.writer, account)

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await self._checkpointer.close()
        if self._background:
            await asyncio.wait(self._background)
        await self.writer.finish()
        if self._background:
            await asyncio.wait(self._background)
        self.cache.clear()
        await self.index.close()
        self.reader.close()
        await self.writer.close()  # the last connection: SQLite folds the log in
        for lane in (self.lane, self._read_lane, self._checkpoint_lane):
            await lane.close()
        self._lock.release()


def _nobody(changes: Sequence[Change]) -> None:
    """Publishes to no one."""


async def open_store(
    directory: Path,
    *,
    publish: Publish = _nobody,
    clock: Clock | None = None,
    options: Options | None = None,
    rng: Rng | None = None,
) -> Store:
    """Open the store in ``directory``, making it if need be.

    Raises Misuse when another process has it open, Permanent when it is of a newer version,
    damaged or not ours, Temporary when the disk refuses.
    """
    options = options or Options()
    if options.switch_interval is not None:
        sys.setswitchinterval(options.switch_interval)
    try:
        store = SqliteStore(directory, publish, clock or SystemClock(), options, rng or SystemRng())
    except PillarboxError:
        raise
    except OSError as error:
        raise Temporary(f"cannot open the store in {directory}: {error}") from error
    except Exception as error:
        raise translate(error) from error
    await store.recover()
    return store
