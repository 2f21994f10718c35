"""What FETCH said of messages, kept to be said again: it never changes.

A client lists a mailbox again and again, and reading a row, however narrow, costs several times
what sending its ENVELOPE does. So what was worked out for all messages of a stretch of UIDs is
kept, an item a block, under the UIDs that it is about: a block that no longer holds exactly the
messages of its stretch is of no use. One bound in octets is for all mailboxes of the process.

With them go the facts of messages that came lately into mailboxes that are open: what is new is
what clients ask for next, and the store need not be asked for what it has just been given.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.model.numset import NumSet
from pillarbox.store.api import Facts

OCTETS: Final = 32 * 1024 * 1024
"""Kept by all mailboxes together: ENVELOPE, BODYSTRUCTURE and usual header fields of 20,000
messages or so."""
UIDS: Final = 500
"""UIDs a block: what the store reads at once."""
_POINTER: Final = 8
_FRESH_SHARE: Final = 4
"""One octet of so many is for facts."""
_OBJECTS: Final = 600
"""Octets of facts beside what they hold."""

Box = tuple[int, int]
"""Account and number of a mailbox."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Indexes ``[start, stop)`` of a mailbox, all of one block, which has ``[first, last)``."""

    number: int
    start: int
    stop: int
    first: int
    last: int

    @property
    def whole(self) -> bool:
        """All of the block."""
        return (self.start, self.stop) == (self.first, self.last)


def stretches(uids: array[int], count: int, seqs: NumSet) -> Iterator[Stretch]:
    """The messages with these sequence numbers, among the first ``count`` of ``uids``, block by
    block."""
    for low, high in seqs.ranges:
        start, end = low - 1, min(high, count)
        while start < end:
            number = uids[start] // UIDS
            first = bisect_left(uids, number * UIDS, 0, start + 1)
            last = bisect_left(uids, (number + 1) * UIDS, start, count)
            stop = min(last, end)
            yield Stretch(number, start, stop, first, last)
            start = stop


@dataclass(frozen=True, slots=True)
class _Block:
    uids: array[int]
    values: Sequence[Any]
    weight: int


class Blocks:
    """Blocks of all mailboxes; the longest unused goes when they are too much."""

    def __init__(self, octets: int = OCTETS) -> None:
        self._bound = octets - octets // _FRESH_SHARE
        self._fresh_bound = octets // _FRESH_SHARE
        self._blocks: OrderedDict[tuple[Box, object, int], _Block] = OrderedDict()
        self.octets = 0
        """Held now, without facts."""
        self._fresh: OrderedDict[tuple[Box, int], Facts] = OrderedDict()
        self._fresh_octets = 0

    def find(self, box: Box, item: object, uids: array[int], part: Stretch) -> Sequence[Any] | None:
        """The values of an item (anything that can be a key) for a stretch; None if they are not
        here."""
        key = (box, item, part.number)
        block = self._blocks.get(key)
        if block is None or block.uids != uids[part.first : part.last]:
            return None
        self._blocks.move_to_end(key)
        if part.whole:
            return block.values
        return block.values[part.start - part.first : part.stop - part.first]

    def keep(
        self, box: Box, item: object, uids: array[int], part: Stretch, values: Sequence[Any]
    ) -> None:
        """Keep the values of a whole block, if there is room.

        A mailbox that fills all there is keeps what it has: were its own oldest to make way, each
        reading of all would find none of what the one before had left.
        """
        key = (box, item, part.number)
        held = uids[part.first : part.last]
        weight = sum(map(sys.getsizeof, values)) + (_POINTER + held.itemsize) * len(values)
        self._forget(key)
        if weight > self._bound:
            return
        while self.octets + weight > self._bound:
            oldest = next(iter(self._blocks))
            if oldest[0] == box:
                return
            self._forget(oldest)
        self._blocks[key] = _Block(held, values, weight)
        self.octets += weight

    def _forget(self, key: tuple[Box, object, int]) -> None:
        block = self._blocks.pop(key, None)
        if block is not None:
            self.octets -= block.weight

    def arrived(self, box: Box, uid: int, facts: Facts) -> None:
        """A message has come. The facts that lie here longest go when they are too much."""
        self._fresh[box, uid] = facts
        self._fresh_octets += _weight(facts)
        while self._fresh_octets > self._fresh_bound:
            self._fresh_octets -= _weight(self._fresh.popitem(last=False)[1])

    def fresh(self, box: Box, uids: array[int]) -> list[Facts] | None:
        """The facts of messages; None unless they are here of all of them."""
        found = []
        for uid in uids:
            facts = self._fresh.get((box, uid))
            if facts is None:
                return None
            found.append(facts)
        return found


def _weight(facts: Facts) -> int:
    octets = len(facts.envelope) + len(facts.bodystructure) + len(facts.common)
    return _OBJECTS + octets + len(facts.scan) + len(facts.keys) + 2 * len(facts.preview)
