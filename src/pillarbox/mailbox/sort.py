"""SORT (RFC 5256 §3, RFC 5957, RFC 6203 §6): order by keys worked out when the messages came.

Each criterion is one stable pass, the last one first, so that several criteria need no combined
key and REVERSE is a flag of the sort. What is compared is a number or folded text as bytes:
UTF-8 sorts as its code points do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.mailbox import keys
from pillarbox.mailbox.arrays import mask_of_seqs
from pillarbox.mailbox.fetch import Source, join
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion; ``name`` is ARRIVAL, CC, DATE, FROM, SIZE, SUBJECT, TO, DISPLAYFROM,
    DISPLAYTO or RELEVANCY, the most relevant first."""

    name: str
    reverse: bool = False


_Row = tuple[Any, ...]
"""Sequence number, arrival (seconds), size (octets), packed keys."""

_SEQ, _ARRIVAL, _SIZE, _KEYS = range(4)


def _text(place: int) -> Callable[[_Row], bytes]:
    return lambda row: keys.text(row[_KEYS], place)


_BY: Final[dict[str, Callable[[_Row], Any]]] = {
    "ARRIVAL": lambda row: row[_ARRIVAL],
    "SIZE": lambda row: row[_SIZE],
    "DATE": lambda row: keys.sent(row[_KEYS], row[_ARRIVAL]),
    "SUBJECT": _text(keys.SUBJECT),
    "FROM": _text(keys.FROM),
    "TO": _text(keys.TO),
    "CC": _text(keys.CC),
    "DISPLAYFROM": _text(keys.DISPLAY_FROM),
    "DISPLAYTO": _text(keys.DISPLAY_TO),
}
RELEVANCY: Final = "RELEVANCY"
CRITERIA: Final = frozenset((*_BY, RELEVANCY))
_NOTHING: Final[Mapping[int, int]] = {}


async def sort(
    store: Source,
    view: View,
    seqs: NumSet,
    criteria: Sequence[Criterion],
    relevancy: Mapping[int, int] = _NOTHING,
) -> list[int]:
    """Sequence numbers in order; equal messages stay in the order of their numbers.

    ``relevancy``: scores by sequence number.
    """
    rows = await _rows(store, view, seqs, criteria)
    by = {**_BY, RELEVANCY: lambda row: -relevancy.get(row[_SEQ], 0)}
    for criterion in reversed(criteria):
        rows.sort(key=by[criterion.name], reverse=criterion.reverse)
    return [row[_SEQ] for row in rows]


_ORDER: Final = (Column.INTERNALDATE, Column.SIZE, Column.KEYS)
_NEEDS: Final = {"ARRIVAL": Column.INTERNALDATE, "SIZE": Column.SIZE}


async def _rows(
    store: Source, view: View, seqs: NumSet, criteria: Sequence[Criterion]
) -> list[_Row]:
    """What the criteria compare, and no more: narrow columns cost a fraction of the keys."""
    names = {criterion.name for criterion in criteria} - {RELEVANCY}
    wanted = {_NEEDS.get(name, Column.KEYS) for name in names}
    if "DATE" in names:
        wanted.add(Column.INTERNALDATE)  # stands in for a date that is missing
    order = [column for column in _ORDER if column in wanted]
    places = [order.index(c) + 4 if c in wanted else 0 for c in _ORDER]
    uids = view.uids_of(seqs)
    marked = mask_of_seqs(seqs, view.count)
    out: list[_Row] = []
    async for batch in store.rows(view.box.account, view.box.id, uids, (Column.UID, *order)):
        out += [  # of sequence number, flags, modseq, UID, then the columns
            (row[0], *[row[place] if place else 0 for place in places])
            for row in join(view, batch)
            if marked[row[0] - 1]
        ]
    return out
