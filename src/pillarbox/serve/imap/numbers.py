"""Which messages a command means, and pages of a set."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.mailbox.view import View
from pillarbox.model.numset import EMPTY, NumSet
from pillarbox.wire.imap.commands import SAVED_RESULT, Ranges


def meant(view: View, ranges: Ranges, saved: NumSet, *, uid: bool) -> NumSet | None:
    """Sequence numbers of the messages that ``ranges`` mean; None when a sequence number does
    not exist. ``saved``: UIDs of the saved search result (RFC 5182 §2.1)."""
    if ranges == SAVED_RESULT:
        return view.seqs_of_uids(saved.ranges) if saved else EMPTY
    return view.seqs_of_uids(ranges) if uid else view.seqs(ranges)


def window(numbers: NumSet, partial: tuple[int, int]) -> NumSet:
    """The first to last members of a set, counted from 1; negative numbers count from its end
    (RFC 9394 §3.1)."""
    low, high = _bounds(partial, len(numbers))
    out = []
    passed = 0
    for first, last in numbers.ranges:
        size = last - first + 1
        start, stop = max(low - passed, 1), min(high - passed, size)
        if start <= stop:
            out.append((first + start - 1, first + stop - 1))
        passed += size
        if passed >= high:
            break
    return NumSet(out)


def page(numbers: Sequence[int], partial: tuple[int, int]) -> Sequence[int]:
    """The same of a list in an order of its own."""
    low, high = _bounds(partial, len(numbers))
    return numbers[low - 1 : high] if low <= high else ()


def _bounds(partial: tuple[int, int], total: int) -> tuple[int, int]:
    """Places of the first and last member, counted from 1; the first is larger for none."""
    low, high = sorted(place if place > 0 else total + 1 + place for place in partial)
    return max(low, 1), min(high, total)
