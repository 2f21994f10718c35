"""A word is found in texts that are joined exactly where it is found in each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mailbox import joined as rooms
from pillarbox.mailbox.criteria import of_kept
from pillarbox.mailbox.document import Needle
from pillarbox.mailbox.joined import Block, joined
from pillarbox.message.casemap import fold

TEXTS = st.text(st.sampled_from("abAB \t\r\n\0ß日"), max_size=8).map(fold)
VALUES = st.lists(st.one_of(TEXTS, st.sampled_from((0, None))), max_size=12)
NEEDLES = st.text(st.sampled_from("abB \n\tß日"), min_size=1, max_size=5)


@given(VALUES, NEEDLES)
def test_joined_texts_answer_as_each_does(values: Sequence[str | int | None], needle: str) -> None:
    wanted = Needle(needle)
    if wanted.longest:
        assert Block(values).answers(wanted) == of_kept(wanted, values)


@given(VALUES, st.integers(0, 12), NEEDLES)
def test_blocks_grow_with_their_column(
    values: Sequence[str | int | None], known: int, needle: str
) -> None:
    wanted = Needle(needle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "SIZE", 4)
        patch.setattr(rooms, "MANY", 1)
        before = joined((), values[:known])
        after = joined(before, values)
        assert [len(block) for block in after[:-1]] == [4] * (len(after) - 1)
        if wanted.longest:
            answers = b"".join([block.answers(wanted) for block in after])
            assert answers == of_kept(wanted, values)
        assert joined(after, values) == after


def test_what_was_joined_is_not_joined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "SIZE", 2)
    values: list[str | int | None] = ["A", "B", "C"]
    first = joined((), values)
    second = joined(first, [*values, "D", "E"])
    assert second[0] is first[0]
    assert [len(block) for block in second] == [2, 2, 1]


def test_a_word_that_most_hold_is_looked_for_in_each() -> None:
    values = ["SAME"] * 100 + [0, None]
    assert Block(values).answers(Needle("same")) == bytes([1] * 100 + [2, 0])
