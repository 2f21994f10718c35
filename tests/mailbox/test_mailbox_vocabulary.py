"""A text is found by the words of a column exactly where it is found in each value."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mailbox import vocabulary as words
from pillarbox.mailbox.criteria import of_kept
from pillarbox.mailbox.document import Needle
from pillarbox.mailbox.kept import Kept
from pillarbox.mailbox.vocabulary import Vocabulary, vocabulary
from pillarbox.message.casemap import fold

TEXTS = st.text(st.sampled_from("abAB \t\r\n\0\x1c\xa0ß日"), max_size=8).map(fold)
VALUES = st.lists(st.one_of(TEXTS, st.sampled_from((0, None))), max_size=12)
NEEDLES = st.text(st.sampled_from("abB \n\t\x1c\xa0ß日"), max_size=5)


def learned(uids: array[int], values: Sequence[str | int | None]) -> Vocabulary:
    new = Vocabulary()
    while not new.learn(uids, values):
        pass
    return new


@given(VALUES, NEEDLES, st.sampled_from([1, 2]), st.sampled_from([1, 1000]))
def test_words_answer_as_each_text_does(
    values: Sequence[str | int | None], needle: str, step: int, most: int
) -> None:
    uids = array("I", range(5, 5 + step * len(values), step))
    wanted = Needle(needle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "WORDS", most)
        assert learned(uids, values).answers(wanted, uids, values) == of_kept(wanted, values)


@given(VALUES, NEEDLES, st.integers(0, 12), st.sets(st.integers(0, 11)))
def test_messages_come_and_go(
    values: Sequence[str | int | None], needle: str, known: int, gone: set[int]
) -> None:
    uids = array("I", range(1, len(values) + 1))
    wanted = Needle(needle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "PIECE", 4)
        some = learned(uids[:known], values[:known])
        some.answers(wanted, uids[:known], values[:known])
        left = [at for at in range(len(values)) if at not in gone]
        uids, values = array("I", [uids[at] for at in left]), [values[at] for at in left]
        pieces = 1
        while not some.learn(uids, values):
            pieces += 1
        assert pieces <= 3
        assert some.answers(wanted, uids, values) == of_kept(wanted, values)


def test_a_vocabulary_of_the_dead_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "PIECE", 2)
    kept = Kept()
    kept.uids = array("I", range(1, 9))
    first = vocabulary(kept, "Subject")
    while not first.learn(kept.uids, ["A"] * 8):
        pass
    kept.uids = kept.uids[5:]
    assert vocabulary(kept, "Subject") is first
    kept.uids = kept.uids[1:]
    assert vocabulary(kept, "Subject") is not first


def test_a_word_that_most_hold_is_looked_for_in_each() -> None:
    values = ["SAME AGAIN"] * 100 + [0, None]
    uids = array("I", range(1, 103))
    some = learned(uids, values)
    assert some.answers(Needle("a"), uids, values) == bytes([1] * 100 + [2, 0])
    assert some.answers(Needle("same again"), uids, values) == bytes([1] * 100 + [2, 0])
    assert some.answers(Needle("again same"), uids, values) == bytes([0] * 100 + [2, 0])
