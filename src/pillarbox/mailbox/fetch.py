"""Carry out a fetch plan: rows of the store, joined with the flags of the view, as plain values.

Answers come in batches of bounded size, so that a door can write one and wait for room before it
asks for the next. A message that was expunged meanwhile is left out: whoever counts fewer rows
than it asked for knows (RFC 2180 §4.1).
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Protocol

from pillarbox.mailbox import cut
from pillarbox.mailbox.blocks import Stretch, stretches
from pillarbox.mailbox.fetchplan import (
    OF_ARRAYS,
    Att,
    Item,
    Large,
    Piece,
    Plan,
    Section,
    Value,
    kept_beside,
)
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


@dataclass(slots=True)
class Batch:
    """Some messages: their sequence numbers, ascending, and a column for each item of the plan.

    Iterated it gives rows. Columns go from the store to the wire as they are, so that a message
    costs no work of its own here.
    """

    seqs: Sequence[int]
    columns: list[Sequence[Any]]

    def __iter__(self) -> Iterator[Row]:
        return zip(self.seqs, *self.columns, strict=True)

    def __len__(self) -> int:
        return len(self.seqs)


class Source(Mail, Blobs, Protocol):
    """What is needed of the store."""


async def fetch(store: Source, view: View, plan: Plan, seqs: NumSet) -> AsyncIterator[Batch]:
    """Batches for the messages with these sequence numbers, ascending.

    Flags are those at the moment a batch is made. Setting \\Seen is the caller's business
    (``Ops.mark_seen``), and so is CHANGEDSINCE (``View.changed_since``).
    """
    if not plan.columns:
        for some in _slices(seqs, BATCH):
            yield from_arrays(view, plan, some)
        return
    if not plan.lasting or len(seqs.ranges) > SCATTERED:
        async for batch in _read(store, view, plan, seqs):
            yield batch
        return
    loose: list[tuple[int, int]] = []  # of blocks of which not all is wanted: in one go
    for part in stretches(view.uids, view.count, seqs):
        found = _from_blocks(view, plan, part) or _from_facts(view, plan, part)
        if found is None and not part.whole:
            loose.append((part.start + 1, part.stop))
            continue
        if loose:
            async for batch in _read(store, view, plan, NumSet.merge(loose)):
                yield batch
            loose = []
        if found is not None:
            yield found
            continue
        batches = []
        async for batch in _read(store, view, plan, NumSet([(part.start + 1, part.stop)])):
            batches.append(batch)
            yield batch
        _keep(view, plan, part, batches)
    if loose:
        async for batch in _read(store, view, plan, NumSet.merge(loose)):
            yield batch


SCATTERED: Final = 64
"""Runs of messages beyond which blocks are more trouble than help."""


async def _read(store: Source, view: View, plan: Plan, seqs: NumSet) -> AsyncIterator[Batch]:
    """Batches from the store."""
    uids = view.uids_of(seqs)
    async for rows in store.rows(view.box.account, view.box.id, uids, plan.columns):
        joined = join(view, rows)
        columns = [_column(item, plan, joined) for item in plan.items]
        if plan.has_pieces:
            await _look_into(store, view, plan, columns, joined)
        yield Batch(joined.seqs, columns)


def _from_blocks(view: View, plan: Plan, part: Stretch) -> Batch | None:
    """What was kept of a stretch; None unless that is all that was asked for."""
    state = view.state
    if view.uids is not state.uids:  # some of its messages may have gone
        return None
    box, wanted = (view.box.account, view.box.id), slice(part.start, part.stop)
    columns: list[Sequence[Any]] = []
    for item in plan.items:
        values = (
            _arrays(view)[item][wanted]
            if item in OF_ARRAYS
            else state.blocks.find(box, item, view.uids, part)
        )
        if values is None:
            return None
        columns.append(values)
    return Batch(range(part.start + 1, part.stop + 1), columns)


def _from_facts(view: View, plan: Plan, part: Stretch) -> Batch | None:
    """What is known of messages that came just now; None unless that is all that was asked for."""
    state, box = view.state, (view.box.account, view.box.id)
    if view.uids is not state.uids or not _OF_FACTS.issuperset(plan.columns):
        return None
    wanted = slice(part.start, part.stop)
    facts = state.blocks.fresh(box, view.uids[wanted])
    if facts is None:
        return None
    names = [column.value for column in plan.columns[1:]]
    joined = _Joined(
        range(part.start + 1, part.stop + 1),
        state.flags[wanted],
        state.modseqs[wanted],
        [view.uids[wanted], *[[getattr(one, name) for one in facts] for name in names]],
    )
    columns = [_column(item, plan, joined) for item in plan.items]
    if plan.has_pieces and any(None in column for column in columns):
        return None
    found = Batch(joined.seqs, columns)
    if part.whole:
        _keep(view, plan, part, [found])
    return found


_OF_FACTS: Final = frozenset(
    {Column.UID, Column.ENVELOPE, Column.BODYSTRUCTURE, Column.COMMON, Column.SCAN}
)


def _keep(view: View, plan: Plan, part: Stretch, batches: Sequence[Batch]) -> None:
    """Keep what was read, if that is a value for each message of the block."""
    if sum(map(len, batches)) != part.stop - part.start or view.uids is not view.state.uids:
        return
    box = (view.box.account, view.box.id)
    for place, item in enumerate(plan.items):
        if item not in OF_ARRAYS:
            pieces = [batch.columns[place] for batch in batches]
            values = pieces[0] if len(pieces) == 1 else [*chain.from_iterable(pieces)]
            view.state.blocks.keep(box, item, view.uids, part, values)


@dataclass(slots=True)
class _Joined:
    """A batch of the store with what the mailbox knows of its messages."""

    seqs: Sequence[int]
    flags: Sequence[int]
    modseqs: Sequence[int]
    columns: Sequence[Sequence[Any]]
    """Those asked for, UIDs first."""


def join(view: View, rows: Sequence[tuple[object, ...]]) -> _Joined:
    """Rows that begin with a UID, without those that the view or the mailbox does not have."""
    state, count, uids = view.state, view.count, view.uids
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    first = view.seq(columns[0][0]) if uids is state.uids else 0
    start, stop = first - 1, first - 1 + len(rows)
    if first and stop <= count and uids[start:stop] == array("I", columns[0]):
        # The rows are as dense as the view: the usual case.
        seqs = range(first, stop + 1)
        return _Joined(seqs, state.flags[start:stop], state.modseqs[start:stop], columns)
    there = []
    for at, uid in enumerate(columns[0]):
        seq = view.seq(uid)
        index = state.index(uid)
        if seq and index >= 0:
            there.append((seq, state.flags[index], state.modseqs[index], rows[at]))
    if not there:
        return _Joined((), (), (), [()] * len(columns))
    found, flags, modseqs, kept = zip(*there, strict=True)
    return _Joined(found, flags, modseqs, list(zip(*kept, strict=True)))


def _column(item: Item, plan: Plan, joined: _Joined) -> Sequence[Any]:
    """The values of an item; None for a piece that must be looked for in the message."""
    columns = dict(zip(plan.columns, joined.columns, strict=True))
    match item:
        case Att.UID:
            return joined.columns[0]
        case Att.FLAGS:
            return joined.flags
        case Att.MODSEQ:
            return joined.modseqs
        case Att.INTERNALDATE:
            return list(zip(columns[Column.INTERNALDATE], columns[Column.ZONE], strict=True))
        case Att.BODY:
            return [imapform.body(thaw(scan)) for scan in columns[Column.SCAN]]
        case Att():
            return columns[_DIRECT[item]]
        case Section() if kept_beside(item):
            return cut.fields_of(item, columns[Column.COMMON])
    if item == WHOLE:
        return columns[Column.BODY]
    return [None] * len(joined.seqs)


WHOLE: Final = Section()
"""``BODY[]``: the message as it is."""

_DIRECT: Final = {
    Att.SIZE: Column.SIZE,
    Att.ENVELOPE: Column.ENVELOPE,
    Att.BODYSTRUCTURE: Column.BODYSTRUCTURE,
    Att.EMAILID: Column.BLOB,
    Att.THREADID: Column.THREAD,
    Att.SAVEDATE: Column.SAVED,
    Att.PREVIEW: Column.PREVIEW,
}


def _arrays(view: View) -> Mapping[Item, array[int]]:
    """What the mailbox itself has, in the order of its messages."""
    state = view.state
    return {Att.UID: state.uids, Att.FLAGS: state.flags, Att.MODSEQ: state.modseqs}


def from_arrays(view: View, plan: Plan, seqs: NumSet) -> Batch:
    """Flags, UIDs and modseqs need no store: all at once."""
    state = view.state
    (low, high), *more = seqs.ranges or ((1, 0),)
    if view.uids is state.uids and not more and high <= view.count:
        arrays, part = _arrays(view), slice(low - 1, high)
        columns: list[Sequence[Any]] = [arrays[item][part] for item in plan.items]
        return Batch(range(low, high + 1), columns)
    rows = list(view.rows(seqs))
    if not rows:
        return Batch((), [()] * len(plan.items))
    numbers, uids, flags, modseqs = zip(*rows, strict=True)
    known: dict[Item, Sequence[int]] = {Att.UID: uids, Att.FLAGS: flags, Att.MODSEQ: modseqs}
    return Batch(numbers, [known[item] for item in plan.items])


async def _look_into(
    store: Source, view: View, plan: Plan, columns: list[Sequence[Any]], joined: _Joined
) -> None:
    """Fill in the pieces that were not kept beside the message, or whose message is not inline."""
    wanted = {}
    for place, item in enumerate(plan.items):
        if not isinstance(item, Att) and None in columns[place]:
            wanted[place] = item
            columns[place] = list(columns[place])
    for at in range(len(joined.seqs) if wanted else 0):
        lacking = [place for place in wanted if columns[place][at] is None]
        if not lacking:
            continue
        kept = cut.kept_of(plan.columns, [column[at] for column in joined.columns])
        for place in lacking:
            columns[place][at] = await _piece(store, view, wanted[place], kept)  # type: ignore[index]


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
