"""The queue on every store."""

from __future__ import annotations

from typing import Any

import pytest

from pillarbox.base.errors import Permanent
from pillarbox.model.change import Added
from pillarbox.model.refusal import Kind
from pillarbox.model.reply import Reply
from pillarbox.store.api import NewItem, QueueFilter, QueueItem, Settled, Target
from support.storekit import Kit, envelope, refused

LATER = Reply(451, "4.4.1", "try ägain")
GONE = Reply(550, "5.1.1", "no such user")


async def one(kit: Kit, item: int) -> QueueItem:
    (found,) = [i for i in await kit.store.queue_items() if i.id == item]
    return found


async def take(kit: Kit, limit: int = 10, seconds: float = 60) -> list[QueueItem]:
    now = kit.clock.time
    return await kit.store.lease("worker", now, now + seconds, limit)


async def test_what_is_queued_comes_back(kit: Kit) -> None:
    item = await kit.queue("bob@x.example", "çy@x.example")
    found = await one(kit, item)
    assert found.envelope == envelope("bob@x.example", "çy@x.example")
    assert [(r.number, r.attempts, r.state, r.last) for r in found.recipients] == [
        (0, 0, "due", None),
        (1, 0, "due", None),
    ]
    assert await kit.store.read(found.blob) == b"Subject: hi\r\n\r\nhello\r\n"


async def test_listing_in_pages(kit: Kit) -> None:
    items = [await kit.queue(f"r{n}@x.example") for n in range(5)]
    assert [i.id for i in await kit.store.queue_items()] == items == sorted(items)
    assert [i.id for i in await kit.store.queue_items(2)] == items[:2]
    assert [i.id for i in await kit.store.queue_items(2, after=items[1])] == items[2:4]
    assert await kit.store.queue_items(5, after=items[-1]) == []


async def test_listing_by_what_items_have_in_common(kit: Kit) -> None:
    one = await kit.queue("Bob@X.example", "c@y.example")
    kit.clock.time += 10
    two = await kit.queue("bob@x.example")
    many = [await kit.queue(f"r{n}@z.example") for n in range(120)]
    await kit.store.hold(two, True)

    async def found(limit: int = 1000, after: int = 0, **which: Any) -> list[int]:
        where = QueueFilter(**which)
        return [item.id for item in await kit.store.queue_items(limit, after, where)]

    assert await found() == [one, two, *many]
    assert await found(domain="x.example") == [one, two]
    assert await found(domain="y.example", state="held") == []
    assert await found(state="held") == [two]
    assert await found(before=kit.clock.time) == [one]
    assert await found(recipient="BOB@x.example") == [one, two]
    assert await found(recipient="@z.example") == many
    assert await found(recipient="@z.example", limit=2, after=many[98]) == many[99:101]
    assert await found(sender="ann@example.org", recipient="r7@z.example") == [many[7]]
    assert await found(sender="@example.com") == []
    assert await found(sender="") == []


async def test_leases_of_a_dead_process_are_free_again(kit: Kit) -> None:
    item = await kit.queue("a@x.example")
    (taken,) = await take(kit)
    assert await take(kit) == []
    assert await kit.store.reclaim() == 1
    (again,) = await take(kit)
    assert (again.id, again.lease != taken.lease) == (item, True)
    assert refused(await kit.store.settle(item, taken.lease, []), Kind.STALE)


async def test_leases_oldest_due_first(kit: Kit) -> None:
    now = kit.clock.time
    late = await kit.queue("a@x.example", due=now - 1)
    early = await kit.queue("b@x.example", "c@x.example", due=now - 9)
    future = await kit.queue("d@x.example", due=now + 50)
    same = await kit.queue("e@x.example", due=now - 1)
    assert await take(kit, 0) == []
    first = await take(kit, 2)
    assert [i.id for i in first] == [early, late]
    assert all(i.lease for i in first)
    assert await one(kit, early) == first[0]
    assert [i.id for i in await take(kit)] == [same]
    assert await take(kit) == []
    assert await kit.store.next_due() == now + 50
    kit.clock.time += 60
    assert [i.id for i in await take(kit)] == [early, late, same, future]


async def test_next_due(kit: Kit) -> None:
    now = kit.clock.time
    assert await kit.store.next_due() is None
    item = await kit.queue("a@x.example", due=now + 5)
    assert await kit.store.next_due() == now + 5
    kit.clock.time += 5
    (leased,) = await take(kit, seconds=60)
    assert await kit.store.next_due() == now + 65
    assert await kit.store.hold(item, True) is None
    assert await kit.store.next_due() is None
    assert leased.id == item


async def test_settling(kit: Kit) -> None:
    item = await kit.queue("a@x.example", "b@x.example", "c@x.example")
    (leased,) = await take(kit)
    results = [
        Settled(0, "done", 0, None),
        Settled(1, "due", kit.clock.time + 300, LATER),
    ]
    assert await kit.store.settle(item, leased.lease, results) is None
    now = await one(kit, item)
    assert now.lease == ""
    assert [(r.state, r.attempts, r.last) for r in now.recipients] == [
        ("done", 1, None),
        ("due", 1, LATER),
        ("due", 0, None),
    ]
    assert now.recipients[1].due == kit.clock.time + 300
    assert refused(await kit.store.settle(item, leased.lease, results), Kind.STALE)
    (again,) = await take(kit)
    assert again.lease != leased.lease
    rest = [Settled(2, "failed", 0, GONE), Settled(1, "failed", 0, GONE)]
    assert await kit.store.settle(item, again.lease, rest) is None
    assert await kit.store.queue_items() == []
    assert await kit.store.next_due() is None
    with pytest.raises(Permanent):
        await kit.store.read(leased.blob)


async def test_a_reply_is_kept_until_the_next(kit: Kit) -> None:
    item = await kit.queue("a@x.example")
    for reply in (LATER, None):
        (leased,) = await take(kit)
        await kit.store.settle(item, leased.lease, [Settled(0, "due", 0, reply)])
    (recipient,) = (await one(kit, item)).recipients
    assert (recipient.attempts, recipient.last) == (2, LATER)


async def test_lost_leases(kit: Kit) -> None:
    item = await kit.queue("a@x.example")
    (mine,) = await take(kit, seconds=10)
    kit.clock.time += 10
    (theirs,) = await take(kit, seconds=10)  # the same owner: still another lease
    done = [Settled(0, "done", 0, None)]
    assert refused(await kit.store.settle(item, mine.lease, done), Kind.STALE)
    assert refused(await kit.store.settle(item, "", done), Kind.STALE)
    assert refused(await kit.store.settle(999, theirs.lease, done), Kind.STALE)
    kit.clock.time += 100
    assert await kit.store.settle(item, theirs.lease, done) is None  # late, but nobody else's
    assert await kit.store.queue_items() == []


async def test_states_for_whoever_has_the_lease(kit: Kit) -> None:
    item = await kit.queue("a@x.example", "b@x.example")
    assert await kit.store.states(item, "") is None
    (mine,) = await take(kit, seconds=10)
    assert await kit.store.states(item, mine.lease) == ("due", "due")
    done = [Settled(1, "done", 0, None)]
    until = kit.clock.time + 10
    assert await kit.store.settle(item, mine.lease, done, keep_until=until) is None
    assert await kit.store.hold(item, True) is None
    assert await kit.store.states(item, mine.lease) == ("held", "done")
    assert await kit.store.hold(item, False) is None
    kit.clock.time += 10
    assert await kit.store.states(item, mine.lease) == ("due", "done")  # late, but nobody else's
    (theirs,) = await take(kit)
    assert await kit.store.states(item, mine.lease) is None
    assert await kit.store.states(item, theirs.lease) == ("due", "done")
    assert await kit.store.states(999, theirs.lease) is None
    assert await kit.store.drop(item) is None
    assert await kit.store.states(item, theirs.lease) is None


async def test_a_notice_in_the_same_transaction(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    item = await kit.queue("a@x.example")
    (leased,) = await take(kit)
    kit.taken()
    notice = await kit.message(b"bounce" * 2000)
    target, missing = Target(ann.id, inbox.id), Target(ann.id, 999, pair=(0, 0))
    back = NewItem(envelope("ann@example.org"), [], 7.0)
    failed = [Settled(0, "failed", 0, GONE)]
    wrong = await kit.store.settle(item, "worker/77", failed, notice, back, [target, missing])
    assert refused(wrong, Kind.STALE)
    assert kit.taken() == []
    assert (
        await kit.store.settle(item, leased.lease, failed, notice, back, [target, missing]) is None
    )
    (added,) = kit.taken()
    assert isinstance(added, Added)
    (queued,) = await kit.store.queue_items()
    assert queued.id > item
    assert queued.recipients[0].due == 7.0
    notice.content.discard()
    assert await kit.store.read(queued.blob) == b"bounce" * 2000
    assert await kit.uids(inbox) == [1]


async def test_a_notice_nobody_can_take(kit: Kit) -> None:
    item = await kit.queue("a@x.example")
    (leased,) = await take(kit)
    failed = [Settled(0, "failed", 0, GONE)]
    notice = await kit.message(b"n" * 9000)
    assert await kit.store.settle(item, leased.lease, failed, notice, None, [Target(1, 1)]) is None
    assert await kit.store.queue_items() == []
    notice.content.discard()


async def test_holding(kit: Kit) -> None:
    item = await kit.queue("a@x.example", "b@x.example")
    (leased,) = await take(kit)
    assert await kit.store.hold(item, True) is None
    assert [r.state for r in (await one(kit, item)).recipients] == ["held", "held"]
    results = [Settled(0, "due", 0, LATER), Settled(1, "done", 0, None)]
    assert await kit.store.settle(item, leased.lease, results) is None
    assert [r.state for r in (await one(kit, item)).recipients] == ["held", "done"]
    kit.clock.time += 1000
    assert await take(kit) == []
    assert await kit.store.hold(item, False) is None
    assert [r.state for r in (await one(kit, item)).recipients] == ["due", "done"]
    assert len(await take(kit)) == 1
    assert refused(await kit.store.hold(999, True), Kind.NONEXISTENT)


async def test_dropping(kit: Kit) -> None:
    item = await kit.queue("a@x.example")
    (leased,) = await take(kit)
    assert await kit.store.drop(item) is None
    assert await kit.store.queue_items() == []
    done = [Settled(0, "done", 0, None)]
    assert refused(await kit.store.settle(item, leased.lease, done), Kind.STALE)
    assert refused(await kit.store.drop(item), Kind.NONEXISTENT)
    with pytest.raises(Permanent):
        await kit.store.read(leased.blob)
    assert (await kit.queue("b@x.example")) > item


async def test_one_blob_for_mailbox_and_queue(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    item = NewItem(envelope("bob@x.example"), [(0, 0)], 0.0)
    (done,) = await kit.store.accept(await kit.message(), [Target(ann.id, inbox.id)], item)
    (queued,) = await kit.store.queue_items()
    assert done.blob == queued.blob  # type: ignore[union-attr]
    assert await kit.store.drop(queued.id) is None
    assert await kit.store.read(queued.blob) == b"Subject: hi\r\n\r\nhello\r\n"


async def leased(kit: Kit, limit: int = 100, busy: tuple[str, ...] = ()) -> list[int]:
    now = kit.clock.time
    found = await kit.store.lease("w", now, now + 60, limit, busy=busy)
    return [item.id for item in found]


async def test_senders_take_turns(kit: Kit) -> None:
    bulk = [await kit.queue(f"r{n}@x.example", due=5, sender="bulk") for n in range(30)]
    few = [await kit.queue("y@x.example", due=9, sender=name) for name in ("zoe", "abe")]
    first = await leased(kit, 6)
    assert set(few) < set(first)
    assert [item for item in first if item in bulk] == bulk[:4]
    assert await leased(kit, 100) == bulk[4:]


async def test_one_of_each_when_there_is_no_room_for_more(kit: Kit) -> None:
    owners: dict[int, str] = {}
    for name in ("a", "b", "c", "d", "e"):
        for _ in range(3):
            owners[await kit.queue("y@x.example", sender=name)] = name
    seen: list[str] = []
    while some := await leased(kit, 2):
        seen += [owners[item] for item in some]
    assert sorted(seen) == sorted(owners.values())


async def test_priority_goes_before_age_and_turns(kit: Kit) -> None:
    plain = await kit.queue("a@x.example", due=1, sender="x")
    low = await kit.queue("a@x.example", due=0, priority=-3)
    high = [await kit.queue("a@x.example", due=9, priority=4) for _ in range(2)]
    assert await leased(kit, 3) == [*high, plain]
    assert await leased(kit) == [low]
    assert (await one(kit, low)).priority == -3


async def test_busy_domains_are_passed_over(kit: Kit) -> None:
    only = await kit.queue("a@Busy.example")
    both = await kit.queue("a@busy.example", "b@free.example")
    assert (await one(kit, only)).recipients[0].domain == "busy.example"
    assert await leased(kit, busy=("busy.example",)) == [both]
    assert await leased(kit) == [only]


async def test_results_are_kept_while_the_lease_goes_on(kit: Kit) -> None:
    number = await kit.queue("a@x.example", "b@y.example")
    (item,) = await take(kit, seconds=60)
    first = [Settled(0, "failed", 0, GONE, owed="failed")]
    assert (
        await kit.store.settle(number, item.lease, first, keep_until=kit.clock.time + 600) is None
    )
    kit.clock.time += 100
    assert await take(kit) == []
    kept = await one(kit, number)
    assert kept.lease == item.lease
    assert [(r.state, r.owed) for r in kept.recipients] == [("failed", "failed"), ("due", "")]
    rest = [Settled(1, "done", 0, None)]
    assert await kit.store.settle(number, item.lease, rest) is None
    assert await kit.store.queue_items() == []


async def test_debts_outlive_whoever_was_to_pay_them(kit: Kit) -> None:
    number = await kit.queue("a@x.example", "b@x.example")
    (item,) = await take(kit, seconds=60)
    all_ = [Settled(n, "failed", 0, GONE, owed="failed") for n in range(2)]
    assert await kit.store.settle(number, item.lease, all_, keep_until=kit.clock.time + 60) is None
    kit.clock.time += 61
    (again,) = await take(kit)
    assert [r.owed for r in again.recipients] == ["failed", "failed"]
    assert await kit.store.settle(number, again.lease, [], owing=True) is None
    (again,) = await take(kit)
    assert await kit.store.settle(number, again.lease, []) is None
    assert await kit.store.queue_items() == []


async def test_debts_wait_for_those_who_are_due(kit: Kit) -> None:
    number = await kit.queue("a@busy.example", "b@x.example")
    (item,) = await take(kit)
    told = [Settled(1, "due", kit.clock.time + 90, LATER, owed="delayed", warned=True)]
    assert await kit.store.settle(number, item.lease, told, owing=True) is None
    assert await leased(kit, busy=("busy.example",)) == []
    (item,) = await take(kit)
    assert await kit.store.settle(number, item.lease, [Settled(0, "done", 0, None)]) is None
    row = (await one(kit, number)).recipients[1]
    assert (row.owed, row.warned, row.state) == ("", True, "due")


async def test_retry_sets_the_time_of_those_who_are_due(kit: Kit) -> None:
    number = await kit.queue("a@x.example", due=kit.clock.time + 500)
    assert await kit.store.retry(number, kit.clock.time) is None
    assert await leased(kit) == [number]
    assert refused(await kit.store.retry(999, 0.0), Kind.NONEXISTENT)
