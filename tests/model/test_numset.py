"""Number sets against Python's own sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.model.numset import NumSet, parse_ranges, resolve

numbers = st.sets(st.integers(1, 60))


@given(numbers, numbers)
def test_algebra(one: set[int], two: set[int]) -> None:
    a, b = NumSet.of(one), NumSet.of(two)
    assert set(a | b) == one | two
    assert set(a & b) == one & two
    assert set(a - b) == one - two
    assert len(a) == len(one)
    assert all((n in a) == (n in one) for n in range(70))
    assert (a == b) == (one == two)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 2, -1]))
def test_of_a_range(start: int, stop: int, step: int) -> None:
    numbers = range(start, stop, step)
    assert NumSet.of(numbers) == NumSet.of(list(numbers))


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=8))
def test_merge_is_sorted_disjoint_and_not_adjacent(ranges: list[tuple[int, int]]) -> None:
    merged = NumSet.merge(ranges)
    assert set(merged) == {n for a, b in ranges for n in range(min(a, b), max(a, b) + 1)}
    pairs = zip(merged.ranges, merged.ranges[1:], strict=False)
    assert all(low[1] + 1 < high[0] for low, high in pairs)


@given(numbers)
def test_wire_form_and_back(one: set[int]) -> None:
    text = str(NumSet.of(one))
    assert set(resolve(parse_ranges(text) or (), 100)) == one


@given(numbers, numbers)
def test_among(one: set[int], wanted: set[int]) -> None:
    listed = sorted(one)
    slices = NumSet.of(wanted).among(listed)
    assert [n for a, b in slices for n in listed[a:b]] == sorted(one & wanted)


@pytest.mark.parametrize(
    ("text", "largest", "expected"),
    [
        ("1", 9, "1"),
        ("4:2", 9, "2:4"),
        ("*", 9, "9"),
        ("5:*", 3, "3:5"),
        ("*:2", 9, "2:9"),
        ("*", 0, ""),
        ("1:*", 0, ""),
        ("3,1,2", 9, "1:3"),
        ("4294967295", 9, "4294967295"),
    ],
)
def test_resolving(text: str, largest: int, expected: str) -> None:
    ranges = parse_ranges(text)
    assert ranges is not None
    assert str(resolve(ranges, largest)) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "1:", ":1", "a", "1,,2", "4294967296", "1:0", "-1", "1 "]
)
def test_what_is_no_set(text: str) -> None:
    assert parse_ranges(text) is None
