"""Keys for SORT and THREAD are read once, and follow the mailbox: nothing old is ever answered."""

from __future__ import annotations

import random
from array import array
from collections.abc import AsyncIterator, Sequence

from pillarbox.mailbox.kept import Shelf
from pillarbox.mailbox.search import search
from pillarbox.mailbox.sort import Criterion, sort
from pillarbox.mailbox.table import table
from pillarbox.mailbox.threads import NAMES
from pillarbox.mailbox.view import View
from pillarbox.model import query as q
from pillarbox.model.flags import DELETED, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column
from support.mailroom import Room, room, simple

BY_SUBJECT = [Criterion("SUBJECT")]


def dated(number: int) -> bytes:
    """The larger the number, the earlier its subject in the alphabet."""
    return simple(number).replace(b"Subject: Message", b"Subject: %c" % (122 - number % 20))


class Counting:
    """Rows that the store was asked for."""

    def __init__(self, made: Room) -> None:
        self._rows = made.store.rows
        self.read = 0

    async def rows(
        self, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        async for batch in self._rows(account, mailbox, uids, columns):
            self.read += len(batch)
            yield batch


def everyone(view: View) -> NumSet:
    return NumSet([(1, view.exists)]) if view.exists else NumSet()


async def ordered(source: object, view: View, seqs: NumSet | None = None) -> list[int]:
    found = await sort(source, view, seqs or everyone(view), BY_SUBJECT)  # type: ignore[arg-type]
    return [view.uid(seq) for seq in found]


async def test_only_arrivals_are_read() -> None:
    made = await room()
    for number in range(1, 11):
        await made.put(dated(number))
    view, source = await made.view(), Counting(made)
    assert await ordered(source, view) == list(range(10, 0, -1))
    assert source.read == 10
    assert await ordered(source, view) == list(range(10, 0, -1))
    assert source.read == 10
    await made.put(dated(3))
    view.sync(allow_expunge=True)
    assert await ordered(source, view) == [10, 9, 8, 7, 6, 5, 4, 3, 11, 2, 1]
    assert source.read == 11


async def test_what_went_is_cut_out_also_for_those_who_still_show_it() -> None:
    made = await room()
    for number in range(1, 11):
        await made.put(dated(number), flags=FlagSet(DELETED if number in {2, 9} else 0))
    view, behind = await made.view(), await made.view(session="behind")
    source = Counting(made)
    await ordered(source, view)
    await made.ops.expunge(view)
    await made.put(dated(5))
    view.sync(allow_expunge=True)
    behind.sync(allow_expunge=False)
    expected = [10, 8, 7, 6, 5, 11, 4, 3, 1]
    assert await ordered(source, view) == expected
    assert await ordered(source, behind) == expected
    assert source.read == 11
    found = await sort(made.store, behind, everyone(behind), BY_SUBJECT)
    assert list(found) == [10, 8, 7, 6, 5, 11, 4, 3, 1]  # numbers as that session has them


async def test_a_few_of_many_are_read_and_forgotten() -> None:
    made = await room()
    for number in range(1, 41):
        await made.put(dated(number))
    view, source = await made.view(), Counting(made)
    assert await ordered(source, view, NumSet([(3, 3), (5, 6)])) == [6, 5, 3]
    assert source.read == 3
    assert await ordered(source, view, NumSet([(1, 10)])) == list(range(10, 0, -1))
    assert source.read == 43


async def test_answers_are_good_until_a_message_comes_or_goes() -> None:
    made = await room()
    for number in range(1, 11):
        await made.put(dated(number))
    view = await made.view()
    first = await table(made.store, view, everyone(view), NAMES)
    first.remember("q", 1)
    assert (await table(made.store, view, everyone(view), NAMES)).recall("q") == 1
    await made.put(dated(1))
    part = await table(made.store, view, everyone(view), NAMES)
    assert part.recall("q") is None  # not all of the mailbox
    view.sync(allow_expunge=True)
    whole = await table(made.store, view, everyone(view), NAMES)
    first.remember("q", 2)  # worked out before the arrival
    assert whole.recall("q") is None
    assert len(first.columns[0]) == 10  # whoever is at work on it sees it unchanged


async def test_the_shelf_has_bounds() -> None:
    shelf = Shelf(cells=10)
    one, two = shelf.of((1, 1)), shelf.of((1, 2))
    for kept in (one, two):
        kept.uids.extend(range(1, 7))
        kept.columns["SIZE"] = kept.uids
    shelf.of((1, 1))
    shelf.trim()
    assert shelf.of((1, 1)) is one
    assert shelf.of((1, 2)) is not two


async def test_whatever_happens_the_order_is_right() -> None:
    rnd = random.Random(11)
    made = await room()
    views = [await made.view(session=f"s{n}") for n in range(3)]
    for number in range(120):
        view = rnd.choice(views)
        if rnd.random() < 0.5 or not view.exists:
            await made.put(dated(rnd.randint(1, 40)))
        elif rnd.random() < 0.5:
            await made.store.expunge(
                made.account, view.box.id, NumSet.of([rnd.choice(view.uids)]), only_deleted=False
            )
        view.sync(allow_expunge=number % 3 == 0)
        for one in views:
            there = set(one.state.uids)
            want = [seq for seq in range(1, one.exists + 1) if one.uid(seq) in there]
            subjects = {uid: key async for uid, key in _subjects(made, one)}
            want.sort(key=lambda seq: subjects[one.uid(seq)])
            assert list(await sort(made.store, one, everyone(one), BY_SUBJECT)) == want


async def _subjects(made: Room, view: View) -> AsyncIterator[tuple[int, bytes]]:
    whole = NumSet([(1, 0xFFFFFFFF)])
    columns = (Column.UID, Column.KEYS)
    async for batch in made.store.rows(view.box.account, view.box.id, whole, columns):
        for uid, packed in batch:
            assert isinstance(uid, int)
            assert isinstance(packed, bytes)
            yield uid, packed[14 : 14 + packed[12]]


SUBJECTS = (
    b"Subject: plain words here",
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?= und mehr",
    b"Subject: two words\r\n here",
    b"SUBJECT: first\r\nSubject: second",
    b"X-Nothing: words",
    b"Subject:",
    b"Subject: words" + b" and more" * 2000,  # too long to be kept beside the envelope
)


async def test_a_header_is_searched_in_what_is_kept_with_the_same_answers() -> None:
    made = await room()
    for number in range(260):
        head = SUBJECTS[number % len(SUBJECTS)]
        await made.put(head + b"\r\nFrom: %d@example.test\r\n\r\nwords\r\n" % number)
    view, behind = await made.view(), await made.view(session="behind")
    kept = view.state.shelf.of((view.box.account, view.box.id))
    asked = {"words": {0, 2, 6}, "GRÜße": {1}, "words here": {0, 2}, "first second": set()}
    asked |= {"second": {3}, "": {0, 1, 2, 3, 5, 6}, "absent": set()}
    for turn in range(3):
        for text, kinds in asked.items():
            for one in (view, behind):
                query = q.Header("Subject", text)
                found = await search(made.store, one, query, now=0.0)  # type: ignore[arg-type]
                there = [uid for uid in one.uids[: one.exists] if one.state.index(uid) >= 0]
                want = [uid for uid in there if (uid - 1) % len(SUBJECTS) in kinds]
                assert list(found.uid_set()) == want, (turn, text)
        assert "Subject" in kept.columns
        await made.store.expunge(
            made.account, view.box.id, NumSet([(10 * turn + 1, 10 * turn + 4)]), only_deleted=False
        )
        view.sync(allow_expunge=True)


def test_texts_are_bounded_and_the_longest_unused_make_way() -> None:
    shelf = Shelf(texts=5000)
    one, two = shelf.of((1, 1)), shelf.of((1, 2))
    for uid in range(1, 4):
        one.texts.keep(uid, ["H" * 100], ["B" * 1000])
    assert 0 < shelf.room(one) < 2000
    two.texts.keep(1, None, ["B" * 1500])
    one.texts.keep(4, None, ["B" * 1000])
    assert shelf.room(two) > 0
    assert not one.texts.known
    assert one.texts.octets == 0
    # Alone it keeps what it has, and takes no more.
    for uid in range(2, 9):
        two.texts.keep(uid, None, ["B" * 1000])
    assert shelf.room(two) <= 0
    assert len(two.texts.known) == 8


def test_texts_of_messages_that_are_gone_go_when_they_are_many() -> None:
    texts = Shelf().of((1, 1)).texts
    for uid in range(1, 5):
        texts.keep(uid, None, ["B" * 100])
    weight = texts.octets
    assert texts.keep(1, ["H" * 50], ["B" * 100]) > 50
    texts.follow(array("I", [1, 2, 3, 4, 5]))
    assert len(texts.known) == 4
    texts.follow(array("I", [2, 3]))
    assert set(texts.known) == {2, 3}
    assert texts.octets == weight // 2
