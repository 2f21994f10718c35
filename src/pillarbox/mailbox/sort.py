"""SORT (RFC 5256 §3, RFC 5957, RFC 6203 §6): order by keys worked out when the messages came.

Each criterion is one stable pass, the last one first, so that several criteria need no combined
key and REVERSE is a flag of the sort. What is compared is a number or folded text as bytes:
UTF-8 sorts as its code points do.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.mailbox.kept import KINDS
from pillarbox.mailbox.table import table
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Mail


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion; ``name`` is ARRIVAL, CC, DATE, FROM, SIZE, SUBJECT, TO, DISPLAYFROM,
    DISPLAYTO or RELEVANCY, the most relevant first."""

    name: str
    reverse: bool = False


RELEVANCY: Final = "RELEVANCY"
CRITERIA: Final = frozenset(
    ("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO")
) | {RELEVANCY}
_NOTHING: Final[Mapping[int, int]] = {}
RUN: Final = 16_384
"""Messages sorted in one go, in a few milliseconds; others get their turn in between."""


async def sort(
    store: Mail,
    view: View,
    seqs: NumSet,
    criteria: Sequence[Criterion],
    relevancy: Mapping[int, int] = _NOTHING,
) -> Sequence[int]:
    """Sequence numbers in order; equal messages stay in the order of their numbers.

    ``relevancy``: scores by sequence number.
    """
    names = list(dict.fromkeys(one.name for one in criteria if one.name in KINDS))
    found = await table(store, view, seqs, names)
    question = ("sort", *criteria)
    known: Sequence[int] | None = None if relevancy else found.recall(question)
    if known is not None:
        return known
    columns = dict(zip(names, found.columns, strict=True))
    numbers = found.seqs
    order = list(range(len(numbers)))
    for criterion in reversed(criteria):
        if criterion.name == RELEVANCY:
            scores = [-relevancy.get(number, 0) for number in numbers]
            await _order(order, scores.__getitem__, reverse=criterion.reverse)
        else:
            by = columns[criterion.name].__getitem__
            await _order(order, by, reverse=criterion.reverse)
    answer = array("I", [numbers[index] for index in order])
    if not relevancy:
        found.remember(question, answer)
    return answer


async def _order(order: list[int], by: Callable[[int], Any], *, reverse: bool) -> None:
    """Sort in place, a run at a time, then merge the runs."""
    if len(order) > RUN:
        for start in range(0, len(order), RUN):
            order[start : start + RUN] = sorted(order[start : start + RUN], key=by, reverse=reverse)
            await asyncio.sleep(0)
    order.sort(key=by, reverse=reverse)  # of sorted runs: it only merges them
