"""Reading messages: a mailbox whole as arrays, and columns of some messages in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import apsw

from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, Snapshot
from pillarbox.store.blobs.codec import Folded, decode_all
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
_BODIES = 384 * 1024
"""Octets of a batch with bodies, unfolded: ``_AHEAD`` more are on their way beside it."""
_AHEAD = 2
"""Batches that threads unfold while whoever reads is busy with the one before."""
_HANDFUL = 256 * 1024
"""Octets of bodies that are unfolded on the loop, within a millisecond: handing them to a thread
and back costs a client that waits for them more (POP3, which reads so much ahead)."""

_CODEC, _SIZE = 0, 1
"""Behind the columns asked for, where bodies are among them."""

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
    Column.FOLDED: "d.data",
}
_OF_BODIES = {Column.BODY, Column.FOLDED}
_MADE = {Column.PREVIEW, *_OF_BODIES}
_FACTS = {column for column, place in _PLACES.items() if place[0] == "f"}


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


Row = tuple[Any, ...]


async def rows(
    reader: Reader, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
) -> AsyncIterator[list[tuple[object, ...]]]:
    """Batches as ``Mail.rows`` promises. Bodies are unfolded by threads, so that some are on their
    way while those before them are sent."""
    columns = tuple(columns)
    coming: deque[asyncio.Future[list[Row]]] = deque()
    try:
        async for batch in _read(reader, account, mailbox, uids, columns):
            if Column.BODY not in columns or (not coming and _unfolded(batch, columns) <= _HANDFUL):
                yield _finished(batch, columns)
                continue
            coming.append(asyncio.ensure_future(reader.aside(_finished, batch, columns)))
            if len(coming) > _AHEAD:
                yield await coming.popleft()
        while coming:
            yield await coming.popleft()
    finally:
        for job in coming:
            job.cancel()
            job.add_done_callback(_unasked)


def _unasked(job: asyncio.Future[list[Row]]) -> None:
    """Nobody waits for it any more: that it may have failed is no news."""
    if not job.cancelled():
        job.exception()


async def _read(
    reader: Reader, account: int, mailbox: int, uids: NumSet, columns: tuple[Column, ...]
) -> AsyncIterator[list[Row]]:
    """Batches with what ``_finished`` needs behind; each is a statement of its own, so that a
    slow client holds up nothing."""
    left = uids
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
) -> tuple[list[Row], int]:
    """Rows up to the bounds, and the last UID of them, 0 when none are left in ``uids``."""
    chosen = pick(uids)
    places = [_PLACES[column] for column in columns]
    tables = ""
    if any(place.startswith("f.") for place in places):
        tables += " CROSS JOIN facts f ON f.blob = m.blob"
    bodies = not _OF_BODIES.isdisjoint(columns)
    if bodies or Column.THREAD in columns:
        tables += " CROSS JOIN blob b ON b.id = m.blob"
    if bodies:
        tables += " LEFT JOIN body d ON d.blob = m.blob"
        places += ["b.codec", "m.size"]
    if columns[:1] != (Column.UID,):
        places.append("m.uid")
    sql = (
        f"SELECT {', '.join(places)} FROM {chosen.source} msg m{tables}"
        f" WHERE m.account = :account AND m.mailbox = :mailbox {chosen.where} {chosen.order}"
    )
    cursor = db.execute(sql, {"account": account, "mailbox": mailbox, **chosen.values})
    large = [itemgetter(place) for place, column in enumerate(columns) if column in _FACTS]
    bound = _BODIES if Column.BODY in columns else BYTES_BATCH
    piece = 8  # and more once the first show that rows are small
    taken: list[Row] = []
    octets = last = 0
    while len(taken) < ROWS_BATCH and octets < bound:
        asked = min(piece, ROWS_BATCH - len(taken))
        some = list(islice(cursor, asked))
        taken += some
        if len(some) < asked:
            break
        for get in large:
            octets += sum(map(len, filter(None, map(get, some))))
        octets += _unfolded(some, columns)
        if octets < len(taken) * _SMALL:
            piece = 100
    else:
        last = taken[-1][0 if columns[:1] == (Column.UID,) else -1]
    return taken, last


def _unfolded(batch: Sequence[Row], columns: Sequence[Column]) -> int:
    """Octets of the bodies of a batch, as they were given."""
    places = [place for place, column in enumerate(columns) if column in _OF_BODIES]
    if not places:
        return 0
    body, size = places[0], len(columns) + _SIZE
    return sum([row[size] for row in batch if row[body] is not None])


def _finished(batch: list[Row], columns: Sequence[Column]) -> list[Row]:
    """Without the extra values, and text and bodies as they were given."""
    count = len(columns)
    if _MADE.isdisjoint(columns):
        return batch if columns[:1] == (Column.UID,) else [row[:count] for row in batch]
    made: list[Sequence[Any]] = list(zip(*batch, strict=True))
    for place, column in enumerate(columns):
        if column is Column.PREVIEW:
            made[place] = [text.decode() for text in made[place]]
        elif column is Column.BODY:
            made[place] = decode_all(made[count + _CODEC], made[place], made[count + _SIZE])
        elif column is Column.FOLDED:
            lying = zip(made[count + _CODEC], made[place], made[count + _SIZE], strict=True)
            made[place] = [None if one[1] is None else Folded(*one) for one in lying]
    return list(zip(*made[:count], strict=True))
