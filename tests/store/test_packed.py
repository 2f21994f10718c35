"""Packed copies of mailboxes: whatever happens after one was made, and wherever it stops, a mailbox
is opened as it is."""

from __future__ import annotations

import asyncio
import random
import shutil
import threading
from array import array
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import SystemRng
from pillarbox.model.flags import FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.store.api import FlagOp, Snapshot
from pillarbox.store.sqlite import Options, packed
from pillarbox.store.sqlite.afar import as_store, open_afar
from support.storekit import ALL, Kit, open_kit

PACKED = Options(pack_from=1)
PLAIN = Options(pack_from=1 << 40)


@given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.integers(0, 2**64 - 1)), max_size=50))
def test_a_chunk_and_back(rows: list[tuple[int, int]]) -> None:
    some = packed.Arrays(
        array("I", [uid for uid, _ in rows]),
        array("Q", [value for _, value in rows]),
        array("Q", [value & 0xFF for _, value in rows]),
    )
    assert packed.decoded(packed.encoded(some)) == some


def count(kit: Kit, table: str) -> int:
    reader = cast("Any", kit.store).reader
    return int(reader.row(f"SELECT count(*) FROM {table}")[0])  # noqa: S608


async def packing(kit: Kit) -> None:
    """Wait until copies that were begun are made."""
    background = cast("Any", kit.store)._background
    if background:
        await asyncio.wait(background)


async def same_as_on_disk(kit: Kit, directory: Path) -> None:
    """What is opened here and what the rows say, also to whoever finds them after a crash."""
    here = await packs(kit)
    shutil.rmtree(directory / "copy", ignore_errors=True)
    ignored = shutil.ignore_patterns("lock", "*-shm")
    shutil.copytree(directory / "store", directory / "copy", ignore=ignored)
    for options in (PLAIN, PACKED):
        other = await open_kit("sqlite", directory / "copy", options)
        assert await packs(other) == here
        await other.store.close()


async def packs(kit: Kit) -> list[Snapshot]:
    (account,) = await kit.store.accounts()
    loaded = [await kit.store.load(account.id, b.id) for b in await kit.store.mailboxes(account.id)]
    return [snapshot for snapshot in loaded if snapshot is not None]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(packed, "CHUNK", 7)
    monkeypatch.setattr(packed, "RANGES", 3)
    rnd = random.Random(seed)
    kit = await open_kit("sqlite", tmp_path / "store", PACKED)
    ann = await kit.account()
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    for _ in range(30):
        await kit.put(inbox)
    for number in range(40):
        uids = NumSet.of(rnd.sample(range(1, 80), rnd.randint(1, 6)))
        kind = rnd.randrange(6)
        if kind == 0:
            await kit.put(inbox, "\\Seen", f"kw{number % 4}")
        elif kind in {1, 2}:
            op = rnd.choice(list(FlagOp))
            await kit.store.set_flags(ann.id, inbox.id, uids, op, FlagSet(rnd.randrange(32)))
        elif kind == 3:
            await kit.store.expunge(ann.id, inbox.id, uids, only_deleted=False)
        elif kind == 4:
            await kit.store.move(ann.id, inbox.id, uids, ann.id, junk.id)
        else:
            await kit.store.undelete(ann.id, (await kit.store.retained(ann.id))[:2], inbox.id)
        if number % 3 == 0:
            await packs(kit)  # makes new copies where there is need
            await packing(kit)
        if number % 5 == 0:
            await same_as_on_disk(kit, tmp_path)
    await same_as_on_disk(kit, tmp_path)
    await kit.store.close()


async def test_a_copy_is_made_used_and_made_again(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path / "store", PACKED)
    ann = await kit.account()
    inbox = await kit.box(ann)
    for _ in range(40):
        await kit.put(inbox)
    assert count(kit, "packed") == 0
    await kit.store.load(ann.id, inbox.id)
    await packing(kit)
    assert count(kit, "packed") == 1
    await kit.store.set_flags(ann.id, inbox.id, NumSet([(3, 5)]), FlagOp.ADD, FlagSet(1))
    assert count(kit, "noted") == 1
    await kit.store.load(ann.id, inbox.id)
    await packing(kit)
    assert count(kit, "noted") == 1  # little has changed: the copy is good for longer
    await kit.store.set_flags(ann.id, inbox.id, ALL, FlagOp.ADD, FlagSet(2))
    await kit.store.load(ann.id, inbox.id)
    await packing(kit)
    assert count(kit, "noted") == 0
    await kit.store.delete_mailbox(ann.id, (await kit.box(ann, "Junk")).id)
    await kit.store.close()


async def test_a_process_that_cannot_write_asks_for_a_copy(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path / "store", PACKED)
    ann = await kit.account()
    inbox = await kit.box(ann)
    await kit.put(inbox)

    async def call(name: str, *args: Any) -> Any:
        return await getattr(kit.store, name)(*args)

    afar = open_afar(tmp_path / "store", call, SystemClock(), SystemRng(), PACKED)
    for copies in (0, 1):
        assert count(kit, "packed") == copies
        snapshot = await as_store(afar).load(ann.id, inbox.id)
        assert snapshot is not None
        assert list(snapshot.uids) == [1]
        for _ in range(5):
            await asyncio.sleep(0)
        await packing(kit)
    await afar.close()
    await kit.store.close()


async def test_changed_while_it_was_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = await open_kit("sqlite", tmp_path / "store", PACKED)
    ann = await kit.account()
    inbox = await kit.box(ann)
    for _ in range(3):
        await kit.put(inbox)
    begun, goes_on = threading.Event(), threading.Event()
    chunks = packed.chunks

    def slow(snapshot: Snapshot) -> list[tuple[int, bytes]]:
        begun.set()
        goes_on.wait(30)
        return chunks(snapshot)

    monkeypatch.setattr(packed, "chunks", slow)
    await kit.store.load(ann.id, inbox.id)
    await asyncio.to_thread(begun.wait, 30)
    await kit.put(inbox)
    await kit.store.set_flags(ann.id, inbox.id, NumSet([(2, 2)]), FlagOp.ADD, FlagSet(1))
    await kit.store.expunge(ann.id, inbox.id, NumSet([(1, 1)]), only_deleted=False)
    goes_on.set()
    await packing(kit)
    assert count(kit, "packed") == 1
    assert count(kit, "noted") == 2
    await same_as_on_disk(kit, tmp_path)
    await kit.store.close()


async def test_of_two_copies_begun_the_later_one_is_kept(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path / "store", PLAIN)
    ann = await kit.account()
    inbox = await kit.box(ann)
    await kit.put(inbox)
    store = cast("Any", kit.store)
    old = await kit.store.load(ann.id, inbox.id)
    await kit.store.set_flags(ann.id, inbox.id, ALL, FlagOp.ADD, FlagSet(1))
    new = await kit.store.load(ann.id, inbox.id)
    assert old is not None
    assert new is not None
    one, two = old.box.highest_modseq, new.box.highest_modseq
    assert not await store.writer.do(lambda tx: packed.begin(tx, ann.id, inbox.id, one))
    assert await store.writer.do(lambda tx: packed.begin(tx, ann.id, inbox.id, two))
    await same_as_on_disk(kit, tmp_path)  # a copy half made is none
    made = packed.chunks(old)
    assert not await store.writer.do(lambda tx: packed.keep(tx, ann.id, inbox.id, one, made))
    await kit.store.close()


@pytest.mark.parametrize("damage", ["x'01ff'", "x''", "substr(data, 1, length(data) - 3)"])
async def test_a_copy_that_is_no_good_is_not_used(tmp_path: Path, damage: str) -> None:
    kit = await open_kit("sqlite", tmp_path / "store", PACKED)
    ann = await kit.account()
    inbox = await kit.box(ann)
    await kit.put(inbox)
    await kit.store.load(ann.id, inbox.id)
    await packing(kit)
    writer = cast("Any", kit.store).writer
    await writer.do(lambda tx: tx.db.execute(f"UPDATE packed SET data = {damage}"))  # noqa: S608
    assert await kit.uids(inbox) == [1]
    await packing(kit)
    assert await kit.uids(inbox) == [1]
    await kit.store.close()
