"""Sets of sequence numbers or UIDs as sorted, disjoint ranges.

A mailbox of a million messages is selected by ``1:*``; a set is therefore never expanded unless
someone iterates it. Ranges are inclusive pairs. ``*`` is resolved by the caller through
``resolve`` because only it knows the largest number in use (RFC 9051 §9, seq-number).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

STAR = 0
"""Stands for ``*`` in an unresolved range; no real number is 0."""

MAX_NUMBER = 0xFFFFFFFF

_RANGE = re.compile(r"(\d{1,10}|\*)(?::(\d{1,10}|\*))?\Z")


class NumSet:
    """An immutable set of numbers from 1 to 2^32-1."""

    __slots__ = ("ranges",)

    def __init__(self, ranges: Sequence[tuple[int, int]] = ()) -> None:
        """``ranges`` must already be sorted, disjoint and not adjacent; see ``of``/``merge``."""
        self.ranges = tuple(ranges)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> NumSet:
        """From numbers in any order; a ``range`` costs nothing."""
        if isinstance(numbers, range) and numbers.step == 1:
            return cls(((numbers[0], numbers[-1]),) if numbers else ())
        out: list[tuple[int, int]] = []
        start = end = -1
        for n in sorted(numbers):
            if n == end or n == end + 1:
                end = n
                continue
            if start > 0:
                out.append((start, end))
            start = end = n
        if start > 0:
            out.append((start, end))
        return cls(out)

    @classmethod
    def merge(cls, ranges: Iterable[tuple[int, int]]) -> NumSet:
        """From ranges in any order, overlapping or reversed (``4:2`` is ``2:4``)."""
        out: list[tuple[int, int]] = []
        for low, high in sorted((min(r), max(r)) for r in ranges):
            if out and low <= out[-1][1] + 1:
                if high > out[-1][1]:
                    out[-1] = (out[-1][0], high)
            else:
                out.append((low, high))
        return cls(out)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        index = bisect_right(self.ranges, (number, MAX_NUMBER + 1)) - 1
        return index >= 0 and number <= self.ranges[index][1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __or__(self, other: NumSet) -> NumSet:
        return NumSet.merge((*self.ranges, *other.ranges))

    def __and__(self, other: NumSet) -> NumSet:
        out = []
        mine, theirs = self.ranges, other.ranges
        i = j = 0
        while i < len(mine) and j < len(theirs):
            low = max(mine[i][0], theirs[j][0])
            high = min(mine[i][1], theirs[j][1])
            if low <= high:
                out.append((low, high))
            if mine[i][1] < theirs[j][1]:
                i += 1
            else:
                j += 1
        return NumSet(out)

    def __sub__(self, other: NumSet) -> NumSet:
        out = []
        cuts = other.ranges
        at = 0
        for low, high in self.ranges:
            start = low
            while at < len(cuts) and cuts[at][1] < start:
                at += 1
            cut = at
            while cut < len(cuts) and cuts[cut][0] <= high:
                if cuts[cut][0] > start:
                    out.append((start, cuts[cut][0] - 1))
                start = cuts[cut][1] + 1
                cut += 1
            if start <= high:
                out.append((start, high))
        return NumSet(out)

    def __str__(self) -> str:
        """The wire form, ``1:3,7`` (RFC 9051 §9 sequence-set)."""
        return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in self.ranges)

    def __repr__(self) -> str:
        return f"NumSet({str(self)!r})"

    def among(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Index slices ``[start, stop)`` of the sorted sequence that fall inside the set.

        This is how a UID set meets a mailbox: two binary searches a range, no expansion.
        """
        out = []
        for low, high in self.ranges:
            start = bisect_left(numbers, low)
            stop = bisect_right(numbers, high, start)
            if start < stop:
                out.append((start, stop))
        return out


EMPTY = NumSet()


def parse_ranges(text: str, limit: int = 50_000) -> list[tuple[int, int]] | None:
    """Read a wire set into unresolved ranges (``*`` as STAR); None when it is malformed.

    ``limit`` bounds the number of ranges, not of numbers.
    """
    out = []
    pieces = text.split(",")
    if len(pieces) > limit:
        return None
    for piece in pieces:
        match = _RANGE.match(piece)
        if match is None:
            return None
        first, second = match.groups()
        low = STAR if first == "*" else int(first)
        high = low if second is None else STAR if second == "*" else int(second)
        if (low == 0 and first != "*") or (high == 0 and (second or first) != "*"):
            return None  # numbers are nz-number
        if low > MAX_NUMBER or high > MAX_NUMBER:
            return None
        out.append((low, high))
    return out


def resolve(ranges: Iterable[tuple[int, int]], largest: int) -> NumSet:
    """Replace ``*`` by ``largest`` and normalise; with nothing in use ``*`` matches nothing.

    ``5:*`` includes the largest number even when it is below 5 (RFC 9051 §9, seq-range).
    """
    done = []
    for low, high in ranges:
        low, high = low or largest, high or largest
        if low and high:
            done.append((low, high))
    return NumSet.merge(done)
