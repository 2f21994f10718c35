"""Columns of some messages of a view, from what its mailbox keeps, for SORT and THREAD."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

from pillarbox.mailbox.arrays import mask_of_seqs
from pillarbox.mailbox.kept import Kept, read
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Mail

SPARSE: Final = 8
"""Less than one message in so many asked about, and they are read and forgotten."""


@dataclass(frozen=True, slots=True)
class Table:
    """Sequence numbers, ascending, and columns in the order of the names asked for."""

    seqs: Sequence[int]
    columns: tuple[Sequence[Any], ...]
    kept: Kept | None = None
    """Given when these are all messages of the mailbox: answers made of them can be kept."""
    uids: array[int] | None = None
    """What ``kept`` is about at this moment."""

    def recall(self, question: object) -> Any:
        """An answer that was kept, else None."""
        return None if self.kept is None else self.kept.answers.get(question)

    def remember(self, question: object, answer: Any) -> None:
        """Keep an answer, if it can be."""
        if self.kept is not None and self.uids is not None:
            self.kept.remember(self.uids, question, answer)


async def table(store: Mail, view: View, seqs: NumSet, names: Sequence[str]) -> Table:
    """Those of the messages with these sequence numbers that are still there.

    Nothing is awaited after the last look at the mailbox.
    """
    state = view.state
    box = (view.box.account, view.box.id)
    kept = state.shelf.of(box)
    there = len(state.uids)
    if len(seqs) * SPARSE < there and not all(name in kept.columns for name in names):
        return await _sparse(store, view, seqs, names)
    await kept.fill(store, box, state, names)
    state.shelf.trim()
    columns = tuple(kept.columns[name] for name in names)
    if view.uids is not state.uids:  # the session still shows what is gone
        numbers = [seq for seq in seqs if state.index(view.uids[seq - 1]) >= 0]
        indexes = [state.index(view.uids[seq - 1]) for seq in numbers]
        return Table(numbers, tuple([column[i] for i in indexes] for column in columns))
    if len(seqs) == len(state.uids):
        return Table(range(1, len(state.uids) + 1), columns, kept, kept.uids)
    marked = mask_of_seqs(seqs, view.count)
    return Table(list(seqs), tuple(list(compress(column, marked)) for column in columns))


async def _sparse(store: Mail, view: View, seqs: NumSet, names: Sequence[str]) -> Table:
    numbers = list(seqs)
    uids = array("I", [view.uids[seq - 1] for seq in numbers])
    made = await read(store, (view.box.account, view.box.id), uids, names, view.uids_of(seqs))
    here = bytes(view.state.index(uid) >= 0 for uid in uids)
    columns = tuple(list(compress(made[name], here)) for name in names)
    return Table(list(compress(numbers, here)), columns)
