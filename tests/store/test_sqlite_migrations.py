"""Older databases, with something in them, as the newest program sees them."""

from __future__ import annotations

from pathlib import Path

from pillarbox.store.api import Column
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
