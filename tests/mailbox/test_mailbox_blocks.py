"""What FETCH said is said again without the store while it is about the same messages."""

from __future__ import annotations

import random
from array import array

import pytest

from pillarbox.mailbox import blocks as module
from pillarbox.mailbox.blocks import Blocks, Stretch, stretches
from pillarbox.mailbox.fetch import fetch
from pillarbox.mailbox.fetchplan import Att, Item, Section, plan
from pillarbox.mailbox.view import View
from pillarbox.mailbox.views import Views
from pillarbox.model.flags import DELETED, SEEN, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, FlagOp
from support.mailroom import Room, room, simple

SUBJECT = Section((), "HEADER.FIELDS", (b"subject",))
ITEMS: tuple[Item, ...] = (Att.UID, Att.FLAGS, Att.ENVELOPE, SUBJECT, Att.BODY, Att.INTERNALDATE)
ALL = NumSet([(1, 100)])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UIDS", 4)


class Source:
    """A store that counts the messages it is asked for."""

    def __init__(self, house: Room) -> None:
        self._store = house.store
        self.asked: list[NumSet] = []

    def rows(self, account: int, box: int, uids: NumSet, columns: tuple[Column, ...]) -> object:
        self.asked.append(uids)
        return self._store.rows(account, box, uids, columns)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


async def said(
    house: Room, view: View, seqs: NumSet, *items: Item
) -> tuple[list[tuple[object, ...]], list[NumSet]]:
    """Rows, and what the store was asked for them."""
    source = Source(house)
    wanted = seqs & NumSet([(1, view.count)])
    found = fetch(source, view, plan(items or ITEMS), wanted)  # type: ignore[arg-type]
    return [row async for batch in found for row in batch], source.asked


async def test_the_second_time_the_store_is_not_asked() -> None:
    house = await room()
    await house.fill(11)
    view = await house.view()
    first, asked = await said(house, view, ALL)
    assert asked == [NumSet([(1, 3)]), NumSet([(4, 7)]), NumSet([(8, 11)])]
    assert [row[0] for row in first] == list(range(1, 12))
    assert await said(house, view, ALL) == (first, [])
    assert await said(house, view, NumSet([(2, 5), (9, 9)])) == ([*first[1:5], first[8]], [])
    other = await house.view(session="t")
    await house.ops.store_flags(other, NumSet([(2, 2)]), FlagOp.ADD, FlagSet(SEEN))
    again, asked = await said(house, other, ALL)
    assert asked == []  # flags are those of the moment
    assert again[1] == (2, 2, SEEN, *first[1][3:])


async def test_an_item_more_is_read() -> None:
    house = await room()
    await house.fill(3)
    view = await house.view()
    await said(house, view, ALL, Att.ENVELOPE)
    _, asked = await said(house, view, ALL, Att.ENVELOPE, Att.SIZE)
    assert asked == [NumSet([(1, 3)])]
    _, asked = await said(house, view, ALL, Att.SIZE)
    assert asked == []


async def test_parts_of_blocks_are_read_in_one_go_and_not_kept() -> None:
    house = await room()
    await house.fill(30)
    view = await house.view()
    some = NumSet([(2, 2), (5, 6), (9, 9)])
    for _ in range(2):
        rows, asked = await said(house, view, some)
        assert [row[0] for row in rows] == [2, 5, 6, 9]
        assert asked == [some]
    assert view.state.blocks.octets == 0
    mixed, asked = await said(house, view, NumSet([(2, 13), (29, 30)]))
    assert [row[0] for row in mixed] == [*range(2, 14), 29, 30]
    assert asked == [
        NumSet([(2, 3)]),
        NumSet([(4, 7)]),
        NumSet([(8, 11)]),
        NumSet([(12, 13), (29, 30)]),
    ]


async def test_bodies_and_what_may_change_are_not_kept() -> None:
    house = await room()
    await house.fill(5)
    view = await house.view()
    for item in (Section(), Section((), "TEXT"), Section((1,)), Att.THREADID, Att.SAVEDATE):
        await said(house, view, ALL, Att.ENVELOPE, item)
        assert view.state.blocks.octets == 0


async def test_arrivals_and_expunges() -> None:
    house = await room()
    await house.fill(9)
    view = await house.view()
    other = await house.view(session="t")
    first, _ = await said(house, view, ALL)
    await house.put(simple(10))
    assert await said(house, view, ALL) == (first, [])  # it has not been told of it
    view.sync(allow_expunge=True)
    rows, asked = await said(house, view, ALL)
    assert rows[:9] == first
    assert rows[9][0] == 10
    assert asked == [NumSet([(8, 10)])]

    await house.ops.store_flags(other, NumSet([(5, 5)]), FlagOp.ADD, FlagSet(DELETED))
    await house.ops.expunge(other)
    rows, _ = await said(house, view, ALL)  # gone, though its number is still there
    assert [row[0] for row in rows] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    view.sync(allow_expunge=True)
    rows, asked = await said(house, view, ALL)
    assert [row[1] for row in rows] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert asked == [NumSet([(4, 7)])]
    assert (await said(house, view, ALL))[1] == []


async def test_a_message_that_goes_while_a_block_is_read() -> None:
    house = await room()
    await house.fill(6)
    view = await house.view()
    other = await house.view(session="t")
    batches = fetch(house.store, view, plan((Att.ENVELOPE,)), NumSet([(1, 6)]))
    seen = [row[0] for row in await anext(batches)]
    await house.ops.store_flags(other, NumSet([(5, 5)]), FlagOp.ADD, FlagSet(DELETED))
    await house.ops.expunge(other)
    seen += [row[0] async for batch in batches for row in batch]
    assert seen == [1, 2, 3, 4, 6]


async def test_what_came_just_now_is_known() -> None:
    house = await room()
    view = await house.view()
    await house.fill(6)
    await house.put(simple(7) + b"more\r\n" * 100)
    view.sync(allow_expunge=True)
    items = (Att.FLAGS, Att.ENVELOPE, Att.BODYSTRUCTURE, SUBJECT, Att.BODY)
    for _ in range(2):  # from facts, then from blocks
        rows, asked = await said(house, view, ALL, *items)
        assert asked == []
    assert (await said(house, view, NumSet([(6, 6)]), Att.UID, Att.ENVELOPE))[1] == []
    assert (await said(house, view, NumSet([(6, 6)]), Att.ENVELOPE, Att.SIZE))[1] != []
    again = await Views(house.store, house.bus).open(house.account, view.box.id, session="t")
    assert again is not None
    read, asked = await said(house, again, ALL, *items)
    assert asked != []
    assert read == rows
    await house.ops.store_flags(view, NumSet([(5, 5)]), FlagOp.ADD, FlagSet(DELETED))
    await house.ops.expunge(again)
    rows, _ = await said(house, view, ALL, *items)
    assert [row[0] for row in rows] == [1, 2, 3, 4, 6, 7]


async def test_headers_too_long_to_keep_are_read_all_the_same() -> None:
    house = await room()
    view = await house.view()
    await house.put(b"X: y\r\n" + b"To: " + b"ann@example.test,\r\n " * 2000 + b"\r\n" + simple(1))
    view.sync(allow_expunge=True)
    (row,), asked = await said(house, view, ALL, SUBJECT)
    assert asked != []
    assert row == (1, b"Subject: Message 1\r\n\r\n")


async def test_facts_are_bounded() -> None:
    house = await room()
    house.views = Views(house.store, house.bus, fetch_cache=4 * 10_000)
    view = await house.view()
    await house.fill(40)
    view.sync(allow_expunge=True)
    known = [
        number
        for number in range(1, 41)
        if not (await said(house, view, NumSet([(number, number)]), Att.BODY))[1]
    ]
    assert known == list(range(known[0], 41))
    assert 5 <= len(known) <= 15


def test_stretches() -> None:
    chance = random.Random(1)
    for _ in range(300):
        uids = array("I", sorted(chance.sample(range(1, 60), chance.randint(0, 40))))
        count = chance.randint(0, len(uids))
        numbers = chance.sample(range(1, count + 1), chance.randint(0, count))
        parts = list(stretches(uids, count, NumSet.of(numbers)))
        assert [n + 1 for part in parts for n in range(part.start, part.stop)] == sorted(numbers)
        for part in parts:
            block = [at for at in range(count) if uids[at] // 4 == part.number]
            assert (part.first, part.last) == (block[0], block[-1] + 1)
            assert part.whole == ((part.start, part.stop) == (part.first, part.last))


def test_bounds() -> None:
    uids = array("I", range(40))

    def part(number: int) -> Stretch:
        return Stretch(number, number * 4, number * 4 + 4, number * 4, number * 4 + 4)

    def there(box: int) -> list[int]:
        return [n for n in range(10) if held.find((1, box), "x", uids, part(n)) is not None]

    held = Blocks(6000)
    for number in range(10):
        held.keep((1, 1), "x", uids, part(number), [b"v" * 200] * 4)
    assert held.octets <= 4500
    assert there(1) == [0, 1, 2, 3]  # it keeps what it has: the same is asked for again
    held.keep((1, 2), "x", uids, part(7), [b"w" * 200] * 4)
    assert there(2) == [7]
    assert there(1) == [1, 2, 3]  # the longest unused made way
    before = held.octets
    held.keep((1, 2), "x", uids, part(7), [b"w" * 200] * 4)
    assert held.octets == before
    held.keep((1, 2), "x", uids, part(8), [b"w" * 2000] * 4)
    assert there(2) == [7]
    assert held.find((1, 2), "x", array("I", range(1, 41)), part(7)) is None  # other messages
    nothing = Blocks(0)
    nothing.keep((1, 1), "x", uids, part(0), [b"v"] * 4)
    assert nothing.find((1, 1), "x", uids, part(0)) is None
