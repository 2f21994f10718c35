"""The index's own file: what does not belong to the store, or is damaged, begins anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw

from pillarbox.store.search import Indexed, Progress
from pillarbox.store.sqlite.store import TEXTS
from pillarbox.store.sqlite.textfile import TextFile
from support.storekit import Kit, open_kit


async def stage(directory: Path, count: int = 3) -> Kit:
    """A store with an account and so many indexed messages more."""
    kit = await open_kit("sqlite", directory)
    ann = await kit.store.account_by_address("ann@example.org") or await kit.account()
    box = await kit.box(ann)
    await kit.store.index_edition(1)
    for _ in range(count):
        await kit.put(box)
    batch = await kit.store.unindexed(100, 1 << 20)
    await kit.store.index_texts(batch.generation, [Indexed(m.blob, "X") for m in batch.messages])
    return kit


async def reopened(directory: Path) -> Progress:
    kit = await open_kit("sqlite", directory)
    try:
        await kit.store.index_edition(1)
        return await kit.store.index_progress()
    finally:
        await kit.store.close()


async def test_it_outlives_the_process(tmp_path: Path) -> None:
    kit = await stage(tmp_path / "store")
    await kit.store.close()
    assert await reopened(tmp_path / "store") == Progress(3, 0)


async def test_without_it_nothing_is_lost(tmp_path: Path) -> None:
    kit = await stage(tmp_path / "store")
    await kit.store.close()
    (tmp_path / "store" / TEXTS).unlink()
    assert await reopened(tmp_path / "store") == Progress(0, 3)


async def test_damage_makes_it_begin_anew(tmp_path: Path) -> None:
    kit = await stage(tmp_path / "store")
    await kit.store.close()
    (tmp_path / "store" / TEXTS).write_bytes(b"no database at all" * 1000)
    assert await reopened(tmp_path / "store") == Progress(0, 3)


async def test_that_of_another_store_is_not_believed(tmp_path: Path) -> None:
    for name in ("one", "other"):
        kit = await stage(tmp_path / name)
        await kit.store.close()
    shutil.copy(tmp_path / "other" / TEXTS, tmp_path / "one" / TEXTS)
    assert await reopened(tmp_path / "one") == Progress(0, 3)


async def test_a_store_from_a_backup_does_not_believe_the_newer_index(tmp_path: Path) -> None:
    kit = await stage(tmp_path / "store")
    await kit.store.close()
    shutil.copy(tmp_path / "store" / "mail.db", tmp_path / "backup.db")
    kit = await stage(tmp_path / "store", 2)
    await kit.store.close()
    shutil.copy(tmp_path / "backup.db", tmp_path / "store" / "mail.db")
    # blobs 4 and 5 will mean other messages: the index may not say that it knows them
    assert await reopened(tmp_path / "store") == Progress(0, 3)


async def test_damage_found_while_it_runs_is_repaired_by_filling_it_again(tmp_path: Path) -> None:
    kit = await stage(tmp_path / "store")
    await kit.store.index.write(TextFile.make)  # type: ignore[attr-defined]
    assert await kit.store.index_progress() == Progress(0, 3)
    assert len((await kit.store.unindexed(10, 1 << 20)).messages) == 3
    await kit.store.close()
    assert await reopened(tmp_path / "store") == Progress(0, 3)


def test_an_older_format_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / TEXTS
    TextFile(path, 7, 10).close()
    db = apsw.Connection(str(path))
    db.execute("UPDATE meta SET value = 0 WHERE name = 'format'")
    db.execute("UPDATE meta SET value = 5 WHERE name = 'done'")
    db.close()
    file = TextFile(path, 7, 10)
    assert file.age == 1
    file.close()
    again = TextFile(path, 7, 10)
    assert again.age == 0
    again.close()
