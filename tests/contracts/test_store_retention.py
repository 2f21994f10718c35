"""What was expunged: tombstones, retention, undoing, and the end, on every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.base.errors import Permanent
from pillarbox.model.change import Added, Arrived
from pillarbox.model.flags import flag_set
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind
from pillarbox.store.api import Copied, Removed, Retained
from support.storekit import ALL, Kit, refused, some


async def test_expunged_mail_is_retained(kit: Kit) -> None:
    ann = await kit.account()
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    one, two = await kit.put(inbox, "\\Deleted", "kw"), await kit.put(junk, body=b"two")
    await kit.store.expunge(ann.id, inbox.id, ALL, only_deleted=True, by="pop3/ann")
    at = int(kit.clock.time)
    kit.clock.time += 10.5
    await kit.store.expunge(ann.id, junk.id, None, only_deleted=False)
    first = Retained(ann.id, inbox.id, "INBOX", 1, at, 100, one.blob, b"env" + b"x" * 9, "pop3/ann")
    second = Retained(ann.id, junk.id, "Junk", 1, at + 10, 3, two.blob, b"envtwo", "")
    assert await kit.store.retained(ann.id) == [first, second]
    assert await kit.store.retained(ann.id, junk.id) == [second]
    assert await kit.store.retained(999) == []
    assert await kit.store.read(one.blob) == b"x" * 100


async def test_undelete(kit: Kit) -> None:
    ann = await kit.account()
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    await kit.put(inbox, "\\Deleted", "\\Seen", "kw")
    await kit.put(inbox, "a", "KW")
    await kit.put(junk, "k2", "kw")
    for box in (inbox, junk):
        await kit.store.expunge(ann.id, box.id, None, only_deleted=False)
    kept = await kit.store.retained(ann.id)
    kit.clock.time += 100
    kit.taken()
    done = await kit.store.undelete(ann.id, [kept[2], kept[0], kept[0]], junk.id)
    assert isinstance(done, Copied)
    assert (list(done.source), list(done.target)) == ([1, 1], [2, 3])
    assert await kit.flags(junk) == {2: flag_set(["k2", "kw"]), 3: flag_set(["\\Seen", "kw"])}
    (added,) = kit.taken()
    assert isinstance(added, Added)
    assert (added.modseq, added.keywords) == (done.modseq, ("k2", "kw"))
    assert [m.uid for m in added.messages] == [2, 3]
    assert isinstance(added.messages[0], Arrived)
    now = await kit.again(junk)
    assert (now.messages, now.unseen, now.deleted, now.uidnext) == (2, 1, 0, 4)
    account = await kit.store.account(ann.id)
    assert account is not None
    assert account.used == 200
    assert await kit.store.retained(ann.id) == [kept[1]]
    empty = await kit.store.undelete(ann.id, kept[:1], junk.id)
    assert isinstance(empty, Copied)
    assert (list(empty.target), empty.modseq) == ([], 0)
    foreign = await kit.store.undelete(ann.id, [replace(kept[1], account=99)], junk.id)
    assert isinstance(foreign, Copied)
    assert list(foreign.target) == []
    assert kit.taken() == []


async def test_undelete_refused(kit: Kit) -> None:
    ann = await kit.account(quota=100)
    inbox = await kit.box(ann)
    await kit.put(inbox)
    await kit.store.expunge(ann.id, inbox.id, None, only_deleted=False)
    await kit.put(inbox)
    kept = await kit.store.retained(ann.id)
    kit.taken()
    assert refused(await kit.store.undelete(ann.id, kept, inbox.id), Kind.OVER_QUOTA)
    assert refused(await kit.store.undelete(ann.id, kept, 999), Kind.NONEXISTENT)
    assert kit.taken() == []
    assert await kit.store.retained(ann.id) == kept


async def test_a_deleted_mailbox_can_be_brought_back(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann, "gone")
    for body in (b"1", b"2" * 9000):
        await kit.put(box, "kw", body=body)
    await kit.store.delete_mailbox(ann.id, box.id)
    back = await kit.box(ann, "back")
    done = await kit.store.undelete(ann.id, await kit.store.retained(ann.id, box.id), back.id)
    assert isinstance(done, Copied)
    assert await kit.flags(back) == {1: flag_set(["kw"]), 2: flag_set(["kw"])}


async def test_purging(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    inbox, his = await kit.box(ann), await kit.box(bob)
    one = await kit.put(inbox, body=b"1" * 10)
    two = await kit.put(inbox, body=b"2" * 7000)
    three = await kit.put(his, body=b"3" * 5)
    await kit.store.expunge(ann.id, inbox.id, some(one.uid), only_deleted=False)
    kit.clock.time += 100
    await kit.store.expunge(ann.id, inbox.id, some(two.uid), only_deleted=False)
    await kit.store.expunge(bob.id, his.id, None, only_deleted=False)
    assert await kit.store.purge(kit.clock.time - 50, 0) == 10
    assert [r.blob for r in await kit.store.retained(ann.id)] == [two.blob]
    with pytest.raises(Permanent):
        await kit.store.read(one.blob)
    assert await kit.store.read(two.blob) == b"2" * 7000
    assert await kit.store.purge(kit.clock.time + 1, 0) == 7005
    for blob in (two.blob, three.blob):
        with pytest.raises(Permanent):
            await kit.store.read(blob)
    assert await kit.store.retained(ann.id) == []
    assert await kit.store.purge(kit.clock.time + 1, 0) == 0


async def test_purging_much(kit: Kit) -> None:
    ann = await kit.account()
    inbox, other = await kit.box(ann), await kit.box(ann, "Junk")
    await kit.put(inbox, body=b"7")
    for _ in range(12):  # 4096 copies, doubling
        await kit.store.copy(ann.id, inbox.id, ALL, ann.id, inbox.id)
    await kit.store.copy(ann.id, inbox.id, some(1), ann.id, other.id)
    gone = await kit.store.expunge(ann.id, inbox.id, None, only_deleted=False)
    assert isinstance(gone, Removed)
    assert len(gone.uids) == 4096
    assert await kit.store.purge(kit.clock.time + 1, 0) == 0
    assert await kit.store.retained(ann.id) == []
    await kit.store.expunge(ann.id, other.id, None, only_deleted=False)
    assert await kit.store.purge(kit.clock.time + 1, 0) == 1


async def test_tombstones(kit: Kit) -> None:
    ann = await kit.account()
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    for _ in range(9):
        await kit.put(inbox)
    start = (await kit.again(inbox)).highest_modseq
    modseqs = []
    for uids in (some(2, 3, 4, 8), some(1), some(6)):
        kit.clock.time += 10
        done = await kit.store.expunge(ann.id, inbox.id, uids, only_deleted=False)
        assert isinstance(done, Removed)
        modseqs.append(done.modseq)
    kit.clock.time += 10
    moved = await kit.store.move(ann.id, inbox.id, some(9), ann.id, junk.id)
    assert isinstance(moved, Copied)
    since = kit.store.expunged_since
    assert await since(ann.id, inbox.id, start) == (some(1, 2, 3, 4, 6, 8, 9), 0)
    assert await since(ann.id, inbox.id, modseqs[0]) == (some(1, 6, 9), 0)
    assert await since(ann.id, inbox.id, modseqs[2]) == (some(9), 0)
    assert await since(ann.id, inbox.id, moved.modseq) == (NumSet(), 0)
    assert await since(ann.id, junk.id, 0) == (NumSet(), 0)
    await kit.store.purge(0, kit.clock.time - 15)
    assert await since(ann.id, inbox.id, modseqs[1]) == (some(6, 9), modseqs[1])
    assert await since(ann.id, inbox.id, start) == (some(6, 9), modseqs[1])
    await kit.store.purge(0, kit.clock.time - 15)
    assert await since(ann.id, inbox.id, 0) == (some(6, 9), modseqs[1])
    await kit.store.purge(0, kit.clock.time + 1)
    assert await since(ann.id, inbox.id, 0) == (NumSet(), moved.modseq)
    assert len(await kit.store.retained(ann.id)) == 6
    assert await since(ann.id, junk.id, 0) == (NumSet(), 0)


async def test_floors_are_each_mailboxs_own(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    for account in (ann, bob):
        box = await kit.box(account)
        await kit.put(box)
        await kit.store.expunge(account.id, box.id, None, only_deleted=False)
        kit.clock.time += 100
    await kit.store.purge(0, kit.clock.time - 150)
    hers, his = await kit.box(ann), await kit.box(bob)
    assert await kit.store.expunged_since(ann.id, hers.id, 0) == (NumSet(), hers.highest_modseq)
    assert await kit.store.expunged_since(bob.id, his.id, 0) == (some(1), 0)
