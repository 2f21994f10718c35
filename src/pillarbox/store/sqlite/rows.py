"""Reading messages: a mailbox whole as arrays, and columns of some messages in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import apsw

from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, Snapshot
from pillarbox.store.blobs.codec import decode
from pillarbox.store.rules import BYTES_BATCH, ROWS_BATCH
from pillarbox.store.sqlite import packed
from pillarbox.store.sqlite.picks import pick
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import BOX_COLUMNS, read_box

_BOX = (
    f"SELECT {BOX_COLUMNS}, EXISTS (SELECT 1 FROM subscription s"
    " WHERE s.account = b.account AND s.name = b.name)"
    " FROM mailbox b WHERE b.account = ? AND b.id = ?"
)
_LOAD = "SELECT uid, modseq, flags FROM msg WHERE account = ? AND mailbox = ? ORDER BY uid"
_RANGES = 500
"""Of a scattered UID set that one statement takes."""

_SMALL = 8192
"""Octets of a row on average up to which a hundred more are read without a look."""

_PLACES = {
    Column.UID: "m.uid",
    Column.SIZE: "m.size",
    Column.INTERNALDATE: "m.internaldate",
    Column.ZONE: "m.zone",
    Column.SAVED: "m.saved",
    Column.BLOB: "m.blob",
    Column.ENVELOPE: "f.envelope",
    Column.BODYSTRUCTURE: "f.bodystructure",
    Column.COMMON: "f.common",
    Column.SCAN: "f.scan",
    Column.KEYS: "f.keys",
    Column.PREVIEW: "f.preview",
    Column.THREAD: "b.thread",
    Column.BODY: "d.data",
}
_LARGE = {column for column, place in _PLACES.items() if place[0] in "fd"}


async def load(reader: Reader, account: int, mailbox: int) -> tuple[Snapshot, bool] | None:
    """All of one mailbox at one modseq, a slice at a time; and whether it should be packed."""
    async with reader.snapshot() as db:
        row = db.execute(_BOX, (account, mailbox)).fetchone()
        if row is None:
            return None
        box = read_box(row[:-1])
        large = box.messages >= reader.options.pack_from
        found = await packed.opened(reader, db, box) if large else None
        all_of, stale = found or (packed.empty(), large)
        if found is None:
            cursor = db.execute(_LOAD, (account, mailbox))
            while await reader.slice(packed.extend, all_of, cursor):
                await reader.breathe()
            cursor.close()
        value = box.value(bool(row[-1]))
        return Snapshot(value, all_of.uids, all_of.modseqs, all_of.flags), stale


async def rows(
    reader: Reader, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
) -> AsyncIterator[list[tuple[object, ...]]]:
    """Batches as ``Mail.rows`` promises; each is a statement of its own, so that a slow client
    holds up nothing."""
    left, columns = uids, tuple(columns)
    first = True
    while left:
        if not first:
            await reader.breathe()
        first = False
        async with reader.snapshot() as db:
            now, later = _split(left)
            batch, last = await reader.slice(_batch, db, account, mailbox, now, columns)
        left = NumSet(_after(now, last).ranges + later.ranges) if last else later
        if batch:
            yield batch


def _split(uids: NumSet) -> tuple[NumSet, NumSet]:
    """So many ranges now, the others later."""
    return NumSet(uids.ranges[:_RANGES]), NumSet(uids.ranges[_RANGES:])


def _after(uids: NumSet, last: int) -> NumSet:
    return NumSet([(max(low, last + 1), high) for low, high in uids.ranges if high > last])


def _batch(
    db: apsw.Connection, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
) -> tuple[list[tuple[object, ...]], int]:
    """Rows up to the bounds, and the last UID of them, 0 when none are left in ``uids``."""
    chosen = pick(uids)
    places = [_PLACES[column] for column in columns]
    tables = ""
    if any(place.startswith("f.") for place in places):
        tables += " CROSS JOIN facts f ON f.blob = m.blob"
    if Column.BODY in columns or Column.THREAD in columns:
        tables += " CROSS JOIN blob b ON b.id = m.blob"
    if Column.BODY in columns:
        tables += " LEFT JOIN body d ON d.blob = m.blob"
        places += ["b.codec", "m.size"]
    if columns[:1] != (Column.UID,):
        places.append("m.uid")
    sql = (
        f"SELECT {', '.join(places)} FROM {chosen.source} msg m{tables}"
        f" WHERE m.account = :account AND m.mailbox = :mailbox {chosen.where} {chosen.order}"
    )
    cursor = db.execute(sql, {"account": account, "mailbox": mailbox, **chosen.values})
    large = [itemgetter(place) for place, column in enumerate(columns) if column in _LARGE]
    piece = 8  # and more once the first show that rows are small
    taken: list[tuple[object, ...]] = []
    octets = last = 0
    while len(taken) < ROWS_BATCH and octets < BYTES_BATCH:
        asked = min(piece, ROWS_BATCH - len(taken))
        some = list(islice(cursor, asked))
        taken += some
        if len(some) < asked:
            break
        for get in large:
            octets += sum(map(len, filter(None, map(get, some))))
        if octets < len(taken) * _SMALL:
            piece = 100
    else:
        last = taken[-1][0 if columns[:1] == (Column.UID,) else -1]  # type: ignore[assignment]
    return _finished(taken, columns), last


def _finished(
    taken: list[tuple[object, ...]], columns: Sequence[Column]
) -> list[tuple[object, ...]]:
    """Without the extra values, and text and bodies as they were given."""
    if Column.BODY in columns or Column.PREVIEW in columns:
        return [tuple(_values(row, columns)) for row in taken]
    count = len(columns)
    return taken if columns[:1] == (Column.UID,) else [row[:count] for row in taken]


def _values(row: Sequence[Any], columns: Sequence[Column]) -> Iterator[object]:
    count = len(columns)
    for column, value in zip(columns, row, strict=False):
        if column is Column.PREVIEW:
            yield value.decode()
        elif column is Column.BODY and value is not None:
            yield decode(row[count], value, row[count + 1])
        else:
            yield value
