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
from pillarbox.mailbox.kept import Kept, Shelf
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


@given(
    VALUES,
    NEEDLES,
    st.integers(0, 12),
    st.sets(st.integers(0, 11)),
    st.sampled_from([(words.WORK, words.RICH), (3, words.RICH), (words.WORK, 0), (1, 1)]),
)
def test_messages_come_and_go(
    values: Sequence[str | int | None],
    needle: str,
    known: int,
    gone: set[int],
    bounds: tuple[int, int],
) -> None:
    uids = array("I", range(1, len(values) + 1))
    wanted = Needle(needle)
    work, rich = bounds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "PIECE", 4)
        patch.setattr(words, "WORK", work)
        patch.setattr(words, "RICH", rich)
        some = learned(uids[:known], values[:known])
        some.answers(wanted, uids[:known], values[:known])
        left = [at for at in range(len(values)) if at not in gone]
        uids, values = array("I", [uids[at] for at in left]), [values[at] for at in left]
        pieces = 1
        while not some.learn(uids, values):
            pieces += 1
        assert pieces <= (13 if work <= 3 else 3)
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


def asked(some: Vocabulary, uids: array[int], values: Sequence[str | int | None]) -> None:
    """What it answers is what each value does."""
    for text in ("b", "w1", "W12 W13", "w12  w14", "absent", "", " "):
        wanted = Needle(text)
        assert some.answers(wanted, uids, values) == of_kept(wanted, values), text


def test_many_words_are_learned_by_and_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "WORK", 4)
    values = ["A B C D E F", "B W12 W13 W14 G H", "X Y Z A B C"]
    uids = array("I", (3, 4, 9))
    some = Vocabulary()
    assert [some.learn(uids, values) for _ in range(4)] == [False, False, True, True]
    assert (some.count, len(some)) == (3, 14)
    asked(some, uids, values)


def test_long_words_are_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "WORK", 4)
    values = ["A" * 200, "B" * 200, "C" * 10, "D" * 10]
    uids = array("I", range(1, 5))
    some = Vocabulary()
    assert [some.learn(uids, values) for _ in range(3)] == [False, False, True]
    assert some.count == 4


BOUNDS = [{"RICH": 1, "PIECE": 2}, {"MOST": 25}]


@pytest.mark.parametrize("bounds", BOUNDS, ids=["a message", "a column"])
def test_a_column_of_too_many_words_has_no_vocabulary(
    monkeypatch: pytest.MonkeyPatch, bounds: dict[str, int]
) -> None:
    for name, value in bounds.items():
        monkeypatch.setattr(words, name, value)
    values: list[str | int | None] = [
        " ".join([f"W{10 * message + word}" for word in range(10)]) for message in range(6)
    ]
    values += [0, None]
    uids = array("I", range(1, 9))
    some = learned(uids, values)
    assert (some.count, len(some)) == (8, 0)
    asked(some, uids, values)
    # So it stays for those that come, until the vocabulary is begun anew.
    uids, values = array("I", range(4, 11)), [*values[3:], "W12 W14", 0]
    assert some.learn(uids, values)
    assert (some.count, len(some)) == (10, 0)
    asked(some, uids, values)


def test_one_word_more_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "RICH", 1)
    monkeypatch.setattr(words, "PIECE", 2)
    uids = array("I", (1, 2))
    assert len(learned(uids, ["A B C D", "A B C D"])) == 4
    assert len(learned(uids, ["A B C D", "A B C E"])) == 0


def test_words_weigh_and_a_mailbox_of_too_many_goes() -> None:
    shelf = Shelf(cells=40)
    kept = shelf.of((1, 1))
    kept.uids = array("I", range(1, 7))
    kept.columns["Subject"] = values = ["SAME"] * 6
    some = vocabulary(kept, "Subject")
    while not some.learn(kept.uids, values):
        pass
    assert kept.cells == 6 + 6
    shelf.trim()
    assert shelf.of((1, 1)) is kept
    kept.asked |= {"To", "Cc"}
    assert shelf.pays(kept, "To", 6)
    kept.uids = kept.uids + array("I", (7,))
    kept.columns["Subject"] = values = [*values, "NINE OTHER WORDS THAT NOBODY ELSE HAS IN HIS"]
    while not some.learn(kept.uids, values):
        pass
    assert kept.cells == 7 + 3 * 10
    assert not shelf.pays(kept, "Cc", 7)  # no room beside the words
    shelf.trim()
    assert shelf.of((1, 1)) is kept
    kept.words["To"] = some
    shelf.trim()
    assert shelf.of((1, 1)) is not kept
