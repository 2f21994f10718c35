"""Whether the store holds what it promised, and whether its tables agree with each other.

Reading happens in one snapshot and in threads, so that a running server goes on; while it lasts the
write-ahead log grows. What a repair changes is looked at again inside its own transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw

from pillarbox.model.change import Added
from pillarbox.model.flags import DELETED, SEEN
from pillarbox.model.mailbox import INBOX
from pillarbox.model.numset import NumSet, parse_ranges
from pillarbox.model.story import Story
from pillarbox.store import telling
from pillarbox.store.api import Target
from pillarbox.store.blobs.files import FileBodies
from pillarbox.store.journal import by_trace
from pillarbox.store.ledger import Audited, Lost, Place, check
from pillarbox.store.sqlite import journal
from pillarbox.store.sqlite.accept import MSG, put
from pillarbox.store.sqlite.journal import rows_of
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_PAGE = 500
_RETAINED = (
    "SELECT r.uid FROM removal v CROSS JOIN retained r ON r.removal = v.id"
    " WHERE v.account = ? AND v.mailbox = ?"
)

_USED = """
    WITH used(blob, n) AS (
        SELECT blob, count(*) FROM (
            SELECT blob FROM msg UNION ALL SELECT blob FROM retained UNION ALL
            SELECT blob FROM queue
        ) GROUP BY blob
    )
"""
_REFS = f"""
    {_USED} SELECT b.id, b.refs, coalesce(u.n, 0) FROM blob b LEFT JOIN used u ON u.blob = b.id
    WHERE b.refs <> coalesce(u.n, 0)
"""
_DANGLING = f"{_USED} SELECT u.blob, u.n FROM used u WHERE u.blob NOT IN (SELECT id FROM blob)"
_BODIES = """
    SELECT b.id FROM blob b WHERE b.refs > 0 AND (
        (b.file = '' AND NOT EXISTS (SELECT 1 FROM body o WHERE o.blob = b.id))
        OR (NOT EXISTS (SELECT 1 FROM facts f WHERE f.blob = b.id)
            AND b.id IN (SELECT blob FROM msg UNION ALL SELECT blob FROM retained)))
"""
_FILES = "SELECT id, file, size FROM blob WHERE file <> ''"
_BOXES = f"""
    SELECT b.account, b.id, b.name, m.n, m.unseen, m.deleted, m.size, m.top
    FROM mailbox b LEFT JOIN (
        SELECT account, mailbox, count(*) AS n, sum(flags & {SEEN} = 0) AS unseen,
        sum(flags & {DELETED} <> 0) AS deleted, sum(size) AS size, max(uid) AS top
        FROM msg GROUP BY account, mailbox
    ) m ON m.account = b.account AND m.mailbox = b.id
    WHERE b.messages <> coalesce(m.n, 0) OR b.unseen <> coalesce(m.unseen, 0)
    OR b.deleted <> coalesce(m.deleted, 0) OR b.size <> coalesce(m.size, 0)
    OR b.uidnext <= coalesce(m.top, 0)
"""
_ACCOUNTS = """
    SELECT a.id, a.address, coalesce(m.n, 0), coalesce(m.size, 0) FROM account a LEFT JOIN (
        SELECT account, count(*) AS n, sum(size) AS size FROM msg GROUP BY account
    ) m ON m.account = a.id
    WHERE a.messages <> coalesce(m.n, 0) OR a.used <> coalesce(m.size, 0)
"""
_UNTOLD = (
    "SELECT removal, count(*) FROM retained WHERE removal NOT IN (SELECT id FROM removal)"
    " GROUP BY removal"
)
_TELL = """
    INSERT INTO removal SELECT d.account, d.mailbox, d.id, d.name, coalesce(b.keywords, ''),
    CAST(d.at AS INTEGER), d.by
    FROM deed d LEFT JOIN mailbox b ON b.account = d.account AND b.id = d.mailbox
    WHERE d.id IN (SELECT removal FROM retained) AND d.id NOT IN (SELECT id FROM removal)
"""
_LET_GO = "DELETE FROM retained WHERE removal NOT IN (SELECT id FROM removal)"
_STRAY = "SELECT DISTINCT item FROM recipient WHERE item NOT IN (SELECT id FROM queue)"
_EMPTY = """
    SELECT q.id FROM queue q WHERE q.lease_until = 0 AND NOT EXISTS (
        SELECT 1 FROM recipient r WHERE r.item = q.id
        AND (r.state IN ('due', 'held') OR r.owed <> ''))
"""

_CHECKS = (
    ("references", _REFS, "message {0} counts {1} uses and has {2}"),
    ("dangling", _DANGLING, "message {0} is named {1} times and is not there"),
    ("retained", _UNTOLD, "{1} messages were expunged by {0}, of which nothing is known"),
    ("counters", _BOXES, "mailbox {2} ({1}) of account {0} counts wrong"),
    ("counters", _ACCOUNTS, "account {1} counts wrong"),
    ("queue", _STRAY, "recipients of queue item {0}, which is not there"),
    ("queue", _EMPTY, "queue item {0} waits for nobody"),
)


class SqliteAudit:
    """See ``ledger.Auditor``."""

    reader: Reader
    writer: WriteLane
    files: FileBodies

    async def audit(self, repair: bool = False) -> Audited:
        seen = Audited()
        async with self.reader.snapshot() as db:
            await self.reader.aside(_database, db, seen)
            lost: list[Lost] = []
            present = _Present(db)
            after = 0
            while True:
                page = await self.reader.aside(_page, db, after)
                if not page:
                    break
                lost += await self.reader.aside(_ledger, page, present, seen)
                after = page[-1].id
            agreed = await self.reader.aside(_disagreements, db)
            missing = await self.reader.aside(_missing, db, self.files)
        for one in lost:
            seen.found("lost", one.text, repair and await self._put_back(one))
        for blob, text in missing:
            if self.reader.row("SELECT 1 FROM blob WHERE id = ?", (blob,)):  # not meanwhile gone
                seen.found("content", text)
        if repair and agreed:
            await self.writer.do(_repair, aside=True)
        for kind, text in agreed:
            seen.found(kind, text, repair and kind != "dangling")
        return seen

    async def _put_back(self, lost: Lost) -> bool:
        return await self.writer.do(lambda tx: _put_back(tx, lost))


# ---------------------------------------------------------------------------- reading


def _database(db: apsw.Connection, seen: Audited) -> None:
    rows: Iterable[Any] = db.execute("PRAGMA quick_check(20)")
    for (text,) in rows:
        if text != "ok":
            seen.found("database", text)


def _page(db: apsw.Connection, after: int) -> list[Story]:
    numbers: list[Any] = db.execute(
        "SELECT DISTINCT story FROM story WHERE story > ? ORDER BY story LIMIT ?", (after, _PAGE)
    ).fetchall()
    return [
        Story(number, tuple(telling.entries(row[1:] for row in rows_of(db, number))))
        for (number,) in numbers
    ]


def _ledger(page: list[Story], present: _Present, seen: Audited) -> list[Lost]:
    lost = []
    for story in page:
        taken = False
        for end in check(story, present):
            taken = True
            if isinstance(end, Lost):
                lost.append(end)
            else:
                seen.ends[end] += 1
        seen.messages += taken
    return lost


class _Present:
    """See ``ledger.Facts``; one snapshot."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._left: dict[tuple[int, int], NumSet] = {}
        self._retained: dict[tuple[int, int], NumSet] = {}
        self._gone: dict[int, bool] = {}

    def lies(self, place: Place) -> bool:
        there = "SELECT 1 FROM msg WHERE account = ? AND mailbox = ? AND uid = ?"
        if self._any(there, place):
            return True
        account, mailbox, uid = place
        key = (account, mailbox)
        if key not in self._retained:
            rows: Iterable[Any] = self._db.execute(_RETAINED, key)
            self._retained[key] = NumSet.of(found for (found,) in rows)
        return uid in self._retained[key]

    def left(self, place: Place) -> bool:
        account, mailbox, uid = place
        if account not in self._gone:
            removed = "SELECT 1 FROM deed WHERE account = ? AND mailbox = ?"
            self._gone[account] = self._any(removed, (account, telling.GONE_WITH_ACCOUNT))
        if self._gone[account]:
            return True
        key = (account, mailbox)
        if key not in self._left:
            self._left[key] = NumSet.merge(self._ranges(key))
        return uid in self._left[key]

    def _ranges(self, key: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """UIDs that a deed or a tombstone speaks of."""
        yield from self._db.execute(
            "SELECT low, high FROM tombstone WHERE account = ? AND mailbox = ?", key
        )
        deeds: Iterable[Any] = self._db.execute(
            "SELECT uids FROM deed WHERE account = ? AND mailbox = ?"
            " AND kind IN ('moved', 'expunged', 'deleted')",
            key,
        )
        for (uids,) in deeds:
            yield from parse_ranges(uids, 1 << 30) or ()

    def waits(self, item: int, number: int) -> bool:
        return self._any(
            "SELECT 1 FROM recipient WHERE item = ? AND number = ?"
            " AND (state IN ('due', 'held') OR owed <> '')",
            (item, number),
        )

    def known(self, trace: str, after: int) -> bool:
        return journal.began_after(self._db, by_trace(trace), after)

    def _any(self, sql: str, values: tuple[Any, ...]) -> bool:
        return self._db.execute(sql, values).fetchone() is not None


def _disagreements(db: apsw.Connection) -> list[tuple[str, str]]:
    """What does not agree, by kind; all but what dangles can be put right."""
    return [
        (kind, words.format(*row))
        for kind, sql, words in _CHECKS
        for row in db.execute(sql).fetchall()
    ]


def _missing(db: apsw.Connection, files: FileBodies) -> list[tuple[int, str]]:
    """Messages without their bytes."""
    rows: Any
    found = [(row[0], f"message {row[0]} has lost its content") for row in db.execute(_BODIES)]
    for rows in db.execute(_FILES):
        blob, name, size = rows
        path = files.path(name)
        has = _size(path)
        if has != size:
            what = "is not there" if has is None else f"has {has} octets instead of {size}"
            found.append((blob, f"message {blob}: {path} {what}"))
    return found


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


# ---------------------------------------------------------------------------- repairing


def _put_back(tx: Tx, lost: Lost) -> bool:
    """Deliver a lost copy again, if the message itself is still there."""
    if lost.place is None:
        return False
    account, mailbox, uid = lost.place
    row = tx.one("SELECT size FROM blob WHERE id = ?", (lost.blob,))
    home = tx.home(account)
    if row is None or home is None:
        return False
    if tx.one("SELECT 1 FROM msg WHERE account = ? AND mailbox = ? AND uid = ?", lost.place):
        return True
    box = tx.box(account, mailbox)
    if box is None:
        inbox = tx.one("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, INBOX))
        box = tx.box(account, inbox[0]) if inbox else None
    if box is None:
        return False
    home.used += row[0]
    home.messages += 1
    box.uidnext = max(box.uidnext, uid + 1)
    target = Target(account, box.id, internaldate=int(tx.now))
    _, new, added = put(tx, home, box, target, lost.blob, row[0])
    tx.db.execute(MSG, added)
    tx.db.execute("UPDATE blob SET refs = refs + 1 WHERE id = ?", (lost.blob,))
    journal.put_back(tx, lost.place, box, new.uid)
    tx.save(home, box)
    tx.changes.append(Added(account, box.id, home.modseq, [new], tuple(box.keywords)))
    return True


def _repair(tx: Tx) -> None:
    """Put right all that can be, as it is at this moment."""
    for (item,) in tx.all(_STRAY):
        tx.db.execute("DELETE FROM recipient WHERE item = ?", (item,))
    for (item,) in tx.all(_EMPTY):
        tx.db.execute("DELETE FROM queue WHERE id = ?", (item,))
        tx.db.execute("DELETE FROM recipient WHERE item = ?", (item,))
    # What was expunged is known by its deed once more; with that forgotten, its time is over.
    tx.db.execute(_TELL)
    tx.db.execute(_LET_GO)
    for blob, _, used in tx.all(_REFS):
        tx.db.execute("UPDATE blob SET refs = ? WHERE id = ?", (used + (not used), blob))
        if not used:
            tx.release([blob])
    for account, box, _, count, unseen, deleted, size, top in tx.all(_BOXES):
        tx.db.execute(
            "UPDATE mailbox SET messages = ?, unseen = ?, deleted = ?, size = ?,"
            " uidnext = max(uidnext, ?) WHERE account = ? AND id = ?",
            (count or 0, unseen or 0, deleted or 0, size or 0, (top or 0) + 1, account, box),
        )
    for account, _, count, size in tx.all(_ACCOUNTS):
        tx.db.execute(
            "UPDATE account SET messages = ?, used = ? WHERE id = ?", (count, size, account)
        )
    tx.forget_all = True
