"""Opening: one process, the right file, the right version, and upgrades that cannot hurt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from pillarbox.base.errors import Misuse, Permanent
from pillarbox.model.account import Domain
from pillarbox.store.sqlite import Options, open_store
from pillarbox.store.sqlite.opening import open_database
from pillarbox.store.sqlite.schema import APPLICATION_ID, MIGRATIONS, Migration
from support.storekit import open_kit

OPTIONS = Options(switch_interval=None)


def script(sql: str) -> Migration:
    def run(db: apsw.Connection) -> None:
        db.execute(sql)

    return run


FIRST = script("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT")
SECOND = script("ALTER TABLE note ADD COLUMN size INTEGER; UPDATE note SET size = length(text)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


@pytest.fixture
def old(path: Path) -> Path:
    """A database of version 1 with something in it, some of that in the log."""
    db = open_database(path, OPTIONS, [FIRST])
    db.execute("INSERT INTO note (text) VALUES ('kept')")
    db.close()
    return path


def notes(path: Path) -> list[tuple[object, ...]]:
    db = apsw.Connection(str(path))
    try:
        return db.execute("SELECT * FROM note").fetchall()
    finally:
        db.close()


def test_a_new_database_is_durable_and_private(path: Path) -> None:
    db = open_database(path, OPTIONS)
    assert db.pragma("journal_mode") == "wal"
    assert db.pragma("synchronous") == 2
    assert db.pragma("page_size") == OPTIONS.page_size
    assert db.pragma("user_version") == len(MIGRATIONS)
    assert db.pragma("application_id") == APPLICATION_ID
    assert db.pragma("integrity_check") == "ok"
    db.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_upgrade_leaves_the_old_one_behind(old: Path) -> None:
    db = open_database(old, OPTIONS, [FIRST, SECOND])
    assert db.execute("SELECT text, size FROM note").fetchall() == [("kept", 4)]
    assert db.pragma("user_version") == 2
    assert db.pragma("journal_mode") == "wal"
    db.close()
    backup = old.with_name("mail.db.v1.bak")
    assert notes(backup) == [(1, "kept")]
    assert sorted(p.name for p in old.parent.iterdir()) == ["mail.db", "mail.db.v1.bak"]


def fails(db: apsw.Connection) -> None:
    db.execute("UPDATE note SET text = 'half'")
    raise apsw.SQLError("a migration with a fault")


def corrupts(db: apsw.Connection) -> None:
    db.execute("CREATE INDEX odd ON note (text)")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX odd ON note (id)' WHERE name = 'odd'")


@pytest.mark.parametrize("broken", [fails, corrupts])
def test_a_failed_upgrade_changes_nothing(
    old: Path, broken: Callable[[apsw.Connection], None]
) -> None:
    with pytest.raises((apsw.Error, Permanent)):
        open_database(old, OPTIONS, [FIRST, broken])
    assert notes(old) == [(1, "kept")]
    db = open_database(old, OPTIONS, [FIRST, SECOND])  # and a good one still works
    assert db.execute("SELECT size FROM note").get == 4
    db.close()


def test_leftovers_of_a_killed_upgrade_do_no_harm(old: Path) -> None:
    for name in ("mail.db.new", "mail.db.new-journal", "mail.db.new-wal"):
        old.with_name(name).write_bytes(b"half of something")
    db = open_database(old, OPTIONS, [FIRST, SECOND])
    assert db.execute("SELECT size FROM note").get == 4
    db.close()
    assert sorted(p.name for p in old.parent.iterdir()) == ["mail.db", "mail.db.v1.bak"]


def test_a_newer_version_is_refused(old: Path) -> None:
    open_database(old, OPTIONS, [FIRST, SECOND]).close()
    with pytest.raises(Permanent, match="version 2") as caught:
        open_database(old, OPTIONS, [FIRST])
    assert caught.value.hint


def test_files_of_others_are_refused(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(Permanent, match="another program"):
        open_database(path, OPTIONS)
    path.write_bytes(b"this is no database at all, but long enough to be read as one" * 50)
    with pytest.raises(Permanent, match="not a database"):
        open_database(path, OPTIONS)


def output_of(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = await open_store(tmp_path, options=OPTIONS)
    with pytest.raises(Misuse, match=str(os.getpid())) as caught:
        await open_store(tmp_path, options=OPTIONS)
    assert caught.value.hint
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from pillarbox.base.errors import Misuse\n"
        "from pillarbox.store.sqlite import open_store\n"
        "try: asyncio.run(open_store(Path(sys.argv[1])))\n"
        "except Misuse: print('refused')"
    )
    assert output_of(code, tmp_path) == "refused\n"
    await store.close()
    await (await open_store(tmp_path, options=OPTIONS)).close()


async def test_what_was_kept_is_there_after_reopening(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path)
    ann = await kit.account()
    inbox = await kit.box(ann)
    small = await kit.put(inbox, "\\Seen", "kw")
    large = await kit.put(inbox, body=b"L" * 50_000)
    item = await kit.queue("bob@x.example")
    before = await kit.again(inbox)
    await kit.store.close()
    assert "mail.db-wal" not in os.listdir(tmp_path)  # folded in: one file to copy
    again = await open_kit("sqlite", tmp_path)
    assert await again.again(inbox) == before
    assert await again.store.read(small.blob) == b"x" * 100
    assert await again.store.read(large.blob) == b"L" * 50_000
    assert [i.id for i in await again.store.queue_items()] == [item]
    assert (await again.put(inbox)).blob == large.blob + 2  # the queued message is between
    await again.store.close()


async def test_the_switch_interval_is_set_where_asked(tmp_path: Path) -> None:
    before = sys.getswitchinterval()
    try:
        store = await open_store(tmp_path)
        assert sys.getswitchinterval() == pytest.approx(Options().switch_interval)
        await store.set_domain(Domain("x.example"))
        await store.close()
    finally:
        sys.setswitchinterval(before)
