"""A store whose one writer is in another process.

Reading happens here, over connections that cannot write: SQLite's log lets any process see what
was committed, at once. Everything else is asked of the process that has the store open. What is
not in ``HERE`` is asked too, so a method that is new to the store is right before it is fast.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

from pillarbox.base.clock import Clock
from pillarbox.base.errors import PillarboxError
from pillarbox.base.ids import Rng
from pillarbox.base.lanes import Lane
from pillarbox.model.mailbox import Mailbox
from pillarbox.store.api import Snapshot, Store
from pillarbox.store.blobs.files import FileBodies
from pillarbox.store.sqlite.blobs import SqliteBlobs
from pillarbox.store.sqlite.cache import Cache
from pillarbox.store.sqlite.directory import SqliteDirectory
from pillarbox.store.sqlite.learned import SqliteLearned
from pillarbox.store.sqlite.lists import SqliteLists
from pillarbox.store.sqlite.mail import SqliteMail
from pillarbox.store.sqlite.mailboxes import SqliteMailboxes
from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.scripts import SqliteScripts
from pillarbox.store.sqlite.sharing import SqliteSharing
from pillarbox.store.sqlite.store import DATABASE
from pillarbox.store.sqlite.writer import Committed

Call = Callable[..., Awaitable[Any]]
"""Asks the other process: the method's name, then its arguments."""

_THREADS: Final = 2
_BOUND: Final = 10_000

HERE: Final = frozenset(
    {
        *("stage", "read", "stream"),
        *(
            "edition",
            "domains",
            "domain",
            "accounts",
            "account",
            "account_by_address",
            "credentials",
        ),
        *("aliases", "alias"),
        *("mailboxes", "mailbox", "mailbox_by_name", "mailbox_at", "subscriptions"),
        *("load", "rows", "expunged_since"),
        *("scripts", "script", "active_script", "marked"),
        *("annotations", "access_list", "access_lists", "sharing"),
        *("taught", "lessons", "word_counts"),
        *("lists", "list_at", "members", "member", "suppressed", "suppressions", "sending"),
    }
)
"""Methods that only read, and need nothing but what is open here."""


class _Reading(
    SqliteMail,
    SqliteMailboxes,
    SqliteSharing,
    SqliteLists,
    SqliteLearned,
    SqliteScripts,
    SqliteDirectory,
    SqliteBlobs,
):
    """The reading half."""

    def __init__(
        self, directory: Path, clock: Clock, options: Options, rng: Rng, call: Call
    ) -> None:
        self.files = FileBodies(directory / "blobs", options.inline_limit, rng)
        self.lane = Lane("blob-files", threads=_THREADS, bound=_BOUND)
        self.read_lane = Lane("db-read", threads=_THREADS, bound=_BOUND)
        self.reader = Reader(directory / DATABASE, options, clock, self.read_lane)
        self.cache = Cache()
        self._call = call
        self._asked: set[asyncio.Task[None]] = set()

    def to_pack(self, snapshot: Snapshot) -> None:
        task = asyncio.get_running_loop().create_task(self._ask_to_pack(snapshot.box))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _ask_to_pack(self, box: Mailbox) -> None:
        with contextlib.suppress(PillarboxError):  # then whoever opens it next asks again
            await self._call("pack", box.account, box.id)


class StoreAfar:
    """Made by ``open_afar``. Hand it what ``SqliteStore.told`` tells in the other process."""

    def __init__(self, reading: _Reading, call: Call) -> None:
        self._reading = reading
        self._call = call

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._reading, name) if name in HERE else self._asking(name)
        setattr(self, name, found)  # asked for once
        return found

    def _asking(self, name: str) -> Call:
        async def ask(*args: Any, **kwargs: Any) -> Any:
            return await self._call(name, *args, **kwargs)

        return ask

    def heard(self, done: Committed) -> None:
        """A commit of the other process: forget what it made untrue."""
        if done.forget_all:
            self._reading.cache.clear()
        else:
            self._reading.cache.forget(done.forget, done.learned, done.changes)

    async def close(self) -> None:
        """Let go of the files."""
        self._reading.reader.close()
        await self._reading.lane.close()
        await self._reading.read_lane.close()


def open_afar(
    directory: Path, call: Call, clock: Clock, rng: Rng, options: Options | None = None
) -> StoreAfar:
    """The store in ``directory``, which another process has open."""
    return StoreAfar(_Reading(directory, clock, options or Options(), rng, call), call)


def as_store(afar: StoreAfar) -> Store:
    """It has every method of the Protocol, though no type checker can see that."""
    return cast("Store", afar)
