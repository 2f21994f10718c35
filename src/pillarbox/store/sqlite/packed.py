"""Large mailboxes packed into a few rows, so that opening one does not read a row a message.

A packed copy is what ``rows.load`` found at some moment: UIDs, modseqs and flags. From then on
every transaction that changes flags or takes messages away notes their UIDs (``note``), in the
same commit; arrivals need no note, their UIDs are larger than all that were packed. So the copy,
and the rows of the noted UIDs and of the arrivals as they are now, are the mailbox, whatever
crashed in between. When much was noted the copy is made again, by whoever opens the mailbox next.

The octets of equal rank of all numbers lie together: most are 0 and cost nothing, the others are
alike and shrink.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import apsw

from pillarbox.base.errors import Permanent
from pillarbox.model.numset import MAX_NUMBER, NumSet
from pillarbox.store.api import Snapshot
from pillarbox.store.blobs.codec import decode, encode
from pillarbox.store.sqlite.picks import pick
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.transpose import transpose
from pillarbox.store.sqlite.tx import Box, Tx

CHUNK: Final = 65_536
"""Messages a row: unpacked in a millisecond or two."""
SHARE: Final = 10
"""One in so many noted, and the copy is made again."""
RANGES: Final = 400
"""Noted stretches that one statement reads."""
VERSION: Final = 1

_CODES: Final = ("I", "Q", "Q")
_HEAD: Final = struct.Struct("<BI")
_PLANE: Final = struct.Struct("<BI")

_READ = "SELECT data FROM packed WHERE account = ? AND mailbox = ? ORDER BY first"
_NOTED = "SELECT low, high FROM noted WHERE account = ? AND mailbox = ?"
_ROWS = (
    "SELECT m.uid, m.modseq, m.flags FROM {} msg m WHERE m.account = :account"
    " AND m.mailbox = :mailbox {} {}"
)
_NOTE = (
    "INSERT OR IGNORE INTO noted SELECT ?1, ?2, ?3, ?4"
    " WHERE EXISTS (SELECT 1 FROM packed WHERE account = ?1 AND mailbox = ?2)"
)


@dataclass(slots=True)
class Arrays:
    """Messages by ascending UID, a column each."""

    uids: array[int]
    modseqs: array[int]
    flags: array[int]

    def add(self, other: Arrays, start: int, stop: int) -> None:
        """A stretch of others behind these."""
        self.uids += other.uids[start:stop]
        self.modseqs += other.modseqs[start:stop]
        self.flags += other.flags[start:stop]


def empty() -> Arrays:
    """No messages."""
    return Arrays(array("I"), array("Q"), array("Q"))


def encoded(some: Arrays) -> bytes:
    """A chunk."""
    out = [_HEAD.pack(VERSION, len(some.uids))]
    for column in (some.uids, some.modseqs, some.flags):
        octets = column.tobytes()
        for rank in range(column.itemsize):
            plane = octets[rank :: column.itemsize]
            codec, data = encode(plane) if any(plane) else (0, b"")
            out += (_PLANE.pack(codec, len(data)), data)
    return b"".join(out)


def decoded(data: bytes) -> Arrays:
    """The opposite. Raises Permanent or ValueError for what is damaged or of another version."""
    version, count = _HEAD.unpack_from(data)
    if version != VERSION or count > CHUNK:
        raise ValueError(f"packed mailbox of version {version}")
    at = _HEAD.size
    columns = []
    for code in _CODES:
        column = array(code)
        octets = bytearray(count * column.itemsize)
        for rank in range(column.itemsize):
            codec, size = _PLANE.unpack_from(data, at)
            at += _PLANE.size
            if size:
                octets[rank :: column.itemsize] = decode(codec, data[at : at + size], count)
            at += size
        column.frombytes(octets)
        columns.append(column)
    return Arrays(*columns)


def note(tx: Tx, account: int, mailbox: int, uids: NumSet) -> None:
    """Messages that were packed are no longer what they were: part of every such transaction."""
    ranges = uids.ranges
    tx.db.executemany(_NOTE, [(account, mailbox, low, high) for low, high in ranges])


async def opened(reader: Reader, db: apsw.Connection, box: Box) -> tuple[Arrays, bool] | None:
    """A mailbox from its packed copy, and whether that should be made again; None
    when there is none that is any good."""
    base = empty()
    for (data,) in db.execute(_READ, (box.account, box.id)):
        try:
            chunk = await reader.slice(decoded, data)
        except (ValueError, struct.error, Permanent):
            return None
        base.add(chunk, 0, len(chunk.uids))
        await reader.breathe()
    if not base.uids:
        return None
    noted: list[Any] = db.execute(_NOTED, (box.account, box.id)).fetchall()
    changed = NumSet.merge([*noted, (base.uids[-1] + 1, MAX_NUMBER)])
    now = empty()
    for start in range(0, len(changed.ranges), RANGES):
        some = NumSet(changed.ranges[start : start + RANGES])
        await _read(reader, db, box, some, now)
    found = await reader.slice(patched, base, now, changed)
    if len(found.uids) != box.messages:
        return None
    return found, (len(now.uids) + len(noted)) * SHARE > len(found.uids)


async def _read(reader: Reader, db: apsw.Connection, box: Box, uids: NumSet, into: Arrays) -> None:
    chosen = pick(uids)
    sql = _ROWS.format(chosen.source, chosen.where, chosen.order)
    cursor = db.execute(sql, {"account": box.account, "mailbox": box.id, **chosen.values})
    while await reader.slice(extend, into, cursor):
        await reader.breathe()
    cursor.close()


SLICE: Final = 4096


def extend(into: Arrays, cursor: Iterator[Any]) -> bool:
    """Add some rows of UID, modseq and flags; whether there may be more."""
    uids, modseqs, flags = transpose(islice(cursor, SLICE), 3)
    into.uids.extend(uids)
    into.modseqs.extend(modseqs)
    into.flags.extend(flags)
    return len(uids) == SLICE


def patched(base: Arrays, now: Arrays, changed: NumSet) -> Arrays:
    """``base`` with what ``now`` says in place of what it says about ``changed``."""
    if len(changed.ranges) == 1 and bisect_left(base.uids, changed.ranges[0][0]) == len(base.uids):
        base.add(now, 0, len(now.uids))  # nothing but arrivals
        return base
    out = empty()
    last = taken = 0
    for low, high in changed.ranges:
        start = bisect_left(base.uids, low, last)
        end = bisect_right(now.uids, high, taken)
        out.add(base, last, start)
        out.add(now, taken, end)
        last, taken = bisect_right(base.uids, high, start), end
    out.add(base, last, len(base.uids))
    return out


def chunks(snapshot: Snapshot) -> list[tuple[int, bytes]]:
    """A snapshot as rows: first UID and data."""
    uids, modseqs, flags = snapshot.uids, snapshot.modseqs, snapshot.flags
    out = []
    for start in range(0, len(uids), CHUNK):
        some = slice(start, start + CHUNK)
        out.append((uids[start], encoded(Arrays(uids[some], modseqs[some], flags[some]))))
    return out


def begin(tx: Tx, account: int, mailbox: int, modseq: int) -> bool:
    """From now on note what changes, for a copy of the mailbox at ``modseq`` that is being made;
    False when it has changed already. A crash leaves a copy that is no good."""
    box = tx.box(account, mailbox)
    if box is None or box.highest_modseq != modseq:
        return False
    forget(tx, account, mailbox)
    tx.db.execute(_BEGUN, (account, mailbox, _mark(modseq)))
    return True


def keep(
    tx: Tx, account: int, mailbox: int, modseq: int, rows: Sequence[tuple[int, bytes]]
) -> bool:
    """Keep the copy that was begun at ``modseq``, unless another one was begun since."""
    begun = (account, mailbox, _mark(modseq))
    if tx.one("SELECT 1 FROM packed WHERE (account, mailbox, first, data) = (?, ?, 0, ?)", begun):
        tx.db.execute("DELETE FROM packed WHERE account = ? AND mailbox = ?", begun[:2])
        tx.db.executemany(
            "INSERT INTO packed VALUES (?, ?, ?, ?)", [(account, mailbox, *row) for row in rows]
        )
        return True
    return False


_BEGUN = "INSERT INTO packed VALUES (?, ?, 0, ?)"


def _mark(modseq: int) -> bytes:
    """What stands for a copy that is being made: no chunk reads so."""
    return b"\0%d" % modseq


def forget(tx: Tx, account: int, mailbox: int) -> None:
    """The copy and its notes go."""
    for table in ("packed", "noted"):
        tx.db.execute(f"DELETE FROM {table} WHERE account = ? AND mailbox = ?", (account, mailbox))
