"""What accounts taught their filters: rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from pillarbox.store import learned
from pillarbox.store.learned import Lesson, Taught
from pillarbox.store.sqlite.cache import Cache
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_GIVEN = "(SELECT value FROM json_each(?))"
_COUNTS = f"SELECT word, junk, good FROM lore_word WHERE account = ? AND word IN {_GIVEN}"
_KNOWN = f"SELECT count(*) FROM lore_word WHERE account = ? AND word IN {_GIVEN}"
_LESSONS = f"SELECT message, junk FROM lesson WHERE account = ? AND message IN {_GIVEN}"
_COUNT = """
    INSERT INTO lore_word VALUES (?1, ?2, max(0, ?3), max(0, ?4), ?5) ON CONFLICT DO UPDATE
    SET junk = max(0, junk + ?3), good = max(0, good + ?4), seen = ?5
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
_UNLEARN = "DELETE FROM lesson WHERE account = ? AND message = ?"
_LORE = "SELECT junk, good, words FROM lore WHERE account = ?"
_NEXT = "SELECT ifnull(max(number), 0) FROM lesson WHERE account = ?"


class SqliteLearned:
    """See ``learned.Learned``."""

    reader: Reader
    writer: WriteLane
    cache: Cache

    async def taught(self, account: int) -> Taught:
        return self.cache.taught.of(account, self._taught)

    def _taught(self, account: int) -> Taught:
        row = self.reader.row(_LORE, (account,))
        return Taught(*row) if row else Taught()

    async def lessons(self, account: int, messages: Collection[int]) -> dict[int, bool]:
        rows = self.reader.all(_LESSONS, (account, json.dumps(list(messages))))
        return {message: bool(junk) for message, junk in rows}

    async def word_counts(self, account: int, words: Collection[int]) -> dict[int, tuple[int, int]]:
        rows = self.reader.all(_COUNTS, (account, json.dumps(list(words))))
        return {word: (junk, good) for word, junk, good in rows}

    async def learn(self, account: int, lessons: Sequence[Lesson]) -> int:
        return await self.writer.do(lambda tx: _learn(tx, account, lessons), aside=True)

    async def forget_taught(self, account: int) -> None:
        await self.writer.do(lambda tx: _forget(tx, account), aside=True)


def _learn(tx: Tx, account: int, lessons: Sequence[Lesson]) -> int:
    if tx.home(account) is None:
        return 0
    messages = json.dumps([lesson.message for lesson in lessons])
    known = {message: bool(junk) for message, junk in tx.all(_LESSONS, (account, messages))}
    of_junk, of_good, words = tx.one(_LORE, (account,)) or (0, 0, 0)
    number = _number(tx, _NEXT, (account,))
    counts: dict[int, list[int]] = {}
    news = 0
    for lesson in lessons:
        message, junk, before = lesson.message, lesson.junk, known.get(lesson.message)
        if before == junk:
            continue
        news += 1
        more_junk = (junk is True) - (before is True)
        more_good = (junk is False) - (before is False)
        of_junk, of_good = max(0, of_junk + more_junk), max(0, of_good + more_good)
        for word in set(lesson.words):
            count = counts.setdefault(word, [0, 0])
            count[0] += more_junk
            count[1] += more_good
        if junk is None:
            tx.db.execute(
                "DELETE FROM lesson WHERE account = ? AND message = ?", (account, message)
            )
            del known[message]
        else:
            row = (account, message, int(junk), number + news)
            tx.db.execute("INSERT OR REPLACE INTO lesson VALUES (?, ?, ?, ?)", row)
            known[message] = junk
    if not news:
        return 0
    tx.db.execute(_OLD, (account, learned.MAX_LESSONS))
    words = _bounded(tx, account, words + _count(tx, account, counts))
    lore = (account, of_junk, of_good, words)
    tx.db.execute("INSERT OR REPLACE INTO lore VALUES (?, ?, ?, ?)", lore)
    tx.learned.add(account)
    return news


def _count(tx: Tx, account: int, counts: dict[int, list[int]]) -> int:
    """Add to what is known of words; how many more words are known then."""
    given = json.dumps(list(counts))
    more = len(counts) - _number(tx, _KNOWN, (account, given))
    # In the order of the table: words that many messages share are written once.
    rows = [(account, word, *counts[word], int(tx.now)) for word in sorted(counts)]
    tx.db.executemany(_COUNT, rows)
    tx.db.execute(_EMPTY, (account, given))
    return more - tx.db.changes()


def _bounded(tx: Tx, account: int, words: int) -> int:
    """So many words are known; how many once the rarest went, if those were too many."""
    if words <= learned.MAX_WORDS:
        return words
    tx.db.execute(_RARE, (account, words - learned.MAX_WORDS * 9 // 10))
    return words - tx.db.changes()


def _number(tx: Tx, sql: str, values: tuple[object, ...]) -> int:
    row = tx.one(sql, values)
    return int(row[0]) if row else 0


def _forget(tx: Tx, account: int) -> None:
    tx.learned.add(account)
    for table in ("lore", "lore_word", "lesson"):
        tx.db.execute(f"DELETE FROM {table} WHERE account = ?", (account,))
