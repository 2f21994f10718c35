"""Commit, then publish, then return: on every store."""

from __future__ import annotations

import asyncio

from pillarbox.model.change import Added, Change
from pillarbox.model.flags import FlagSet
from pillarbox.model.refusal import Refusal
from pillarbox.store.api import Appended, Column, FlagOp, Target
from support.storekit import ALL, Kit


async def test_published_before_the_answer(kit: Kit) -> None:
    """Whoever resumes has its own change among the published ones, and so has everyone else."""
    ann, bob = await kit.account(), await kit.account("bob")
    boxes = [await kit.box(ann), await kit.box(ann, "Junk"), await kit.box(bob)]
    kit.taken()

    async def deliver(number: int) -> None:
        box = boxes[number % 3]
        (done,) = await kit.store.accept(
            await kit.message(b"%d" % number), [Target(box.account, box.id)]
        )
        assert isinstance(done, Appended)
        heard = [
            (c.account, c.mailbox, m.uid)
            for c in kit.changes
            if isinstance(c, Added)
            for m in c.messages
        ]
        assert (done.account, done.mailbox, done.uid) in heard
        assert done.uid in await kit.uids(box)  # and reads see it

    await asyncio.gather(*(deliver(number) for number in range(60)))
    check_order(kit.changes)
    assert sum(kit.batches) == len(kit.changes) + 12
    assert await kit.uids(boxes[0]) == list(range(1, 21))


def check_order(changes: list[Change]) -> None:
    """Each account's modseqs ascend."""
    last: dict[int, int] = {}
    for change in changes:
        assert change.modseq >= last.get(change.account, 0)
        last[change.account] = change.modseq


async def test_every_transaction_has_a_modseq_of_its_own(kit: Kit) -> None:
    ann = await kit.account()
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    kit.taken()

    async def work(number: int) -> None:
        store = kit.store
        await kit.put(inbox)
        await store.set_flags(
            ann.id, inbox.id, ALL, FlagOp.ADD, FlagSet(0, frozenset({f"k{number}"}))
        )
        await store.copy(ann.id, inbox.id, ALL, ann.id, junk.id)
        await store.create_mailbox(ann.id, f"box{number}")
        await store.expunge(ann.id, junk.id, None, only_deleted=False)

    await asyncio.gather(*(work(number) for number in range(5)))
    changes = kit.taken()
    check_order(changes)
    modseqs = [c.modseq for c in changes]
    assert len(set(modseqs)) == len(modseqs)  # none of these makes two changes
    first = inbox.highest_modseq + 1
    assert sorted(modseqs) == list(range(first, first + len(modseqs)))


async def test_refusals_publish_nothing_and_use_up_nothing(kit: Kit) -> None:
    ann = await kit.account(quota=10)
    inbox = await kit.box(ann)
    kit.taken()
    many = [kit.store.accept(await kit.message(), [Target(ann.id, inbox.id)]) for _ in range(20)]
    for (answer,) in await asyncio.gather(*many):
        assert isinstance(answer, Refusal)
    assert kit.taken() == []
    assert (await kit.put(inbox, body=b"x")).modseq == inbox.highest_modseq + 1


async def test_a_cancelled_waiter_leaves_a_whole_change(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    messages = [await kit.message(b"c" * size) for size in (10, 9000)]
    for message in messages:
        waiting = asyncio.create_task(kit.store.accept(message, [Target(ann.id, inbox.id)]))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        message.content.discard()
    await kit.put(inbox)
    loaded = await kit.store.load(ann.id, inbox.id)
    assert loaded is not None
    assert len(loaded.uids) == loaded.box.messages
    for blob in await kit.column(inbox, Column.BLOB):
        assert isinstance(blob, int)
        assert await kit.store.read(blob)
