"""FUZZY: what matches approximately, how well, and that the index agrees."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.lanes import Lane
from pillarbox.mailbox import search
from pillarbox.mailbox.fuzzy import Fuzzy, allowed_edits, differs_by, spread
from pillarbox.mailbox.indexer import Indexer
from pillarbox.mailbox.search import Found
from pillarbox.mailbox.texts import wanted_of
from pillarbox.message.casemap import fold
from pillarbox.model import query as q
from support.mailroom import MIDSUMMER, Room, room


def score(key: str, text: str, weight: float = 1.0) -> float:
    return Fuzzy(key).score([(fold(text), weight)])


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("helo", "Hello there"),  # RFC 6203 §4
        ("helo", "we need help"),
        ("IMAP break", "broken IMAP, and the break of it"),  # any order
        ("imap break", "IMAP breaks"),
        ("recieve", "you will receive it"),
        ("grusse", "viele Grusse"),
        ("ab", "cab"),
        ("meeting tomorow", "tomorrow: meeting"),
        ("日本", "今日本当"),
    ],
)
def test_matches(key: str, text: str) -> None:
    assert 0 < score(key, text) <= 1


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("cat", "cut"),  # three characters: no edits
        ("hello", "help"),
        ("meeting tomorrow", "meeting today"),  # all words
        ("abcd", "xbyd"),
        ("hello", ""),
        ("banana", "a b n"),
    ],
)
def test_does_not_match(key: str, text: str) -> None:
    assert score(key, text) == 0


def test_the_better_scores_more() -> None:
    texts = ["hello", "hello hello", "helloween", "othello", "hallo hell"]
    same, twice, begins, holds, resembles = (score("hello", text) for text in texts)
    assert 1 >= twice > same > begins > holds > resembles > 0
    assert score("hello", "hello", 0.5) < same
    both = [("HELLO", 0.5), ("HELLO", 1.0)]
    assert Fuzzy("hello").score(both) == same


def test_scores_are_spread() -> None:
    assert spread([]) == []
    assert spread([0.2, 0.1, 0.0001]) == [100, 50, 1]
    assert spread([0.0, 0.0]) == [100, 100]


@given(st.text("abc", min_size=1, max_size=9), st.text("abc", min_size=1, max_size=9))
def test_edits_are_counted(one: str, other: str) -> None:
    count = differs_by(one, other)
    assert count == differs_by(other, one)
    assert (count == 0) == (one == other)
    assert abs(len(one) - len(other)) <= count <= max(len(one), len(other))
    assert differs_by(one, one + "x") == differs_by("x" + one, one) == 1


@given(st.text("ABCDE", min_size=3, max_size=10), st.text("ABCDE ", max_size=40))
def test_what_matches_has_the_pieces(key: str, text: str) -> None:
    if score(key, text):
        for pieces in wanted_of(q.Text("text", key, fuzzy=True)):
            assert sum(piece in text for piece in pieces.of) >= pieces.least


@given(st.text("ABC", min_size=4, max_size=12), st.data())
def test_an_edited_word_matches_if_three_characters_are_right(
    key: str, data: st.DataObject
) -> None:
    word = key
    for _ in range(allowed_edits(key)):
        at = data.draw(st.integers(0, len(word) - 1))
        new = data.draw(st.sampled_from(["", "Z", "ZZ"]))
        word = word[:at] + new + word[at + 1 :]
    if differs_by(key, word) <= allowed_edits(key):
        right = any(key[at : at + 3] in word for at in range(len(key) - 2))
        assert bool(score(key, word)) == right


async def house_of(*messages: tuple[str, str]) -> Room:
    house = await room()
    for subject, body in messages:
        await house.put(f"Subject: {subject}\r\n\r\n{body}\r\n".encode())
    return house


async def found(house: Room, query: q.Query) -> Found:
    view = await house.view(read_only=True)
    return await search.search(house.store, view, query, now=MIDSUMMER)


def text(value: str, scope: str = "text") -> q.Text:
    return q.Text(scope, value, fuzzy=True)


async def test_searches_tell_the_relevancy(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await house_of(
        ("lunch", "the project is late"),
        ("Project plan", "see there"),
        ("nothing", "of that"),
        ("projects", "and the projekt"),
    )
    answer = await found(house, text("project"))
    assert str(answer.seqs()) == "1:2,4"
    ranks = answer.relevancy()
    assert max(ranks.values()) == ranks[2] == 100
    assert ranks[2] > ranks[4] > ranks[1] >= 1
    assert str((await found(house, q.Header("Subject", "proyect", fuzzy=True))).seqs()) == "2"
    assert str((await found(house, text("project", "body"))).seqs()) == "1,4"
    # only keys that are asked for positively count
    mixed = q.And((text("project"), q.Not(text("late"))))
    assert sorted((await found(house, mixed)).relevancy()) == [2, 4]
    either = await found(house, q.Or((q.All(), text("project"))))
    assert set(either.relevancy().values()) == {100}

    lane = Lane("texts")
    monkeypatch.setattr(search, "FEW", 0)
    work = Indexer(house.store, lane, house.clock)
    filling = asyncio.ensure_future(work.fill(100))
    while not filling.done():
        await house.clock.advance(1)
        await asyncio.sleep(0.001)
    again = await found(house, text("project"))
    assert (again.mask, again.relevancy()) == (answer.mask, ranks)
    await lane.close()


async def test_without_words_the_key_matches_as_it_stands() -> None:
    house = await house_of(("a", "wow!!"), ("b", "well"))
    assert str((await found(house, text("!!"))).seqs()) == "1"
    assert str((await found(house, text(""))).seqs()) == "1:2"
