"""Carry out a fetch plan: rows of the store, joined with the flags of the view, as plain values.

Answers come in batches of bounded size, so that a door can write one and wait for room before it
asks for the next. A message that was expunged meanwhile is left out: whoever counts fewer rows
than it asked for knows (RFC 2180 §4.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from operator import itemgetter
from typing import Any, Final, Protocol

from pillarbox.mailbox import common, cut
from pillarbox.mailbox.fetchplan import Att, Item, Large, Piece, Plan, Section, Value, kept_beside
from pillarbox.mailbox.view import View
from pillarbox.message import imapform
from pillarbox.message.freeze import thaw
from pillarbox.message.transfer import Decoder
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Blobs, Column, Mail

BATCH: Final = 1000
"""Messages a batch where the store is not asked."""

Row = tuple[Value, ...]
"""The sequence number and then a value for each item of the plan, in its order."""


_Joined = tuple[Any, ...]
"""Sequence number, flags, modseq, UID and then the other columns of the plan."""


class Source(Mail, Blobs, Protocol):
    """What is needed of the store."""


async def fetch(store: Source, view: View, plan: Plan, seqs: NumSet) -> AsyncIterator[list[Row]]:
    """Rows for the messages with these sequence numbers, ascending.

    Flags are those at the moment a batch is made. Setting \\Seen is the caller's business
    (``Ops.mark_seen``), and so is CHANGEDSINCE (``View.changed_since``).
    """
    if not plan.columns:
        for part in _slices(seqs, BATCH):
            yield _from_arrays(view, plan, part)
        return
    make = _maker(plan)
    parts = _parts(plan)
    uids = view.uids_of(seqs)
    async for batch in store.rows(view.box.account, view.box.id, uids, plan.columns):
        joined = join(view, batch)
        if make is None:
            yield [await _with_pieces(store, view, plan.columns, parts, row) for row in joined]
            continue
        made = [make(row) for row in joined]
        if plan.has_pieces:
            for at, row in enumerate(made):
                if None in row:  # not kept beside it, or not inline
                    made[at] = await _with_pieces(store, view, plan.columns, parts, joined[at])
        yield made


def join(view: View, batch: Sequence[tuple[object, ...]]) -> list[_Joined]:
    """Rows that begin with a UID, each behind its sequence number, flags and modseq; without
    those that the view or the mailbox does not have."""
    state, count, uids = view.state, view.count, view.uids
    flags, modseqs = state.flags, state.modseqs
    aligned = uids is state.uids
    out = []
    seq = 0
    for row in batch:
        uid = row[0]
        # Mostly the rows are as dense as the view: the next number is a good guess.
        if seq < count and uids[seq] == uid:
            seq += 1
        else:
            seq = view.seq(uid) if isinstance(uid, int) else 0
        index = seq - 1 if aligned or not seq else state.index(uids[seq - 1])
        if index >= 0:
            out.append((seq, flags[index], modseqs[index], *row))
    return out


_SEQ, _FLAGS, _MODSEQ, _UID = range(4)
_seq_of: Callable[[_Joined], Value] = itemgetter(_SEQ)


def _places(plan: Plan) -> dict[Column, int]:
    return {column: place for place, column in enumerate(plan.columns, _UID)}


WHOLE: Final = Section()
"""``BODY[]``: the message as it is."""


def _maker(plan: Plan) -> Callable[[_Joined], Row] | None:
    """From a joined row to the values of the plan; None when messages must be looked into.

    It gives None for header fields that were not kept for a message, and for a body that is not
    inline.
    """
    places = _places(plan)
    numbers = [_number(item, places) for item in plan.items]
    if -1 not in numbers:  # every value is in the row as it is
        simple: Callable[[_Joined], Row] = itemgetter(_SEQ, *numbers)
        return simple
    getters = []
    for item in plan.items:
        if isinstance(item, Att):
            getters.append(_getter(item, places))
        elif isinstance(item, Section) and kept_beside(item):
            getters.append(_kept(item, places[Column.COMMON]))
        elif item == WHOLE:
            getters.append(itemgetter(places[Column.BODY]))
        else:
            return None
    return lambda row: (_seq_of(row), *[get(row) for get in getters])


def _kept(item: Section, place: int) -> Callable[[_Joined], Value]:
    """Header fields from the kept ones."""
    column: Callable[[_Joined], bytes] = itemgetter(place)
    names = item.fields

    def get(row: _Joined) -> Value:
        fields = common.cut(column(row), names)
        return None if fields is None else cut.of_fields(item, fields)

    return get


_DIRECT: Final = {
    Att.SIZE: Column.SIZE,
    Att.ENVELOPE: Column.ENVELOPE,
    Att.BODYSTRUCTURE: Column.BODYSTRUCTURE,
    Att.EMAILID: Column.BLOB,
    Att.THREADID: Column.THREAD,
    Att.SAVEDATE: Column.SAVED,
    Att.PREVIEW: Column.PREVIEW,
}
_OWN: Final = {Att.UID: _UID, Att.FLAGS: _FLAGS, Att.MODSEQ: _MODSEQ}


def _number(item: object, places: dict[Column, int]) -> int:
    """The place of an item whose value is in the joined row, -1 for others."""
    if not isinstance(item, Att):
        return -1
    if item in _OWN:
        return _OWN[item]
    return places[_DIRECT[item]] if item in _DIRECT else -1


def _getter(item: Att, places: dict[Column, int]) -> Callable[[_Joined], Value]:
    number = _number(item, places)
    if number >= 0:
        direct: Callable[[_Joined], Value] = itemgetter(number)
        return direct
    if item is Att.INTERNALDATE:
        dated: Callable[[_Joined], Value] = itemgetter(
            places[Column.INTERNALDATE], places[Column.ZONE]
        )
        return dated
    scan: Callable[[_Joined], bytes] = itemgetter(places[Column.SCAN])
    return lambda row: imapform.body(thaw(scan(row)))


def _from_arrays(view: View, plan: Plan, seqs: NumSet) -> list[Row]:
    """Flags, UIDs and modseqs need no store."""
    numbers = {Att.UID: 1, Att.FLAGS: 2, Att.MODSEQ: 3}
    get = itemgetter(0, *[numbers[item] for item in plan.items if isinstance(item, Att)])
    return list(map(get, view.rows(seqs)))


_Part = tuple[Callable[[_Joined], Value] | None, Item]
"""How to get an item from a joined row; None for a piece of the message."""


def _parts(plan: Plan) -> list[_Part]:
    places = _places(plan)
    return [(_getter(i, places) if isinstance(i, Att) else None, i) for i in plan.items]


async def _with_pieces(
    store: Source, view: View, columns: Sequence[Column], parts: Sequence[_Part], row: _Joined
) -> Row:
    """A row of a plan that asks for parts of messages."""
    kept = cut.kept_of(columns, row[_UID:])
    values: list[Value] = [_seq_of(row)]
    for get, item in parts:
        if get is not None:
            values.append(get(row))
        elif not isinstance(item, Att):
            values.append(await _piece(store, view, item, kept))
    return tuple(values)


async def _piece(store: Source, view: View, item: Piece, kept: cut.Kept) -> Value:
    if not cut.answers(item, kept):
        # The common fields of this message were not kept: read it after all.
        kept = await _whole(store, view, kept.uid)
    found = cut.piece(item, kept)
    return await cut.complete(store, found) if isinstance(found, cut.ToRead) else found


async def _whole(store: Source, view: View, uid: int) -> cut.Kept:
    columns = (Column.UID, Column.BODY, Column.BLOB, Column.SCAN)
    rows = store.rows(view.box.account, view.box.id, NumSet([(uid, uid)]), columns)
    found = [row async for batch in rows for row in batch]
    if not found:
        return cut.Kept(uid)
    return cut.kept_of(columns, found[0])


async def pieces(store: Blobs, large: Large) -> AsyncIterator[bytes]:
    """The octets of a large value, exactly ``large.size`` of them."""
    decoder = Decoder(large.encoding)
    skip, left = large.skip, large.size
    async for chunk in store.stream(large.blob, large.start, large.length):
        decoded = decoder.feed(chunk)
        piece = decoded[skip : skip + left]
        skip = max(0, skip - len(decoded))
        left -= len(piece)
        if piece:
            yield piece
    tail = decoder.close()[skip : skip + left]
    if tail:
        yield tail


def _slices(seqs: NumSet, size: int) -> list[NumSet]:
    """The set in sets of about ``size`` numbers."""
    out: list[NumSet] = []
    run: list[tuple[int, int]] = []
    total = 0
    for low, high in seqs.ranges:
        while low <= high:
            stop = min(high, low + size - total - 1)
            run.append((low, stop))
            total += stop - low + 1
            low = stop + 1
            if total >= size:
                out.append(NumSet(run))
                run, total = [], 0
    if run:
        out.append(NumSet(run))
    return out
