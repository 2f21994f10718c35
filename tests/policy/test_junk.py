"""How much a message is like junk, from counts of words alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.policy.junk import NO_IDEA, Training, score

TRAINED = Training(50, 50, 1000)


def words(number: int, junk: int, good: int, name: str = "w") -> dict[str, tuple[int, int]]:
    return {f"{name}{n}": (junk, good) for n in range(number)}


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        (words(15, 20, 0), 0.99, 1.0),
        (words(15, 0, 20), 0.0, 0.01),
        (words(40, 20, 20), 0.5, 0.5),  # words that are everywhere say nothing
        (words(15, 20, 0) | words(15, 0, 20, "g"), 0.4, 0.6),  # both sides speak loudly
        (words(7, 20, 0), 0.5, 0.5),  # too few to decide on
        ({}, 0.5, 0.5),
    ],
)
def test_what_speaks_for_what(counts: dict[str, tuple[int, int]], low: float, high: float) -> None:
    assert low <= score(counts, TRAINED).value <= high


def test_the_reasons_are_those_of_the_winning_side() -> None:
    counts = words(12, 40, 0) | {"friend": (0, 40)}
    assert score(counts, TRAINED).words == ("w0", "w1", "w10", "w11", "w2")


def test_a_kind_that_was_taught_more_often_does_not_win_by_that() -> None:
    uneven = Training(1000, 50, 1)
    assert score(words(20, 200, 10), uneven).value == 0.5  # a fifth of either kind


def test_without_training() -> None:
    assert score(words(20, 5, 0), Training(5, 0, 20)) is NO_IDEA
    assert not Training(19, 400).enough(20)
    assert Training(20, 20).enough(20)


@given(
    st.dictionaries(st.text(max_size=4), st.tuples(st.integers(0, 10**9), st.integers(0, 10**9))),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)
def test_any_counts(counts: dict[str, tuple[int, int]], junk: int, good: int) -> None:
    assert 0.0 <= score(counts, Training(junk, good)).value <= 1.0
