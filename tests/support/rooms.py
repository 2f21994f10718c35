"""The operations of an operator over a memory store."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pillarbox.app.admin.rooms import Rooms
from pillarbox.app.caller import LocalCaller
from pillarbox.auth.passwords import CHEAP, Passwords
from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import SeededRng
from pillarbox.base.lanes import Lane
from pillarbox.config.schema import Config, Server
from pillarbox.mailbox.indexer import Indexer
from pillarbox.policy.dkim.ring import KeyRing
from pillarbox.store.api import Store
from pillarbox.store.memory import MemoryStore


@asynccontextmanager
async def caller(store: Store | None = None) -> AsyncIterator[LocalCaller]:
    """A caller for a house of the moment."""
    lane = Lane("test")
    try:
        yield LocalCaller(rooms(store or MemoryStore(), lane))
    finally:
        await lane.close()


def rooms(store: Store, lane: Lane) -> Rooms:
    """The rooms behind the operations, with passwords that cost nothing."""
    passwords = Passwords(lane, SeededRng(1), CHEAP)
    clock = SystemClock()
    indexer = Indexer(store, lane, clock)

    async def about() -> dict[str, object]:
        return {"running": False}

    def wake() -> None:
        """No queue is worked."""

    keys = KeyRing(Path(tempfile.gettempdir()) / "no-such-folder-of-keys")
    config = Config(server=replace(Server(), hostname="mail.example.test"))
    return Rooms(store, passwords, lane, indexer, clock, about, wake, keys, config)


async def with_ann(caller: LocalCaller) -> None:
    """ann@example.test, with the password ``secret``."""
    await caller.call("domain.add", {"name": "example.test"})
    await caller.call("account.add", {"address": "ann@example.test", "password": "secret"})
