"""The index as SEARCH uses it: it may name too many messages, never too few."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.base.lanes import Lane
from pillarbox.mailbox import search
from pillarbox.mailbox.document import Depth, Needle, read
from pillarbox.mailbox.indexer import Indexer, Options
from pillarbox.mailbox.texts import MAX_PIECES, Index, pieces_of, text_of, wanted_of
from pillarbox.message.casemap import fold
from pillarbox.message.freeze import thaw
from pillarbox.model import query as q
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column
from pillarbox.store.search import Pieces, Progress
from support.mailroom import MIDSUMMER, Room, room, simple

EVERY = NumSet([(1, 0xFFFFFFFF)])


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    made = Lane("texts")
    yield made
    await made.close()


def indexer(house: Room, lane: Lane, **options: float) -> Indexer:
    return Indexer(house.store, lane, house.clock, Options(rest=0, busy=9, **options))  # type: ignore[arg-type]


async def filled(house: Room, lane: Lane) -> None:
    """The index of everything."""
    work = indexer(house, lane)
    task = asyncio.ensure_future(work.fill(1000))
    while not task.done():
        await house.clock.advance(1)
        await asyncio.sleep(0.001)
    assert (await task).waiting == 0


async def seqs(house: Room, query: q.Query) -> str:
    view = await house.view(read_only=True)
    found = await search.search(house.store, view, query, now=MIDSUMMER)
    await house.views.close(view)
    return str(found.seqs())


WORDS = st.text(st.sampled_from("abcdefABÄß é\t\r\n'\"\0日本"), max_size=12)


@given(before=WORDS, needle=WORDS, after=WORDS)
def test_a_text_that_holds_a_needle_has_its_pieces(before: str, needle: str, after: str) -> None:
    wanted = pieces_of(Needle(needle).value)
    text = fold(before + needle + after)
    assert Needle(needle).within(text) or not needle.strip()
    indexed = f" {' '.join(dict.fromkeys(text.split()))} "
    if wanted is not None and Needle(needle).within(text):
        assert all(piece in indexed for piece in wanted.of)
        assert wanted.least == len(wanted.of)


def test_long_texts_are_asked_for_by_few_pieces() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(1000))
    wanted = pieces_of(text)
    assert wanted is not None
    assert len(wanted.of) <= MAX_PIECES + 1
    assert wanted.of[0] == text[:3]
    assert wanted.of[-1] == text[-3:]


def test_short_texts_cannot_be_asked_for() -> None:
    assert pieces_of("AB") is None
    assert pieces_of("A B") is None  # each word is there once, whatever comes after it
    assert pieces_of("AB CD") == Pieces(("AB ", " CD"), 2)
    assert wanted_of(q.Text("body", "ab")) == []
    assert wanted_of(q.Text("body", "ab", fuzzy=True)) == []


async def test_every_word_of_real_mail_is_found_by_its_pieces(
    corpus_files: tuple[Path, ...],
) -> None:
    house = await room()
    box = await house.box()
    for path in corpus_files:
        await house.put(path.read_bytes())
    columns = (Column.BLOB, Column.SCAN, Column.BODY)
    async for batch in house.store.rows(house.account, box.id, EVERY, columns):
        for blob, scan, body in batch:
            assert isinstance(blob, int)
            assert isinstance(scan, bytes)
            inline = body if isinstance(body, bytes) else None
            document = await read(house.store, blob, thaw(scan), inline, Depth.PARTS)
            text, _ = text_of(document)
            words = {word for found in document.texts() for word in found.split()[:200]}
            words |= {word for found in document.headers() for word in found.split()[:200]}
            for word in words:
                wanted = pieces_of(word)
                assert wanted is None or all(piece in text for piece in wanted.of), word


async def test_search_finds_the_same_with_and_without(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await room()
    for number in range(1, 40):
        await house.put(simple(number))
    await house.put(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nnur ein Wort\r\n")
    await house.put("Subject: Grüße\r\nX-Latin: \xe4\r\n\r\nnoch eins\r\n".encode("latin-1"))
    queries: list[q.Query] = [
        q.Text("body", "message 1"),
        q.Text("text", "sender 7"),
        q.Header("Subject", "grüße"),
        q.Header("Subject", "message 3"),
        q.Header("From", "s3@example"),
        q.Header("X-Latin", ""),
        q.Not(q.Text("body", "message")),
        q.Or((q.Header("Subject", "message 12"), q.Text("body", "nur ein"))),
        q.Text("text", "of"),
        q.Text("body", "nothing of that"),
    ]
    before = [await seqs(house, query) for query in queries]
    monkeypatch.setattr(search, "FEW", 0)
    await filled(house, lane)
    await house.put(simple(1))  # not indexed
    await house.store.expunge(
        house.account, (await house.box()).id, NumSet([(42, 42)]), only_deleted=False
    )
    assert [await seqs(house, query) for query in queries] == before
    box = await house.box()
    for number, count in ((4, 1), (3, 39)):  # two characters, a space and 3, say nothing
        leaf = queries[number]
        assert isinstance(leaf, q.Header)
        named = await Index(house.store).candidates(house.account, box.id, leaf)
        assert named is not None
        assert len(named) == count


async def test_texts_are_made_once_and_looked_into_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await room()
    await house.put(b"Subject: wood\r\n\r\nOne two\r\n three four\r\n")
    await house.put(
        b"Subject: rope\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nends with one\r\n"
        b"--b\r\nX-Part: wood\r\n\r\ntwo begins here\r\n--b--\r\n"
    )
    await house.put(b"Subject: tar\r\n\r\n\r\n")
    asked: list[tuple[Column, ...]] = []
    rows = house.store.rows

    def counted(account: int, box: int, uids: NumSet, columns: Any) -> Any:
        asked.append(tuple(columns))
        return rows(account, box, uids, columns)

    monkeypatch.setattr(house.store, "rows", counted)
    view = await house.view(read_only=True)

    async def found(query: q.Query) -> str:
        return str((await search.search(house.store, view, query, now=MIDSUMMER)).seqs())

    assert await found(q.Text("body", "nothing")) == ""
    assert len(asked) == 1
    assert await found(q.Text("body", "two three")) == "1"  # across a line end
    assert await found(q.Text("body", "one two")) == "1"  # not from one part into the next
    assert await found(q.Text("body", "two  begins")) == "2"
    assert await found(q.Text("body", "wood")) == ""
    assert await found(q.Not(q.Text("body", "two"))) == "3"
    assert len(asked) == 1
    assert await found(q.Text("text", "wood")) == "1:2"  # headers had not been made
    assert len(asked) == 2
    assert await found(q.Text("text", "wood")) == "1:2"
    assert await found(q.Text("text", "x-part: wood")) == "2"
    assert await found(q.Or((q.Text("text", "rope"), q.Text("body", "four")))) == "1:2"
    assert await found(q.Text("body", "one two")) == "1"
    assert len(asked) == 2
    await house.put(b"Subject: x\r\n\r\nfour\r\n")
    view.sync(allow_expunge=True)
    assert await found(q.Text("body", "four")) == "1,4"
    assert len(asked) == 3
    await house.store.expunge(house.account, view.box.id, NumSet([(1, 1)]), only_deleted=False)
    assert await found(q.Text("body", "four")) == "4"
    view.sync(allow_expunge=True)
    assert await found(q.Text("body", "four")) == "3"
    assert len(asked) == 3


async def test_what_was_found_out_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await room()
    await house.fill(20)
    looked: list[int] = []
    rows, of_texts = house.store.rows, search.of_texts

    def reading(account: int, box: int, uids: NumSet, columns: Any) -> Any:
        looked.extend(uids)
        return rows(account, box, uids, columns)

    def looking(needle: Needle, scope: str, known: Any) -> bytes:
        looked.extend([0] * len(known))
        return of_texts(needle, scope, known)

    monkeypatch.setattr(house.store, "rows", reading)
    monkeypatch.setattr(search, "of_texts", looking)
    view = await house.view(read_only=True)
    body = q.Text("body", "message 2")

    async def found(query: q.Query) -> tuple[str, list[int]]:
        looked.clear()
        seqs = (await search.search(house.store, view, query, now=MIDSUMMER)).seqs()
        return str(seqs), list(looked)

    first = q.And((body, q.Sequence(((1, 5),))))
    assert await found(first) == ("2", [1, 2, 3, 4, 5])
    assert await found(first) == ("2", [])
    assert await found(body) == ("2,20", list(range(6, 21)))  # the others are known
    assert await found(q.Not(body)) == ("1,3:19", [])
    assert (await found(q.Text("text", "message 2")))[0] == "2,20"  # another question
    assert await found(body) == ("2,20", [])
    await house.put(simple(2))
    view.sync(allow_expunge=True)
    assert await found(body) == ("2,20:21", [21])
    await house.store.expunge(house.account, view.box.id, NumSet([(1, 1)]), only_deleted=False)
    assert (await found(body))[0] == "2,20:21"
    view.sync(allow_expunge=True)
    assert (await found(body))[0] == "1,19:20"
    assert await found(body) == ("1,19:20", [])
    for number in range(9):
        await found(q.Text("body", f"other {number}"))
    assert (await found(body))[1] != []  # only the last few are kept


def test_a_phrase_is_found_whatever_white_space_is_in_it() -> None:
    spaces = " \t\r\n\v\f\x1c\x1f\x85\xa0\u2003\u2028"
    for one in spaces:
        for text in (f"A{one}B", f"A{one}{one} B", f"{one}A B{one}"):
            assert Needle("a b").within(fold(text)), (one, text)
        assert Needle(f"a{one}b").within("A B")
        assert Needle(f"{one}a").within(f"X{one}A")
        assert not Needle(f"{one}a").within("A")
    assert not Needle("a b").within("AB")
    assert not Needle("a. b").within("AX B")


async def test_broken_messages_stay_candidates(lane: Lane) -> None:
    house = await room()
    await house.fill(3)
    house.store.state.blobs[2].facts.scan = b"\xff"  # damaged
    await filled(house, lane)
    box = await house.box()
    named = await house.store.candidates(house.account, box.id, wanted_of(q.Text("body", "xyz")))
    assert named is not None
    assert list(named) == [2]


async def test_a_disk_that_fails_is_asked_again(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await room(inline_limit=1)
    await house.fill(1)
    whole = house.store.read

    async def failing(blob: int, start: int = 0, length: int | None = None) -> bytes:
        raise Temporary("the disk")

    async def damaged(blob: int, start: int = 0, length: int | None = None) -> bytes:
        raise Permanent("the message")

    work = indexer(house, lane)
    await house.store.index_edition(1)
    monkeypatch.setattr(house.store, "read", failing)
    with pytest.raises(Temporary):
        await work.step()
    assert await house.store.index_progress() == Progress(0, 1)
    monkeypatch.setattr(house.store, "read", damaged)
    await filled(house, lane)
    box = await house.box()
    named = await house.store.candidates(house.account, box.id, wanted_of(q.Text("body", "xyz")))
    assert list(named or ()) == [1]
    monkeypatch.setattr(house.store, "read", whole)
    await house.store.reindex()
    await filled(house, lane)
    named = await house.store.candidates(house.account, box.id, wanted_of(q.Text("body", "xyz")))
    assert list(named or ()) == []


async def test_it_follows_the_mail(lane: Lane) -> None:
    house = await room()
    work = indexer(house, lane)
    await house.fill(2)
    task = asyncio.ensure_future(work.run())

    async def indexed(count: int) -> None:
        for _ in range(2000):
            progress = await house.store.index_progress()
            if progress == Progress(count, 0) and len(house.store.texts.known) == count:
                return
            await house.clock.advance(0.3)
            await asyncio.sleep(0.001)
        raise AssertionError(await house.store.index_progress())

    await indexed(2)
    await house.put(simple(3))
    work.wake()
    await indexed(3)
    await house.put(simple(4))  # nobody says so: it looks by itself
    await indexed(4)
    box = await house.box()
    await house.store.expunge(house.account, box.id, EVERY, only_deleted=False)
    await house.store.purge(house.clock.now() + 1, 0)
    work.wake()
    await indexed(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_stands_back_while_the_loop_is_busy(lane: Lane) -> None:
    house = await room()
    await house.fill(3)
    naps: list[float] = []

    class Late:
        """A clock that always wakes us late."""

        def __init__(self) -> None:
            self.time = 0.0

        def now(self) -> float:
            return self.time

        def monotonic(self) -> float:
            return self.time

        async def sleep(self, seconds: float) -> None:
            naps.append(seconds)
            self.time += seconds + 0.1

    options = Options(messages=1, glance=2, patience=3, stand_back=0.5)
    work = Indexer(house.store, lane, Late(), options)
    await house.store.index_edition(1)
    assert await work.step()
    assert naps.count(0.5) == 2  # and then it goes on all the same
    assert (await house.store.index_progress()).indexed == 1


async def rested(lane: Lane, options: Options, pours: float) -> list[float]:
    """How long an indexer sleeps in a step, on a clock that is on time; mail comes during its first
    ``pours`` sleeps."""
    house = await room()
    await house.fill(3)
    naps: list[float] = []

    class Punctual:
        def now(self) -> float:
            return 0.0

        def monotonic(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            naps.append(seconds)
            if len(naps) <= pours:
                work.wake()

    work = Indexer(house.store, lane, Punctual(), options)
    await house.store.index_edition(1)
    assert await work.step()
    return naps


async def test_it_stands_back_longer_while_mail_pours_in(lane: Lane) -> None:
    options = Options(messages=1, glance=2, patience=5, stand_back=0.5)
    naps = await rested(lane, options, pours=math.inf)
    assert naps.count(0.5) == 5


async def test_it_lets_a_burst_be_read_before_it_goes_on(lane: Lane) -> None:
    naps = await rested(lane, Options(messages=1, stand_back=0.5, settle=7.0), pours=2)
    assert naps.count(7.0) == 1
    assert naps[-2] == 7.0  # and a last look before it goes on
