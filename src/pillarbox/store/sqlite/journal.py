"""The journal's rows.

Rows of one story lie together, and stories in the order in which they began, so that what is new
is written at one end. Keys are hashes; they lie by pages of stories, so that those of new mail
come together too instead of all over a large index, and a search looks into every page once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

from pillarbox.model.numset import NumSet, parse_ranges
from pillarbox.model.story import Entry, Event, Refused, Story
from pillarbox.store import rules, telling
from pillarbox.store.journal import MAX_REFUSED
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Box, Tx
from pillarbox.store.sqlite.writer import WriteLane

PAGE = 8
"""Bits of a story's number that are not its page's: keys of so many stories fill a few pages of the
file, so those of one commit meet there (decision 0092)."""
_STEP = 1000
"""Stories a transaction forgets, so that deliveries get their turn between two."""
_FOLLOWED = 1000
"""Moves and deletions that are told of one message."""

_ADD = "INSERT INTO story VALUES (?, ?, ?, ?, ?)"
_KEY = "INSERT OR IGNORE INTO story_key VALUES (?, ?, ?)"
_UNKEY = "DELETE FROM story_key WHERE page = ? AND key = ? AND story = ?"
_DEED = "INSERT INTO deed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
FIND = """
    WITH RECURSIVE page(n, least) AS (
        SELECT (SELECT max(page) FROM story_key), (SELECT min(page) FROM story_key)
        UNION ALL SELECT n - 1, least FROM page WHERE n > least
    )
    SELECT k.story FROM page CROSS JOIN story_key k ON k.page = page.n AND k.key = ?
    ORDER BY k.page DESC, k.story DESC LIMIT ?
"""
_AFTER = """
    WITH RECURSIVE page(n, last) AS (
        SELECT ?, (SELECT max(page) FROM story_key)
        UNION ALL SELECT n + 1, last FROM page WHERE n < last
    )
    SELECT 1 FROM page CROSS JOIN story_key k ON k.page = page.n AND k.key = ? AND k.story > ?
"""
_ROWS = "SELECT entry, at, kind, told FROM story WHERE story = ? ORDER BY entry"
_DEEDS = (
    "SELECT id, at, kind, account, mailbox, name, uids, by, to_account, to_mailbox, to_name,"
    " to_uid FROM deed WHERE account = ? AND mailbox IN (?, 0) AND id > ? ORDER BY id"
)
_OLD = (
    "SELECT DISTINCT story FROM story WHERE story < ? AND story NOT IN"
    " (SELECT story FROM queue) ORDER BY story LIMIT ?"
)
_BOUND = "SELECT story FROM story WHERE entry = story AND at >= ? ORDER BY story LIMIT 1"
_REFUSED = (
    "SELECT story FROM story INDEXED BY story_refused WHERE kind = 'refused'"
    " ORDER BY story DESC LIMIT ? OFFSET ?"
)


# ---------------------------------------------------------------------------- writing


def begin(tx: Tx, events: Sequence[Event]) -> int:
    """A new story with these events; its number."""
    story = tx.ids.take(tx.db, "story")
    word, text = telling.freeze(events[0])
    tx.db.execute(_ADD, (story, story, tx.now, word, text))
    if len(events) > 1:
        add(tx, story, events[1:])
    keys = {key for event in events for key in telling.keys_of(event)}
    tx.db.executemany(_KEY, [(story >> PAGE, key, story) for key in keys])
    return story


def add(tx: Tx, story: int, events: Sequence[Event]) -> None:
    """More of a story. One that began before there were stories (0) is not told."""
    if story:
        rows = [
            (story, tx.ids.take(tx.db, "story"), tx.now, *telling.freeze(event)) for event in events
        ]
        tx.db.executemany(_ADD, rows)


def key(tx: Tx, story: int, added: int) -> None:
    """One more thing the story is found by."""
    if story:
        tx.db.execute(_KEY, (story >> PAGE, added, story))


def deed(
    tx: Tx, kind: str, box: Box, uids: NumSet, by: str, to: Box | None = None, first: int = 0
) -> int:
    """What an operation did to messages of a mailbox; see ``telling.Deed``. Its number."""
    target = (to.account, to.id, to.name, first) if to is not None else (0, 0, "", 0)
    return _write(tx, (kind, box.account, box.id, box.name), uids, by, target)


def restored(
    tx: Tx,
    account: int,
    places: Sequence[tuple[int, int]],
    to: Box,
    targets: Sequence[int],
    by: str,
) -> None:
    """Expunged messages came back: (mailbox, UID) each, and the UID it became."""
    for run in rules.runs(places):
        mailbox, _ = places[run[0]]
        _write(
            tx,
            ("restored", account, mailbox, ""),
            NumSet.of(places[n][1] for n in run),
            by,
            (to.account, to.id, to.name, targets[run[0]]),
        )


def put_back(tx: Tx, place: telling.Place, to: Box, uid: int) -> None:
    """A message that had fallen out of its mailbox was delivered again."""
    account, mailbox, lost = place
    target = (to.account, to.id, to.name, uid)
    _write(tx, ("moved", account, mailbox, to.name), NumSet.of([lost]), "an audit", target)


def account_removed(tx: Tx, account: int, address: str) -> None:
    """All its mailboxes went."""
    where = ("deleted", account, telling.GONE_WITH_ACCOUNT, address)
    _write(tx, where, NumSet(), "", (0, 0, "", 0))


def _write(
    tx: Tx,
    what: tuple[str, int, int, str],
    uids: NumSet,
    by: str,
    target: tuple[int, int, str, int],
) -> int:
    kind, account, mailbox, name = what
    number = tx.ids.take(tx.db, "story")
    tx.db.execute(_DEED, (account, mailbox, number, tx.now, kind, name, str(uids), by, *target))
    return number


# ---------------------------------------------------------------------------- reading


class SqliteJournal:
    """See ``journal.Journal``."""

    reader: Reader
    writer: WriteLane

    async def note(self, key: int, events: Sequence[Event]) -> bool:
        def run(tx: Tx) -> bool:
            row = tx.one(FIND, (key, 1))
            if row is None:
                return False
            add(tx, row[0], events)
            return True

        return await self.writer.do(run)

    async def refused(self, refusals: Sequence[Refused]) -> None:
        def run(tx: Tx) -> None:
            for refusal in refusals:
                begin(tx, (refusal,))

        await self.writer.do(run)

    async def stories(self, key: int, limit: int = 20) -> list[Story]:
        async with self.reader.snapshot() as db:
            numbers: list[Any] = await self.reader.aside(  # a seek for each page there is
                lambda: db.execute(FIND, (key, max(limit, 0))).fetchall()
            )
            return [await self.reader.slice(_story, db, number) for (number,) in numbers]

    async def stories_after(self, after: int, limit: int = 200) -> list[Story]:
        def read() -> list[Story]:
            numbers: list[Any] = db.execute(
                "SELECT DISTINCT story FROM story WHERE story > ? ORDER BY story LIMIT ?",
                (after, limit),
            ).fetchall()
            return [
                Story(number, tuple(telling.entries(row[1:] for row in rows_of(db, number))))
                for (number,) in numbers
            ]

        async with self.reader.snapshot() as db:
            return await self.reader.slice(read)

    async def forget(self, before: float) -> int:
        def old(tx: Tx) -> Sequence[Any]:
            bound = tx.one(_BOUND, (before,))
            return tx.all(_OLD, (bound[0] if bound else 1 << 62, _STEP))

        count = await self._forget(old)
        count += await self._forget(lambda tx: tx.all(_REFUSED, (_STEP, MAX_REFUSED)))
        await self.writer.do(lambda tx: _forget_deeds(tx, before), aside=True)
        return count

    async def _forget(self, chosen: Callable[[Tx], Sequence[Any]]) -> int:
        count = 0
        while True:
            some = await self.writer.do(lambda tx: _drop(tx, chosen(tx)), aside=True)
            count += some
            if some < _STEP:
                return count


def began_after(db: apsw.Connection, key: int, story: int) -> bool:
    """Whether one with this key began after another story. Looks from that one's page on, so what
    follows soon is found soon, however long the journal is."""
    return db.execute(_AFTER, (story >> PAGE, key, story)).fetchone() is not None


def rows_of(db: apsw.Connection, story: int) -> list[tuple[int, float, str, str]]:
    """(entry, at, kind, text) of one story, in order."""
    rows: list[Any] = db.execute(_ROWS, (story,)).fetchall()
    return rows


def _story(db: apsw.Connection, number: int) -> Story:
    """A story, with what users did to the mail it led to."""
    told: list[tuple[int, Entry]] = []
    leads: list[tuple[telling.Place, int]] = []
    for row, at, word, text in rows_of(db, number):
        event = telling.thaw(word, text)
        if event is not None:
            told.append((row, Entry(at, event)))
            leads += [(place, row) for place in telling.places_of(event)]
    while leads and len(told) < _FOLLOWED:
        (account, mailbox, uid), since = leads.pop()
        for one in _deeds(db, account, mailbox, since):
            if one.uids and uid not in one.uids:
                continue
            event, place = telling.told(one, uid)
            told.append((one.id, Entry(one.at, event)))
            if place is not None:
                leads.append((place, one.id))
    told.sort(key=lambda pair: pair[0])
    return Story(number, tuple(entry for _, entry in told))


def _deeds(db: apsw.Connection, account: int, mailbox: int, since: int) -> Iterable[telling.Deed]:
    rows: Iterable[Any] = db.execute(_DEEDS, (account, mailbox, since))
    for id_, at, kind, owner, box, name, uids, by, *to in rows:
        ranges = NumSet(parse_ranges(uids, 1 << 30) or ()) if uids else NumSet()
        yield telling.Deed(id_, at, kind, owner, box, name, ranges, by, *to)


def _drop(tx: Tx, numbers: Sequence[Any]) -> int:
    """Stories with what they are found by."""
    keys = []
    for (number,) in numbers:
        for entry in telling.entries(row[1:] for row in rows_of(tx.db, number)):
            keys += [(number >> PAGE, key, number) for key in telling.keys_of(entry.event)]
    tx.db.executemany(_UNKEY, keys)
    tx.db.executemany("DELETE FROM story WHERE story = ?", numbers)
    return len(numbers)


def _forget_deeds(tx: Tx, before: float) -> None:
    tx.db.execute("DELETE FROM deed WHERE at < ?", (before,))
