"""Work on the parallel arrays of a mailbox: no Python object a message, no loop a message.

A mask is ``bytes`` with one octet, 0 or 1, a message: what C-speed ``translate``, ``find``,
``count`` and big integers work on.
"""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress
from typing import Final

from pillarbox.model.flags import KEYWORD_SHIFT
from pillarbox.model.numset import NumSet

_FEW: Final = 8
"""Up to so many cuts, a copy that is cut beats joining slices."""
_SOME: Final = 2000
"""Up to so many, joining slices beats testing every element."""
BLOCK: Final = 4096
_RUN: Final = re.compile(b"\x01+")


def without(values: array[int], indexes: Sequence[int]) -> array[int]:
    """A new array that lacks ``indexes`` (ascending, distinct)."""
    if isinstance(indexes, range):
        return values[: indexes.start] + values[indexes.stop :]
    if len(indexes) <= _FEW:
        out = values[:]
        drop(out, indexes)
        return out
    if len(indexes) > _SOME:
        keep = bytearray(b"\x01") * len(values)
        for index in indexes:
            keep[index] = 0
        return array(values.typecode, compress(values, keep))
    out = values[: indexes[0]]
    for number, index in enumerate(indexes):
        stop = indexes[number + 1] if number + 1 < len(indexes) else len(values)
        if index + 1 < stop:
            out += values[index + 1 : stop]
    return out


def drop(values: array[int], indexes: Sequence[int]) -> None:
    """Remove a few ``indexes`` (ascending, distinct) in place."""
    for index in reversed(indexes):
        del values[index]


def lacking(values: array[int], indexes: Sequence[int]) -> array[int]:
    """``without`` that may change and return ``values`` itself."""
    if isinstance(indexes, range):
        del values[indexes.start : indexes.stop]
        return values
    if len(indexes) > _FEW:
        return without(values, indexes)
    drop(values, indexes)
    return values


def above(values: array[int], bound: int, tops: Sequence[int] = ()) -> list[int]:
    """Indexes of the values larger than ``bound``; blocks without any are skipped quickly.

    ``tops``: the largest value of as many of the first blocks as are known (``tops_of``), which
    spares looking at them.
    """
    out: list[int] = []
    for number, start in enumerate(range(0, len(values), BLOCK)):
        if number < len(tops):
            if tops[number] <= bound:
                continue
            block = values[start : start + BLOCK]
        else:
            block = values[start : start + BLOCK]
            if max(block) <= bound:
                continue
        out += [start + at for at, value in enumerate(block) if value > bound]
    return out


def tops_of(values: array[int], known: array[int]) -> None:
    """Work out the tops of the blocks behind those that are ``known``, and add them to these."""
    for start in range(len(known) * BLOCK, len(values), BLOCK):
        known.append(max(values[start : start + BLOCK]))


def with_zeros(values: array[int], indexes: Sequence[int]) -> array[int]:
    """An array with a 0 so that each of ``indexes`` (ascending, of the result) holds it."""
    if not indexes:
        return values
    out = array(values.typecode)
    taken = 0
    for index in indexes:
        run = index - len(out)
        if run:
            out += values[taken : taken + run]
            taken += run
        out.append(0)
    out += values[taken:]
    return out


def positions(sorted_values: array[int], wanted: Sequence[int], count: int) -> Sequence[int]:
    """Indexes below ``count`` at which the ascending ``wanted`` are found; absent ones left out.

    Where they are found side by side, which is usual, a ``range`` without a look at each.
    """
    if len(wanted) > 1:
        start = bisect_left(sorted_values, wanted[0], 0, count)
        stop = start + len(wanted)
        if stop <= count and _alike(sorted_values, wanted, start, stop):
            return range(start, stop)
    out = []
    low = 0
    for value in wanted:
        low = bisect_left(sorted_values, value, low, count)
        if low == count:
            break
        if sorted_values[low] == value:
            out.append(low)
            low += 1
    return out


def _alike(values: array[int], wanted: Sequence[int], start: int, stop: int) -> bool:
    """Whether the stretch of ``values`` holds what is wanted; both ascend."""
    if values[start] != wanted[0] or values[stop - 1] != wanted[-1]:
        return False
    solid = wanted[-1] - wanted[0] + 1 == len(wanted)  # then there is nothing else to be
    return solid or values[start:stop] == array(values.typecode, wanted)


def missing_indexes(old: array[int], count: int, new: array[int]) -> list[int]:
    """Indexes of the first ``count`` values of ``old`` that ``new`` lacks; both ascend.

    Equal stretches are skipped a block at a time, so the cost is that of the differences.
    """
    out: list[int] = []
    i = j = 0
    while i < count:
        stop = min(i + BLOCK, count)
        length = stop - i
        if old[i:stop] == new[j : j + length]:
            i, j = stop, j + length
            continue
        while i < stop:
            value = old[i]
            if j < len(new) and new[j] < value:
                j = bisect_left(new, value, j)
            if j < len(new) and new[j] == value:
                j += 1
            else:
                out.append(i)
            i += 1
    return out


def numbers_at(values: array[int], indexes: Sequence[int]) -> NumSet:
    """The set of the ascending ``values`` at some indexes."""
    if isinstance(indexes, range) and indexes:
        low, high = values[indexes[0]], values[indexes[-1]]
        if high - low + 1 == len(indexes):
            return NumSet(((low, high),))
    return NumSet.of([values[index] for index in indexes])


def picked(values: array[int], count: int, wanted: NumSet) -> array[int]:
    """Those of the first ``count`` of the ascending values that are wanted."""
    out = array(values.typecode)
    for start, stop in wanted.among(values):
        out += values[start : min(stop, count)]
    return out


def bit_mask(flags: bytes, bit: int, *, unset: bool = False) -> bytes:
    """Mask of the messages that have ``bit`` (one bit); ``flags`` are the octets of an array 'Q'.

    Only the octet that holds the bit is looked at: three passes in C.
    """
    octet, within = divmod(bit.bit_length() - 1, 8)
    offset = octet if sys.byteorder == "little" else 7 - octet
    return flags[offset::8].translate(_TABLES[unset][within])


def _table(within: int, unset: bool) -> bytes:
    return bytes(bool(value >> within & 1) != unset for value in range(256))


_TABLES: Final = tuple(
    tuple(_table(within, unset) for within in range(KEYWORD_SHIFT)) for unset in (False, True)
)


def spans(mask: bytes) -> list[tuple[int, int]]:
    """The slices ``[start, stop)`` that a mask marks."""
    return [found.span() for found in _RUN.finditer(mask)]


def seqs_of_mask(mask: bytes) -> NumSet:
    """The sequence numbers (index + 1) that a mask marks."""
    return NumSet([(found.start() + 1, found.end()) for found in _RUN.finditer(mask)])


def mask_of_seqs(seqs: NumSet, count: int) -> bytes:
    """The opposite; numbers beyond ``count`` are ignored."""
    mask = bytearray(count)
    for low, high in seqs.ranges:
        if low > count:
            break
        high = min(high, count)
        mask[low - 1 : high] = b"\x01" * (high - low + 1)
    return bytes(mask)
