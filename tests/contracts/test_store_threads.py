"""Threads: decided when a message comes, and kept."""

from __future__ import annotations

from pillarbox.model.mailbox import Mailbox
from pillarbox.store import rules
from pillarbox.store.api import Appended, Column, Target
from support.storekit import ALL, Kit


async def come(kit: Kit, kin: tuple[int, ...], *boxes: Mailbox) -> None:
    """One message with these kin, for all of these mailboxes."""
    message = await kit.message(kin=kin)
    for result in await kit.store.accept(message, [Target(b.account, b.id) for b in boxes]):
        assert isinstance(result, Appended)


async def test_answers_join_what_they_answer(kit: Kit) -> None:
    box = await kit.box(await kit.account())
    await come(kit, (11,), box)
    await come(kit, (12, 11), box)
    await come(kit, (13, 12, 11), box)
    await come(kit, (21,), box)
    await come(kit, (0, 12), box)  # without a Message-ID
    assert await kit.column(box, Column.THREAD) == [11, 11, 11, 21, 11]


async def test_an_answer_that_comes_first_is_joined(kit: Kit) -> None:
    box = await kit.box(await kit.account())
    await come(kit, (12, 11), box)
    await come(kit, (13, 11), box)
    await come(kit, (11,), box)
    assert await kit.column(box, Column.THREAD) == [11, 11, 11]


async def test_threads_that_prove_to_be_one_stay_two(kit: Kit) -> None:
    """RFC 8474 §5.2: a THREADID once reported does not change."""
    box = await kit.box(await kit.account())
    await come(kit, (11,), box)
    await come(kit, (21,), box)
    await come(kit, (31, 21, 11), box)
    await come(kit, (32, 31, 21, 11), box)
    assert await kit.column(box, Column.THREAD) == [11, 21, 21, 21]


async def test_without_any_kin_a_thread_of_its_own(kit: Kit) -> None:
    box = await kit.box(await kit.account())
    await come(kit, (), box)
    await come(kit, (), box)
    blobs = await kit.column(box, Column.BLOB)
    assert await kit.column(box, Column.THREAD) == [
        -blob for blob in blobs if isinstance(blob, int)
    ]


async def test_accounts_have_met_different_messages(kit: Kit) -> None:
    his, hers = await kit.box(await kit.account()), await kit.box(await kit.account("bob"))
    await come(kit, (12, 11), his)
    await come(kit, (13, 12), his)
    await come(kit, (13, 12), hers)
    await come(kit, (14, 13, 12), hers, his)  # one message: one thread for both
    assert await kit.column(his, Column.THREAD) == [11, 11, 12]
    assert await kit.column(hers, Column.THREAD) == [12, 12]


async def test_copies_and_what_comes_back_keep_theirs(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    box, other, hers = await kit.box(ann), await kit.box(ann, "Junk"), await kit.box(bob)
    await come(kit, (12, 11), box)
    await kit.store.copy(ann.id, box.id, ALL, bob.id, hers.id)
    await kit.store.move(ann.id, box.id, ALL, ann.id, other.id)
    await kit.store.expunge(ann.id, other.id, None, only_deleted=False)
    await kit.store.undelete(ann.id, await kit.store.retained(ann.id), box.id)
    assert await kit.column(box, Column.THREAD) == [11]
    assert await kit.column(hers, Column.THREAD) == [11]
    # The thread is known to the account also when none of its messages is there.
    await kit.store.expunge(ann.id, box.id, None, only_deleted=False)
    await come(kit, (13, 12), box)
    assert await kit.column(box, Column.THREAD) == [11]


async def test_many_at_once_join_each_other(kit: Kit) -> None:
    box = await kit.box(await kit.account())
    target = Target(box.account, box.id)
    done = await kit.store.append_many(
        [(await kit.message(kin=kin), target) for kin in ((12, 11), (11,), (14, 12))]
    )
    assert isinstance(done, list)
    assert await kit.column(box, Column.THREAD) == [11, 11, 11]


def test_the_rule() -> None:
    assert rules.thread_of((3, 2, 1), {}, 9) == 1
    assert rules.thread_of((3, 2, 1), {1: 7, 2: 8}, 9) == 8
    assert rules.thread_of((3,), {3: 5}, 9) == 5
    assert rules.thread_of((0, 4), {}, 9) == 4
    assert rules.thread_of((), {}, 9) == -9
