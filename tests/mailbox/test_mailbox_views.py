"""The registry: one state a mailbox, kept true through loads, races and odd changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.bus.local import LocalBus
from pillarbox.mailbox.state import DELETED, LOST
from pillarbox.mailbox.views import LOAD_TRIES, Views
from pillarbox.model.change import Added, Arrived, Expunged, Flagged
from pillarbox.model.flags import SEEN, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.store.api import FlagOp, Snapshot
from support.mailroom import Room, room


class Between:
    """A store that lets something happen before and after each snapshot is taken."""

    def __init__(self, inner: Room, step: Callable[[], Awaitable[object]]) -> None:
        self._inner = inner.store
        self._step = step
        self.loads = 0

    async def load(self, account: int, mailbox: int) -> Snapshot | None:
        self.loads += 1
        await self._step()
        snapshot = await self._inner.load(account, mailbox)
        await self._step()
        return snapshot

    async def claim_recent(self, account: int, mailbox: int) -> int:
        return await self._inner.claim_recent(account, mailbox)


async def test_state_is_shared_and_follows_the_store() -> None:
    house = await room()
    await house.fill(3)
    one, two = await house.view(session="1"), await house.view(session="2")
    assert one.state is two.state
    await house.fill(1)
    updates = one.sync(allow_expunge=True)
    assert updates.exists == 4
    assert two.sync(allow_expunge=True) is updates
    await house.views.close(one)
    await house.views.close(two)


async def test_changes_during_the_load_are_not_missed_nor_counted_twice() -> None:
    house = await room()
    await house.fill(2)

    async def arrive() -> None:
        uid = await house.put(b"Subject: x\r\n\r\n\r\n")
        box = await house.box()
        await house.store.expunge(
            house.account, box.id, NumSet([(uid - 1, uid - 1)]), only_deleted=False
        )

    views = Views(Between(house, arrive), house.bus)
    view = await views.open(house.account, (await house.box()).id, session="s")
    assert view is not None
    fresh = await house.store.load(house.account, view.box.id)
    assert fresh is not None
    assert list(view.uids) == list(fresh.uids)
    assert list(view.state.modseqs) == list(fresh.modseqs)


async def test_concurrent_opens_load_once() -> None:
    house = await room()
    await house.fill(2)
    store = Between(house, lambda: asyncio.sleep(0))
    views = Views(store, house.bus)
    box = (await house.box()).id
    opened = await asyncio.gather(
        *(views.open(house.account, box, session=str(n)) for n in range(10))
    )
    assert store.loads == 1
    assert len({id(view.state) for view in opened if view}) == 1


async def test_no_such_mailbox() -> None:
    house = await room()
    assert await house.views.open(house.account, 999, session="s") is None
    assert not house.views._rooms
    assert not house.bus._topics


async def test_a_failing_load_leaves_nothing_behind() -> None:
    house = await room()
    failing = True

    async def step() -> None:
        if failing:
            raise Temporary("the disk")

    views = Views(Between(house, step), house.bus)
    box = (await house.box()).id
    results = await asyncio.gather(
        *(views.open(house.account, box, session=str(n)) for n in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, Temporary) for result in results)
    assert not views._rooms
    assert not house.bus._topics
    failing = False
    assert await views.open(house.account, box, session="s") is not None


@pytest.mark.parametrize(
    "odd",
    [
        Added(1, 1, 10_000, [Arrived(1, 0)], ()),
        Flagged(1, 1, 10_000, [77], [SEEN], ()),
        Expunged(1, 1, 10_000, [77]),
    ],
)
async def test_a_change_that_does_not_fit_makes_it_load_again(
    odd: Added | Flagged | Expunged,
) -> None:
    house = await room()
    await house.fill(3)
    view = await house.view()
    assert (view.box.account, view.box.id) == (odd.account, odd.mailbox)
    kept = house.store.state.homes[1].boxes[1]
    kept.messages[2].flags = SEEN  # something that no change told of
    kept.messages[2].modseq = kept.highest_modseq = 10_001
    house.bus.publish([odd])
    await house.views._rooms[1, 1].loading  # type: ignore[misc]
    updates = view.sync(allow_expunge=True)
    assert [row[1:3] for row in updates.flagged] == [(2, SEEN)]
    assert view.state.generation == 1
    assert not view.ended


async def test_changes_while_it_loads_again() -> None:
    house = await room()
    await house.fill(3)
    view = await house.view()
    house.bus.publish([Expunged(1, 1, 10_000, [77])])
    house.store.state.homes[1].modseq = 20_000
    await house.put(b"Subject: x\r\n\r\n\r\n")
    await house.ops.store_flags(view, NumSet([(1, 1)]), FlagOp.ADD, FlagSet(SEEN))
    await house.views._rooms[1, 1].loading  # type: ignore[misc]
    assert view.sync(allow_expunge=True).exists == 4
    fresh = await house.store.load(1, 1)
    assert fresh is not None
    assert list(view.state.flags) == list(fresh.flags)


async def test_a_mailbox_that_never_agrees_is_given_up() -> None:
    house = await room()
    await house.fill(1)
    modseq = 10_000

    async def step() -> None:
        nonlocal modseq
        modseq += 1
        house.bus.publish([Flagged(1, 1, modseq, [77], [0], ())])

    store = Between(house, step)
    views = Views(store, house.bus)
    with pytest.raises(Temporary):
        await views.open(1, 1, session="s")
    assert store.loads == LOAD_TRIES
    assert not views._rooms


async def test_lost_when_it_cannot_be_loaded_again(caplog: pytest.LogCaptureFixture) -> None:
    house = await room()
    await house.fill(1)
    broken = False

    async def step() -> None:
        if broken:
            raise Temporary("the disk")

    views = Views(Between(house, step), house.bus)
    view = await views.open(1, 1, session="s")
    assert view is not None
    broken = True
    house.bus.publish([Expunged(1, 1, 10_000, [77])])
    await views._rooms[1, 1].loading  # type: ignore[misc]
    assert view.ended == LOST
    assert view.changed.is_set()
    await views.close(view)
    broken = False
    assert await views.open(1, 1, session="t") is not None
    assert "mailbox.lost" in caplog.text


async def test_deleted_mailbox_ends_its_sessions() -> None:
    house = await room()
    await house.ops.create(house.account, "Old")
    view = await house.view("Old")
    assert await house.ops.delete(house.account, "Old") is None
    assert view.ended == DELETED
    box = view.box.id
    assert await house.views.open(house.account, box, session="late") is None
    await house.views.close(view)
    assert await house.views.open(house.account, box, session="later") is None
    assert not house.views._rooms


async def test_stays_in_memory_for_the_next_session_within_bounds() -> None:
    house = await room()
    for name in ("A", "B", "C"):
        await house.ops.create(house.account, name)
        await house.fill(2, name)
    store = Between(house, lambda: asyncio.sleep(0))
    views = Views(store, house.bus, idle_messages=4)
    boxes = [(await house.box(name)).id for name in ("A", "B", "C")]
    for box in boxes:
        opened = await views.open(house.account, box, session="s")
        assert opened is not None
        await views.close(opened)
        await views.close(opened)
    assert store.loads == 3
    assert _counted(views) == 4
    await house.fill(1, "C")
    assert _counted(views) == 5  # it grew while nobody looked
    view = await views.open(house.account, boxes[2], session="s")
    assert _counted(views) == 2
    assert view is not None
    assert view.exists == 3  # it followed while nobody looked
    await views.close(view)
    assert _counted(views) == 3
    assert store.loads == 3
    await views.open(house.account, boxes[0], session="s")
    assert store.loads == 4  # A was the oldest
    views.shut()
    assert not views._rooms


def _counted(views: Views) -> int:
    """What the registry takes its mailboxes without a session to hold, once that is true."""
    held = sum(len(one.state) for one in views._idle.values() if one.state is not None)
    assert views._idle_held == held
    return held


async def test_recent_is_for_the_first_session_only() -> None:
    house = await room()
    await house.fill(2)
    look = await house.view(session="look", read_only=True)
    assert look.recent == 2
    first = await house.view(session="1")
    assert first.recent == 2
    second = await house.view(session="2")
    assert second.recent == 0
    await house.fill(1)
    assert first.sync(allow_expunge=True).exists == 3
    assert (first.recent, second.recent) == (3, 0)
    third = await house.view(session="3")
    assert third.recent == 0  # it was announced to the first
    for each in (first, second, third, look):
        await house.views.close(each)
    house.views.shut()
    again = Views(house.store, house.bus)  # as after a restart
    view = await again.open(house.account, third.box.id, session="s")
    assert view is not None
    assert view.recent == 0


async def test_unannounced_mail_stays_recent() -> None:
    house = await room()
    first = await house.view(session="1")
    await house.fill(1)
    await house.views.close(first)
    house.views.shut()
    view = await Views(house.store, house.bus).open(house.account, first.box.id, session="s")
    assert view is not None
    assert view.recent == 1


async def test_peek() -> None:
    house = await room()
    box = (await house.box()).id
    assert house.views.peek(house.account, box) is None
    view = await house.view()
    assert house.views.peek(house.account, box) is view.state


async def test_a_cancelled_opener_leaves_the_others_alone() -> None:
    house = await room()
    gate = asyncio.Event()
    views = Views(Between(house, gate.wait), LocalBus())
    box = (await house.box()).id
    one = asyncio.create_task(views.open(house.account, box, session="1"))
    two = asyncio.create_task(views.open(house.account, box, session="2"))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await two is not None
    with pytest.raises(asyncio.CancelledError):
        await one
    assert views._rooms[house.account, box].users == 1
