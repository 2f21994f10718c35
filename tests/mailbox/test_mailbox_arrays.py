"""Work on parallel arrays, each fast path against the plain meaning."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mailbox import arrays
from pillarbox.model.flags import FLAGGED, SEEN
from pillarbox.model.numset import NumSet

N = 10_000


@pytest.mark.parametrize("cuts", [0, 1, 8, 9, 500, 2000, 2001, N])
def test_without_and_lacking(cuts: int) -> None:
    rnd = random.Random(cuts)
    values = array("I", range(1, N + 1))
    indexes = sorted(rnd.sample(range(N), cuts))
    gone = set(indexes)
    expected = [value for index, value in enumerate(values) if index not in gone]
    found = arrays.without(values, indexes)
    assert list(found) == expected
    assert found is not values
    assert len(values) == N
    assert list(arrays.lacking(values[:], indexes)) == expected


@given(st.lists(st.booleans(), max_size=60))
def test_zeros_are_put_back_where_something_was_cut(cut: list[bool]) -> None:
    values = array("Q", range(1, len(cut) + 1))
    indexes = [index for index, gone in enumerate(cut) if gone]
    again = arrays.with_zeros(arrays.without(values, indexes), indexes)
    assert list(again) == [0 if gone else value for gone, value in zip(cut, values, strict=True)]


@pytest.mark.parametrize("size", [0, 3, 5000, 9000])
def test_missing_indexes(size: int) -> None:
    rnd = random.Random(size)
    old = array("I", sorted(rnd.sample(range(1, 4 * size + 2), size)))
    for share in (0.0, 0.01, 0.5, 1.0):
        kept = [value for value in old if rnd.random() >= share]
        new = array("I", [*kept, 4 * size + 5, 4 * size + 9])
        there = set(new)
        for count in {0, size // 2, size}:
            expected = [index for index in range(count) if old[index] not in there]
            assert arrays.missing_indexes(old, count, new) == expected


@given(st.lists(st.integers(0, 300)), st.integers(0, 300))
def test_above(values: list[int], bound: int) -> None:
    found = arrays.above(array("Q", values), bound)
    assert found == [index for index, value in enumerate(values) if value > bound]


def test_above_across_blocks() -> None:
    values = array("Q", [0] * N)
    for index in (0, 4095, 4096, N - 1):
        values[index] = 9
    assert arrays.above(values, 5) == [0, 4095, 4096, N - 1]


@pytest.mark.parametrize("bit", [SEEN, FLAGGED, 1 << 8, 1 << 15, 1 << 16, 1 << 62])
def test_bit_masks(bit: int) -> None:
    flags = array("Q", [0, bit, (1 << 63) - 1, ((1 << 63) - 1) & ~bit])
    assert arrays.bit_mask(flags.tobytes(), bit) == b"\x00\x01\x01\x00"
    assert arrays.bit_mask(flags.tobytes(), bit, unset=True) == b"\x01\x00\x00\x01"


@given(st.lists(st.booleans(), max_size=50))
def test_masks_and_numbers(marks: list[bool]) -> None:
    mask = bytes(marks)
    seqs = arrays.seqs_of_mask(mask)
    assert list(seqs) == [index + 1 for index, mark in enumerate(marks) if mark]
    assert arrays.mask_of_seqs(seqs, len(mask)) == mask
    assert [i for a, b in arrays.spans(mask) for i in range(a, b)] == [n - 1 for n in seqs]


def test_numbers_beyond_the_end_mark_nothing() -> None:
    assert arrays.mask_of_seqs(NumSet([(2, 9), (20, 30)]), 3) == b"\x00\x01\x01"


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)), st.integers(0, 60))
def test_positions(have: set[int], want: set[int], count: int) -> None:
    values = array("I", sorted(have))
    count = min(count, len(values))
    found = arrays.positions(values, sorted(want), count)
    assert list(found) == [index for index in range(count) if values[index] in want]


@given(st.sets(st.integers(1, 60), min_size=1), st.integers(0, 59), st.integers(0, 30))
def test_positions_of_a_stretch(have: set[int], start: int, length: int) -> None:
    values = array("I", sorted(have))
    want = values[start : start + length]
    found = arrays.positions(values, want, len(values))
    assert [values[index] for index in found] == list(want)
    assert isinstance(found, range) or len(want) < 2
    gone = arrays.without(values, found)
    assert list(gone) == [value for value in values if value not in set(want)]
    assert arrays.lacking(values[:], found) == gone


@given(st.sets(st.integers(1, 60)), st.integers(0, 60), st.integers(0, 60))
def test_numbers_at(have: set[int], start: int, stop: int) -> None:
    values = array("I", sorted(have))
    indexes = range(start, min(stop, len(values)))
    chosen = [values[index] for index in indexes]
    assert arrays.numbers_at(values, indexes) == NumSet.of(chosen)
    assert arrays.numbers_at(values, list(indexes)) == NumSet.of(chosen)
