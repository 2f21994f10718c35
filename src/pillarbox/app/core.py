"""What every user of a data directory needs, server or command: store, lanes, passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pillarbox.app.admin.rooms import Rooms
from pillarbox.app.caller import reach
from pillarbox.app.channel import Caller
from pillarbox.app.datadir import DataDir
from pillarbox.app.settings import password_options
from pillarbox.auth.passwords import Passwords
from pillarbox.base.clock import Clock, SystemClock
from pillarbox.base.ids import Rng, SystemRng
from pillarbox.base.lanes import Lane
from pillarbox.config.schema import Config
from pillarbox.mailbox.indexer import Indexer
from pillarbox.model.change import Change
from pillarbox.policy.dkim.ring import KeyRing
from pillarbox.store.api import Publish, Store
from pillarbox.store.sqlite import open_store

STORE = "store"
"""Directory of the store inside the data directory."""
DKIM = "dkim"
"""Directory of the signing keys inside the data directory."""

CRYPTO_THREADS = 2
SCAN_THREADS = 1
TEXT_THREADS = 1

OpenStore = Callable[[Path, Publish, Clock], Awaitable[Store]]
"""Opens the store in a directory."""


async def sqlite_store(path: Path, publish: Publish, clock: Clock) -> Store:
    """The store of a house that says nothing else."""
    return await open_store(path, publish=publish, clock=clock)


@dataclass(frozen=True, slots=True)
class Core:
    """Open as long as the context of ``open_core``."""

    store: Store
    passwords: Passwords
    crypto: Lane
    """Passwords: few at a time, so that a storm of logins takes no other work's time."""
    scan: Lane
    """Large messages and long answers, and the signing of what leaves."""
    indexer: Indexer
    """Fills the index of texts while somebody runs it."""
    keys: KeyRing
    """That mail is signed with."""
    clock: Clock
    rng: Rng


@asynccontextmanager
async def open_core(
    config: Config, publish: Publish, clock: Clock, rng: Rng, opener: OpenStore = sqlite_store
) -> AsyncIterator[Core]:
    """Open the store. The caller has the data directory's lock."""
    crypto = Lane("crypto", threads=CRYPTO_THREADS)
    scan = Lane("scan", threads=SCAN_THREADS)
    text = Lane("text", threads=TEXT_THREADS)
    try:
        store = await opener(config.server.data / STORE, publish, clock)
        try:
            passwords = Passwords(crypto, rng, password_options(config))
            indexer = Indexer(store, text, clock)
            keys = KeyRing(config.server.data / DKIM)
            yield Core(store, passwords, crypto, scan, indexer, keys, clock, rng)
        finally:
            await store.close()
    finally:
        await crypto.close()
        await scan.close()
        await text.close()


def _to_nobody(changes: Sequence[Change]) -> None:
    """Without server there is no session that could be told."""


async def _nothing() -> dict[str, Any]:
    return {"running": False}


def _asleep() -> None:
    """Without server there is no queue runner to wake."""


def reach_house(config: Config) -> AbstractAsyncContextManager[Caller]:
    """A caller for the house of a configuration: its running server, else the store itself."""
    clock = SystemClock()

    @asynccontextmanager
    async def open_rooms() -> AsyncIterator[Rooms]:
        async with open_core(config, _to_nobody, clock, SystemRng()) as core:
            yield Rooms(
                *(core.store, core.passwords, core.scan, core.indexer, clock, _nothing, _asleep),
                keys=core.keys,
                config=config,
            )

    return reach(DataDir(config.server.data), open_rooms, clock)
