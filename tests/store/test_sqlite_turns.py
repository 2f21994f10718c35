"""Whose turn it is: little is looked at on the loop, for much a thread walks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pillarbox.store.sqlite import turns
from pillarbox.store.sqlite.store import SqliteStore
from support.storekit import Kit, open_kit


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    opened = await open_kit("sqlite", tmp_path)
    yield opened
    await opened.store.close()


class Looks:
    """What a store reads on the loop, and the threads in which it walks."""

    def __init__(self, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
        store = kit.store
        assert isinstance(store, SqliteStore)
        self.heard: list[str] = []
        self.walked: list[int] = []
        read, walk = store.reader.all, store.turns.next

        def all_(sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            self.heard.append(sql)
            return read(sql, values)

        def next_(*words: Any) -> list[int]:
            self.walked.append(threading.get_ident())
            return walk(*words)

        monkeypatch.setattr(store.reader, "all", all_)
        monkeypatch.setattr(store.turns, "next", next_)


async def leased(kit: Kit, limit: int, *busy: str) -> list[int]:
    now = kit.clock.time
    return [item.id for item in await kit.store.lease("w", now, now + 60, limit, busy=busy)]


async def test_much_that_waits_for_a_busy_domain_does_not_hold_up_the_loop(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kit.queue(*(f"r{n}@busy.example" for n in range(200)))
    free = await kit.queue("a@free.example")
    looks = Looks(kit, monkeypatch)
    assert await leased(kit, 10, "busy.example") == [free]
    assert set(looks.heard) == {turns._DUE}
    assert len(looks.walked) == 1
    assert threading.get_ident() not in looks.walked


async def test_little_takes_no_thread(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    await kit.queue("a@busy.example")
    items = [await kit.queue("a@free.example") for _ in range(3)]
    looks = Looks(kit, monkeypatch)
    assert await leased(kit, 2, "busy.example") == items[:2]
    assert set(looks.heard) == {turns._DUE, turns._OWED}
    assert looks.walked == []


async def test_nothing_is_leased_twice_by_looks_at_the_same_time(kit: Kit) -> None:
    items = [await kit.queue(*(f"r{n}@x.example" for n in range(60))) for _ in range(4)]
    found = await asyncio.gather(*(leased(kit, 2) for _ in range(3)))
    first = [item for some in found for item in some]
    assert len(first) == len(set(first)) > 0
    assert sorted(first + await leased(kit, 10)) == items
