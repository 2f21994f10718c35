"""Older databases, with something in them, as the newest program sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pillarbox.store.api import Column, Copied, Retained
from pillarbox.store.sqlite import Options, journal, open_store
from pillarbox.store.sqlite.opening import open_database
from pillarbox.store.sqlite.schema import MIGRATIONS
from support.storekit import ALL

OPTIONS = Options(switch_interval=None)

VERSION_1 = """
INSERT INTO domain VALUES ('example.org', '');
INSERT INTO account VALUES (1, 'ann@example.org', 9, 10, 500, 'delete', 1, 'IDLE', 'Ann');
INSERT INTO mailbox VALUES (1, 1, 'INBOX', 5, 3, 9, 1, 1, 2, 2, 0, 10, 0, '', '');
INSERT INTO mailbox VALUES (1, 2, 'Sent', 6, 2, 9, 1, 1, 1, 1, 0, 5, 0, '\\Sent', '');
INSERT INTO blob VALUES (1, 2, 5, 0, ''), (2, 1, 5, 0, '');
INSERT INTO facts VALUES (1, x'', x'', x'', x'', x'', x''), (2, x'', x'', x'', x'', x'', x'');
INSERT INTO body VALUES (1, x'3132333435'), (2, x'3132333435');
INSERT INTO msg VALUES (1, 1, 1, 9, 0, 0, 0, 0, 5, 1), (1, 1, 2, 9, 0, 0, 0, 0, 5, 2),
    (1, 2, 1, 9, 0, 0, 0, 0, 5, 1);
INSERT INTO counter VALUES ('account', 2), ('mailbox', 3), ('blob', 3), ('item', 1),
    ('uidvalidity', 7);
"""


async def test_from_version_1(tmp_path: Path) -> None:
    old = open_database(tmp_path / "mail.db", OPTIONS, MIGRATIONS[:1])
    old.execute(VERSION_1)
    old.close()
    store = await open_store(tmp_path, options=OPTIONS)
    ann = await store.account_by_address("ann@example.org")
    assert ann is not None
    assert (ann.quota, ann.used, ann.messages, ann.masked) == (500, 10, 3, frozenset({"IDLE"}))
    assert (ann.max_messages, ann.max_mailboxes, ann.admin) == (0, 0, False)
    assert (ann.forward, ann.keep_copy, ann.hour_limit, ann.day_limit) == ((), True, 0, 0)
    threads = [
        row
        for box in await store.mailboxes(ann.id)
        async for batch in store.rows(ann.id, box.id, ALL, [Column.BLOB, Column.THREAD])
        for row in batch
    ]
    assert threads == [(1, -1), (2, -2), (1, -1)]
    assert await store.access_lists(ann.id) == {}
    await store.close()


def test_stories_of_before_are_found_by_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    old = open_database(path, OPTIONS, MIGRATIONS[:9])  # the last with pages of 4,096 stories
    rows = [(story >> 12, key, story) for story in (1, 300, 9000) for key in (7, story)]
    old.executemany("INSERT INTO story_key VALUES (?, ?, ?)", rows)
    old.close()
    db = open_database(path, OPTIONS)
    assert db.execute(journal.FIND, (7, 10)).fetchall() == [(9000,), (300,), (1,)]
    follows = (9001 >> journal.PAGE, 7, 9001)
    db.execute("INSERT INTO story_key VALUES (?, ?, ?)", follows)
    assert db.execute(journal.FIND, (7, 2)).fetchall() == [(9001,), (9000,)]
    assert db.execute(journal.FIND, (300, 2)).fetchall() == [(300,)]
    plan = [step for *_, step in db.execute(f"EXPLAIN QUERY PLAN {journal.FIND}", (7, 2))]
    assert not [step for step in plan if step.startswith("SCAN k") or "SCAN story_key" in step]
    db.close()


def test_what_began_after_a_story_is_found_from_there_on(tmp_path: Path) -> None:
    db = open_database(tmp_path / "mail.db", OPTIONS)
    assert not journal.began_after(db, 7, 0)
    rows = [(story >> journal.PAGE, 7, story) for story in (300, 301, 9000)]
    db.executemany("INSERT INTO story_key VALUES (?, ?, ?)", [*rows, (90, 8, 23_040)])
    found = {after: journal.began_after(db, 7, after) for after in (0, 299, 300, 301, 8999, 9000)}
    assert found == {0: True, 299: True, 300: True, 301: True, 8999: True, 9000: False}
    assert not journal.began_after(db, 9, 0)
    assert not journal.began_after(db, 7, 1 << 40)  # so far the journal has not come
    db.close()


def test_only_what_lies_between_is_looked_through(tmp_path: Path) -> None:
    db = open_database(tmp_path / "mail.db", OPTIONS)
    late = 20_000 << journal.PAGE
    rows = [(story >> journal.PAGE, 7, story) for story in (5, late)]
    db.executemany("INSERT INTO story_key VALUES (?, ?, ?)", rows)
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return False

    db.set_progress_handler(step, 100)
    assert journal.began_after(db, 7, 1)
    assert journal.began_after(db, 7, late - 1000)
    assert steps < 20
    assert journal.began_after(db, 7, 5)
    assert steps > 1000  # from one end to the other: the measure measures
    db.close()


EXPUNGED = """
UPDATE blob SET refs = refs + 2 WHERE id = 1;
UPDATE blob SET refs = refs + 3 WHERE id = 2;
INSERT INTO retained VALUES
    (1, 1, 7, 'INBOX', 257, 'word', 100, 60, 5, 1, 1000, 'pop3 ann'),
    (1, 1, 8, 'INBOX', 0, 'word', 200, 0, 5, 2, 1000, 'pop3 ann'),
    (1, 1, 9, 'INBOX', 1, 'word more', 300, 0, 5, 2, 1000, 'pop3 ann'),
    (1, 2, 7, 'Sent', 0, '', 400, 0, 5, 1, 2000, ''),
    (1, 9, 1, 'gone', 0, '', 500, 0, 5, 2, 3000, 'imap x');
"""


async def test_what_was_expunged_before_can_still_be_brought_back(tmp_path: Path) -> None:
    old = open_database(tmp_path / "mail.db", OPTIONS, MIGRATIONS[:1])
    old.execute(VERSION_1)
    old.close()
    old = open_database(tmp_path / "mail.db", OPTIONS, MIGRATIONS[:9])
    old.execute(EXPUNGED)
    old.close()
    store = await open_store(tmp_path, options=OPTIONS)
    kept = await store.retained(1)
    one = Retained(1, 1, "INBOX", 7, 1000, 5, 1, b"", "pop3 ann")
    assert kept == [
        one,
        replace(one, uid=8, blob=2),
        replace(one, uid=9, blob=2),
        Retained(1, 2, "Sent", 7, 2000, 5, 1, b"", ""),
        Retained(1, 9, "gone", 1, 3000, 5, 2, b"", "imap x"),
    ]
    done = await store.undelete(1, kept[:3], 2)
    assert isinstance(done, Copied)
    assert list(done.source) == [7, 8, 9]
    columns = [Column.UID, Column.INTERNALDATE, Column.ZONE, Column.BLOB]
    rows = [row async for batch in store.rows(1, 2, ALL, columns) for row in batch]
    assert rows[1:] == [(2, 100, 60, 1), (3, 200, 0, 2), (4, 300, 0, 2)]
    loaded = await store.load(1, 2)
    assert loaded is not None
    assert set(loaded.box.keywords) <= {"word", "more"}
    assert [bits & 1 for bits in loaded.flags] == [0, 1, 0, 1]
    assert [bool(bits >> 8) for bits in loaded.flags] == [False, True, False, False]
    assert await store.retained(1) == kept[3:]
    assert await store.purge(2500, 0) == 0  # the message is somewhere else, too
    assert await store.retained(1) == kept[4:]
    assert [one for one in (await store.audit()).findings if one.kind == "references"] == []
    await store.close()
