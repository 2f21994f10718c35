"""Reading: one state at a time, and connections that nobody is at work on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.base.lanes import Lane
from pillarbox.store.sqlite import Options
from pillarbox.store.sqlite.opening import open_database
from pillarbox.store.sqlite.reader import Reader
from support.storekit import HandClock


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    made = Lane("test-read")
    yield made
    await made.close()


@pytest.fixture
def writer(tmp_path: Path) -> apsw.Connection:
    db = open_database(tmp_path / "mail.db", Options())
    db.execute("INSERT INTO domain (name, catchall) VALUES ('one', '')")
    return db


def reader_of(tmp_path: Path, lane: Lane, clock: Clock) -> Reader:
    return Reader(tmp_path / "mail.db", Options(slow_read=0.5), clock, lane)


def count(db: apsw.Connection) -> object:
    return db.execute("SELECT count(*) FROM domain").get


async def test_a_snapshot_stands_still(tmp_path: Path, writer: apsw.Connection, lane: Lane) -> None:
    reader = reader_of(tmp_path, lane, HandClock())
    async with reader.snapshot() as db:
        assert count(db) == 1
        writer.execute("INSERT INTO domain (name, catchall) VALUES ('two', '')")
        assert reader.row("SELECT count(*) FROM domain") == (2,)
        await reader.breathe()
        assert count(db) == 1
    async with reader.snapshot() as again:
        assert again is db  # given back and taken again
        assert count(again) == 2
        with pytest.raises(apsw.ReadOnlyError):
            again.execute("DELETE FROM domain")
    reader.close()
    with pytest.raises(Temporary):
        reader.all("SELECT 1")
    with pytest.raises(Temporary):
        async with reader.snapshot():
            pass


async def test_only_slow_reading_goes_to_the_thread(
    tmp_path: Path, writer: apsw.Connection, lane: Lane
) -> None:
    clock = HandClock()
    reader = reader_of(tmp_path, lane, clock)
    here = threading.get_ident()

    def read(seconds: float) -> int:
        clock.time += seconds
        return threading.get_ident()

    assert await reader.slice(read, 0.1) == here
    assert await reader.slice(read, 0.9) == here  # now it is known to be slow
    elsewhere = [await reader.slice(read, 0.0) for _ in range(40)]
    assert elsewhere[0] != here
    assert elsewhere[-1] == here  # and after a while it is tried again
    reader.close()


async def test_a_cancelled_reader_waits_for_its_thread(
    tmp_path: Path, writer: apsw.Connection, lane: Lane
) -> None:
    clock = HandClock()
    reader = reader_of(tmp_path, lane, clock)
    await reader.slice(lambda: setattr(clock, "time", clock.time + 1))
    began, go = threading.Event(), threading.Event()
    given_back: list[bool] = []

    def read(db: apsw.Connection) -> object:
        began.set()
        go.wait(10)
        return count(db)

    async def ask() -> None:
        try:
            async with reader.snapshot() as db:
                await reader.slice(read, db)
        finally:
            given_back.append(go.is_set())

    task = asyncio.create_task(ask())
    await asyncio.to_thread(began.wait, 10)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.01)
    assert given_back == []
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert given_back == [True]
    reader.close()
