"""What accounts taught their filters: rows."""

from __future__ import annotations

import json
from collections.abc import Collection

from pillarbox.store import learned
from pillarbox.store.learned import Taught
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_GIVEN = "(SELECT value FROM json_each(?))"
_COUNTS = f"SELECT word, junk, good FROM lore_word WHERE account = ? AND word IN {_GIVEN}"
_KNOWN = f"SELECT count(*) FROM lore_word WHERE account = ? AND word IN {_GIVEN}"
_LESSONS = f"SELECT message, junk FROM lesson WHERE account = ? AND message IN {_GIVEN}"
_COME = """
    INSERT INTO lore_word SELECT ?, value, ?, ?, ? FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET junk = junk + excluded.junk, good = good + excluded.good,
    seen = excluded.seen
"""
_GO = f"""
    UPDATE lore_word SET junk = max(0, junk - ?), good = max(0, good - ?)
    WHERE account = ? AND word IN {_GIVEN}
"""
_EMPTY = f"DELETE FROM lore_word WHERE account = ? AND junk = 0 AND good = 0 AND word IN {_GIVEN}"
_RARE = """
    DELETE FROM lore_word WHERE account = ?1 AND word IN
    (SELECT word FROM lore_word WHERE account = ?1 ORDER BY junk + good, seen, word LIMIT ?2)
"""
_OLD = """
    DELETE FROM lesson WHERE account = ?1 AND message IN
    (SELECT message FROM lesson WHERE account = ?1 ORDER BY number DESC LIMIT -1 OFFSET ?2)
"""
_NEXT = "SELECT ifnull(max(number), 0) + 1 FROM lesson WHERE account = ?"


class SqliteLearned:
    """See ``learned.Learned``."""

    reader: Reader
    writer: WriteLane

    async def taught(self, account: int) -> Taught:
        row = self.reader.row("SELECT junk, good, words FROM lore WHERE account = ?", (account,))
        return Taught(*row) if row else Taught()

    async def lessons(self, account: int, messages: Collection[int]) -> dict[int, bool]:
        rows = self.reader.all(_LESSONS, (account, json.dumps(list(messages))))
        return {message: bool(junk) for message, junk in rows}

    async def word_counts(self, account: int, words: Collection[int]) -> dict[int, tuple[int, int]]:
        rows = self.reader.all(_COUNTS, (account, json.dumps(list(words))))
        return {word: (junk, good) for word, junk, good in rows}

    async def learn(
        self, account: int, message: int, junk: bool | None, words: Collection[int]
    ) -> bool:
        given = json.dumps(list(set(words)))
        return await self.writer.do(
            lambda tx: _learn(tx, account, message, junk, given), aside=True
        )

    async def forget_taught(self, account: int) -> None:
        await self.writer.do(lambda tx: _forget(tx, account), aside=True)


def _learn(tx: Tx, account: int, message: int, junk: bool | None, given: str) -> bool:
    row = tx.one("SELECT junk FROM lesson WHERE account = ? AND message = ?", (account, message))
    before = None if row is None else bool(row[0])
    if before == junk or tx.home(account) is None:
        return False
    held = tx.one("SELECT junk, good, words FROM lore WHERE account = ?", (account,))
    of_junk, of_good, words = held or (0, 0, 0)
    if before is not None:
        tx.db.execute(_GO, (before, not before, account, given))
        of_junk, of_good = max(0, of_junk - before), max(0, of_good - (not before))
        tx.db.execute("DELETE FROM lesson WHERE account = ? AND message = ?", (account, message))
    if junk is not None:
        words += len(json.loads(given)) - _number(tx, _KNOWN, (account, given))
        tx.db.execute(_COME, (account, int(junk), int(not junk), int(tx.now), given))
        of_junk, of_good = of_junk + junk, of_good + (not junk)
        lesson = (account, message, int(junk), _number(tx, _NEXT, (account,)))
        tx.db.execute("INSERT INTO lesson VALUES (?, ?, ?, ?)", lesson)
        tx.db.execute(_OLD, (account, learned.MAX_LESSONS))
    tx.db.execute(_EMPTY, (account, given))
    words -= tx.db.changes()
    if words > learned.MAX_WORDS:
        tx.db.execute(_RARE, (account, words - learned.MAX_WORDS * 9 // 10))
        words -= tx.db.changes()
    row = (account, of_junk, of_good, words)
    tx.db.execute("INSERT OR REPLACE INTO lore VALUES (?, ?, ?, ?)", row)
    return True


def _number(tx: Tx, sql: str, values: tuple[object, ...]) -> int:
    row = tx.one(sql, values)
    return int(row[0]) if row else 0


def _forget(tx: Tx, account: int) -> None:
    for table in ("lore", "lore_word", "lesson"):
        tx.db.execute(f"DELETE FROM {table} WHERE account = ?", (account,))
