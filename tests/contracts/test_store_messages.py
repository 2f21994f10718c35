"""Flags, copies, moves and expunges on every store."""

from __future__ import annotations

from typing import cast

import pytest

from pillarbox.model.change import Added, Arrived, Expunged, Flagged
from pillarbox.model.flags import (
    DELETED,
    FLAGGED,
    MAX_KEYWORDS,
    POP3_HIDDEN,
    SEEN,
    FlagSet,
    flag_set,
)
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind
from pillarbox.store.api import Column, Copied, FlagOp, Folded, Removed, Stored, Target
from support.storekit import ALL, Kit, refused, some


async def filled(kit: Kit, *flags: str) -> Mailbox:
    """INBOX of a new account with one message for each string of flags."""
    ann = await kit.account()
    inbox = await kit.box(ann)
    for words in flags:
        await kit.put(inbox, *words.split())
    kit.taken()
    return await kit.again(inbox)


async def store_flags(kit: Kit, box: Mailbox, uids: NumSet, op: FlagOp, *names: str) -> Stored:
    done = await kit.store.set_flags(box.account, box.id, uids, op, flag_set(names))
    assert isinstance(done, Stored)
    return done


async def test_load(kit: Kit) -> None:
    box = await filled(kit, "", "\\Seen", "\\Deleted kw")
    loaded = await kit.store.load(box.account, box.id)
    assert loaded is not None
    assert loaded.box == box
    assert list(loaded.uids) == [1, 2, 3]
    assert list(loaded.flags) == [0, SEEN, DELETED | 256]
    assert list(loaded.modseqs) == [
        box.highest_modseq - 2,
        box.highest_modseq - 1,
        box.highest_modseq,
    ]
    assert (loaded.uids.typecode, loaded.modseqs.typecode, loaded.flags.typecode) == ("I", "Q", "Q")
    assert await kit.store.load(box.account, 999) is None
    assert await kit.store.load(999, box.id) is None


async def test_adding_flags(kit: Kit) -> None:
    box = await filled(kit, "", "\\Seen", "")
    done = await store_flags(kit, box, ALL, FlagOp.ADD, "\\Seen", "new")
    modseq = box.highest_modseq + 1
    assert done == Stored(modseq, NumSet([(1, 3)]))
    (change,) = kit.taken()
    assert isinstance(change, Flagged)
    assert list(change.uids) == [1, 2, 3]
    assert list(change.flags) == [SEEN | 256] * 3
    assert change == Flagged(box.account, box.id, modseq, change.uids, change.flags, ("new",), "")
    now = await kit.again(box)
    assert (now.unseen, now.highest_modseq, now.keywords) == (0, modseq, ("new",))


async def test_what_is_already_so_keeps_its_modseq(kit: Kit) -> None:
    box = await filled(kit, "", "\\Seen", "\\Seen k")
    before = await kit.store.load(box.account, box.id)
    assert before is not None
    done = await store_flags(kit, box, ALL, FlagOp.ADD, "\\Seen")
    assert done.changed == some(1)
    (change,) = kit.taken()
    assert isinstance(change, Flagged)
    assert list(change.uids) == [1]
    after = await kit.store.load(box.account, box.id)
    assert after is not None
    assert list(after.modseqs) == [done.modseq, *before.modseqs[1:]]
    again = await store_flags(kit, box, ALL, FlagOp.ADD, "\\Seen")
    assert again == Stored(0, NumSet())
    assert await store_flags(kit, box, some(9), FlagOp.ADD, "fresh") == Stored(0, NumSet())
    assert await store_flags(kit, box, NumSet(), FlagOp.ADD, "fresh") == Stored(0, NumSet())
    assert await store_flags(kit, box, ALL, FlagOp.REMOVE, "unknown") == Stored(0, NumSet())
    assert kit.taken() == []
    assert (await kit.again(box)).keywords == ("k",)
    assert (await kit.again(box)).highest_modseq == done.modseq


async def test_removing_and_replacing(kit: Kit) -> None:
    box = await filled(kit, "\\Seen \\Deleted One two", "\\Seen One", "\\Flagged")
    await store_flags(kit, box, ALL, FlagOp.REMOVE, "\\Deleted", "ONE", "nine")
    flags = await kit.flags(box)
    assert flags == {1: flag_set(["\\Seen", "two"]), 2: flag_set(["\\Seen"]), 3: FlagSet(FLAGGED)}
    assert (await kit.again(box)).deleted == 0
    done = await store_flags(kit, box, some(1, 3), FlagOp.REPLACE, "\\Deleted", "three")
    assert done.changed == some(1, 3)
    assert await kit.flags(box) == {
        1: flag_set(["\\Deleted", "three"]),
        2: flag_set(["\\Seen"]),
        3: flag_set(["\\Deleted", "three"]),
    }
    now = await kit.again(box)
    assert (now.unseen, now.deleted) == (2, 2)
    assert now.keywords == ("One", "two", "three")
    await store_flags(kit, box, ALL, FlagOp.REPLACE)
    assert set((await kit.flags(box)).values()) == {FlagSet()}


async def test_replacing_spares_what_no_client_can_see(kit: Kit) -> None:
    box = await filled(kit, "\\Seen")
    hide = FlagSet(POP3_HIDDEN)
    assert isinstance(await kit.store.set_flags(box.account, box.id, ALL, FlagOp.ADD, hide), Stored)
    await store_flags(kit, box, ALL, FlagOp.REPLACE, "\\Flagged")
    assert (await kit.flags(box))[1].system == FLAGGED | POP3_HIDDEN
    assert (await store_flags(kit, box, ALL, FlagOp.REPLACE, "\\Flagged")).modseq == 0
    await kit.store.set_flags(box.account, box.id, ALL, FlagOp.REMOVE, hide)
    assert (await kit.flags(box))[1].system == FLAGGED


async def test_unchanged_since(kit: Kit) -> None:
    box = await filled(kit, "", "", "")
    base = box.highest_modseq
    await store_flags(kit, box, some(2), FlagOp.ADD, "x")
    kit.taken()

    async def attempt(uids: NumSet, since: int) -> Stored:
        done = await kit.store.set_flags(
            box.account, box.id, uids, FlagOp.ADD, FlagSet(SEEN), unchanged_since=since, origin="me"
        )
        assert isinstance(done, Stored)
        return done

    done = await attempt(NumSet([(1, 3)]), base)
    assert (done.changed, done.failed) == (some(1, 3), some(2))
    (change,) = kit.taken()
    assert isinstance(change, Flagged)
    assert (list(change.uids), change.origin) == ([1, 3], "me")
    done = await attempt(some(1, 3), 0)  # RFC 7162 §3.1.3: 0 always fails
    assert (done.modseq, done.changed, done.failed) == (0, NumSet(), some(1, 3))
    assert kit.taken() == []


async def test_no_room_for_a_keyword(kit: Kit) -> None:
    box = await filled(kit, " ".join(f"k{n}" for n in range(MAX_KEYWORDS - 1)), "")
    attempt = kit.store.set_flags
    two = flag_set(["one", "two", "\\Seen"])
    for op in (FlagOp.ADD, FlagOp.REPLACE):
        done = await attempt(box.account, box.id, ALL, op, two)
        assert refused(done, Kind.LIMIT)
    assert kit.taken() == []
    assert await kit.again(box) == box
    assert isinstance(await attempt(box.account, box.id, ALL, FlagOp.REMOVE, two), Stored)
    await store_flags(kit, box, some(2), FlagOp.ADD, "last", "K3")
    assert (await kit.flags(box))[2].keywords == {"last", "k3"}
    loaded = await kit.store.load(box.account, box.id)
    assert loaded is not None
    assert loaded.flags[1] == 1 << 62 | 1 << (8 + loaded.box.keywords.index("k3"))
    await store_flags(kit, box, some(2), FlagOp.REMOVE, "last")
    assert (await kit.flags(box))[2].keywords == {"k3"}


async def test_messages_of_no_mailbox(kit: Kit) -> None:
    box = await filled(kit, "")
    store = kit.store
    assert refused(
        await store.set_flags(box.account, 999, ALL, FlagOp.ADD, FlagSet(SEEN)), Kind.NONEXISTENT
    )
    for call in (store.copy, store.move):
        assert refused(await call(box.account, 999, ALL, box.account, box.id), Kind.NONEXISTENT)
        assert refused(await call(box.account, box.id, ALL, box.account, 999), Kind.NONEXISTENT)
        assert refused(await call(box.account, box.id, ALL, 999, box.id), Kind.NONEXISTENT)
    assert refused(
        await store.expunge(box.account, 999, None, only_deleted=False), Kind.NONEXISTENT
    )
    assert [b async for b in store.rows(box.account, 999, ALL, [Column.UID])] == []
    assert await store.expunged_since(box.account, 999, 0) == (NumSet(), 0)
    assert kit.taken() == []


@pytest.mark.parametrize("move", [False, True])
async def test_copies_and_moves(kit: Kit, move: bool) -> None:
    box = await filled(kit, "\\Seen a b", "\\Deleted", "b", "")
    ann = box.account
    target = await kit.box_of(ann, "to")
    await kit.put(target, "z", "B")
    before = await kit.again(target)
    kit.clock.time += 1000
    kit.taken()
    call = kit.store.move if move else kit.store.copy
    blobs = await kit.column(box, Column.BLOB)
    done = await call(ann, box.id, some(1, 3, 4, 9), ann, target.id)
    assert isinstance(done, Copied)
    assert (list(done.source), list(done.target)) == ([1, 3, 4], [2, 3, 4])
    assert done.uidvalidity == target.uidvalidity
    assert done.modseq > max(before.highest_modseq, box.highest_modseq)
    added, *rest = kit.taken()
    assert isinstance(added, Added)
    assert (added.modseq, added.mailbox) == (done.modseq, target.id)
    assert [m.uid for m in added.messages] == [2, 3, 4]
    assert all(isinstance(m, Arrived) for m in added.messages)
    assert await kit.flags(target) == {
        1: flag_set(["z", "B"]),
        2: flag_set(["\\Seen", "a", "B"]),
        3: flag_set(["B"]),
        4: FlagSet(),
    }
    assert (await kit.again(target)).keywords == ("B", "z", "a")
    assert added.keywords == ("B", "z", "a")
    moved_blobs = [blobs[0], blobs[2], blobs[3]]
    assert (await kit.column(target, Column.BLOB))[1:] == moved_blobs
    assert await kit.column(target, Column.INTERNALDATE) == [1_600_000_000] * 4
    assert await kit.column(target, Column.ZONE) == [120] * 4
    assert (
        await kit.column(target, Column.SAVED)
        == [int(kit.clock.time) - 1000] + [int(kit.clock.time)] * 3
    )
    now, there = await kit.again(box), await kit.again(target)
    assert (there.messages, there.unseen, there.size, there.uidnext) == (4, 3, 400, 5)
    account = await kit.store.account(ann)
    assert account is not None
    if move:
        assert rest == [Expunged(ann, box.id, done.modseq, rest[0].uids)]  # type: ignore[union-attr]
        assert list(rest[0].uids) == [1, 3, 4]  # type: ignore[union-attr]
        assert await kit.uids(box) == [2]
        assert (now.messages, now.deleted, now.unseen, now.size) == (1, 1, 1, 100)
        assert now.highest_modseq == done.modseq
        assert await kit.store.retained(ann) == []
        assert await kit.store.expunged_since(ann, box.id, 0) == (some(1, 3, 4), 0)
        assert account.used == 500
    else:
        assert rest == []
        assert now == box
        assert account.used == 800
    empty = await call(ann, box.id, some(77), ann, target.id)
    assert isinstance(empty, Copied)
    assert (list(empty.source), list(empty.target), empty.modseq) == ([], [], 0)
    assert kit.taken() == []


@pytest.mark.parametrize("move", [False, True])
async def test_within_the_same_mailbox(kit: Kit, move: bool) -> None:
    box = await filled(kit, "a", "b", "c")
    call = kit.store.move if move else kit.store.copy
    done = await call(box.account, box.id, ALL, box.account, box.id)
    assert isinstance(done, Copied)
    assert list(done.target) == [4, 5, 6]
    assert await kit.uids(box) == ([4, 5, 6] if move else [1, 2, 3, 4, 5, 6])
    now = await kit.again(box)
    assert (now.messages, now.size) == ((3, 300) if move else (6, 600))
    assert now.uidnext == 7
    assert {f.keywords for f in (await kit.flags(box)).values()} == {
        frozenset({"a"}), frozenset({"b"}), frozenset({"c"}),
    }  # fmt: skip


@pytest.mark.parametrize("move", [False, True])
async def test_between_accounts(kit: Kit, move: bool) -> None:
    box = await filled(kit, "\\Flagged k", "")
    bob = await kit.account("bob", quota=150)
    his = await kit.box(bob)
    kit.taken()
    call = kit.store.move if move else kit.store.copy
    assert refused(await call(box.account, box.id, ALL, bob.id, his.id), Kind.OVER_QUOTA)
    assert kit.taken() == []
    assert await kit.uids(box) == [1, 2]
    done = await call(box.account, box.id, some(1), bob.id, his.id)
    assert isinstance(done, Copied)
    assert done.modseq == his.highest_modseq + 1
    added, *rest = kit.taken()
    assert (added.account, added.modseq) == (bob.id, done.modseq)
    assert await kit.flags(his) == {1: flag_set(["\\Flagged", "k"])}
    ann_used, bob_used = [
        found.used for found in await kit.store.accounts() if found.id in {box.account, bob.id}
    ]
    assert bob_used == 100
    assert ann_used == (100 if move else 200)
    if move:
        (gone,) = rest
        assert isinstance(gone, Expunged)
        assert (gone.account, gone.modseq) == (box.account, box.highest_modseq + 1)
        back = await kit.store.move(bob.id, his.id, ALL, box.account, box.id)
        assert isinstance(back, Copied)
        assert list(back.target) == [3]


async def test_moving_at_home_is_free_copying_is_not(kit: Kit) -> None:
    ann = await kit.account(quota=100)
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    await kit.put(inbox)
    assert refused(await kit.store.copy(ann.id, inbox.id, ALL, ann.id, junk.id), Kind.OVER_QUOTA)
    assert isinstance(await kit.store.move(ann.id, inbox.id, ALL, ann.id, junk.id), Copied)


async def test_copies_drop_keywords_without_room(kit: Kit) -> None:
    box = await filled(kit, "aa kk zz")
    target = await kit.box_of(box.account, "full")
    await kit.put(target, *(f"t{n:02}" for n in range(MAX_KEYWORDS - 1)))
    done = await kit.store.copy(box.account, box.id, ALL, box.account, target.id)
    assert isinstance(done, Copied)
    assert (await kit.flags(target))[2].keywords == {"aa"}
    assert (await kit.again(target)).keywords[-1] == "aa"


async def test_copied_bytes_stay_as_long_as_a_copy(kit: Kit) -> None:
    box = await filled(kit)
    big = await kit.put(box, body=b"B" * 9000)
    target = await kit.box_of(box.account, "to")
    for _ in range(2):
        await kit.store.copy(box.account, box.id, ALL, box.account, target.id)
    assert await kit.column(target, Column.BLOB) == [big.blob] * 2
    await kit.store.expunge(box.account, box.id, None, only_deleted=False)
    assert await kit.store.purge(kit.clock.time + 1, 0) == 0
    assert await kit.store.read(big.blob) == b"B" * 9000
    await kit.store.expunge(box.account, target.id, None, only_deleted=False)
    assert await kit.store.purge(kit.clock.time + 1, 0) == 9000


async def test_each_copy_of_a_message_that_is_there_twice_counts(kit: Kit) -> None:
    box = await filled(kit)
    big = await kit.put(box, body=b"B" * 9000)
    ann, target = box.account, await kit.box_of(box.account, "to")
    once = await kit.put(box, body=b"C" * 7000)
    await kit.store.copy(ann, box.id, NumSet([(big.uid, big.uid)]), ann, box.id)
    done = await kit.store.copy(ann, box.id, ALL, ann, target.id)
    assert isinstance(done, Copied)
    assert list(done.target) == [1, 2, 3]
    assert await kit.column(target, Column.BLOB) == [big.blob, once.blob, big.blob]
    for mailbox, uids in ((box.id, None), (target.id, some(1))):
        await kit.store.expunge(ann, mailbox, uids, only_deleted=False)
        assert await kit.store.purge(kit.clock.time + 1, 0) == 0
    assert await kit.store.read(big.blob) == b"B" * 9000
    await kit.store.expunge(ann, target.id, None, only_deleted=False)
    assert await kit.store.purge(kit.clock.time + 1, 0) == 16000


async def test_copies_close_the_holes_between_their_originals(kit: Kit) -> None:
    box = await filled(kit, "\\Seen", "", "\\Flagged", "", "\\Draft")
    ann, target = box.account, await kit.box_of(box.account, "to")
    await kit.put(target)
    await kit.store.expunge(ann, box.id, some(2, 4), only_deleted=False)
    for first in (2, 5):
        done = await kit.store.copy(ann, box.id, ALL, ann, target.id)
        assert isinstance(done, Copied)
        assert (list(done.source), list(done.target)) == ([1, 3, 5], [first, first + 1, first + 2])
    flags = await kit.flags(target)
    assert flags[5] == flag_set(["\\Seen"])
    assert flags[6] == flag_set(["\\Flagged"])
    assert flags[7] == flag_set(["\\Draft"])


@pytest.mark.parametrize("hole", [False, True])
async def test_many_messages_at_once(kit: Kit, hole: bool) -> None:
    ann = await kit.account()
    inbox, box = await kit.box(ann), await kit.box(ann, "box")
    for number in range(90):
        await kit.put(inbox, *(["\\Seen"] if number % 3 else []), body=b"%d" % number)
    gone = some(40) if hole else some()
    await kit.store.expunge(ann.id, inbox.id, gone, only_deleted=False)
    seen, others = FlagSet(SEEN), FlagSet(FLAGGED)
    done = await kit.store.set_flags(ann.id, inbox.id, ALL, FlagOp.ADD, others)
    assert isinstance(done, Stored)
    assert done.changed == NumSet([(1, 90)]) - gone
    assert await kit.store.copy(ann.id, inbox.id, ALL, ann.id, box.id)
    await kit.store.set_flags(ann.id, box.id, ALL, FlagOp.ADD, seen)
    there = [uid for uid in range(1, 91) if uid not in gone]
    assert list((await kit.flags(inbox)).items()) == [
        (uid, FlagSet(FLAGGED | SEEN * ((uid - 1) % 3 > 0))) for uid in there
    ]
    assert await kit.flags(box) == dict.fromkeys(range(1, len(there) + 1), FlagSet(FLAGGED | SEEN))
    now = await kit.again(box)
    assert (now.messages, now.unseen, now.size) == (len(there), 0, (await kit.again(inbox)).size)
    assert (await kit.again(inbox)).unseen == len([uid for uid in there if uid % 3 == 1])
    removed = await kit.store.expunge(ann.id, box.id, ALL, only_deleted=False)
    assert isinstance(removed, Removed)
    assert list(removed.uids) == list(range(1, len(there) + 1))
    assert len(await kit.store.retained(ann.id, box.id)) == len(there)
    assert (await kit.store.audit()).findings == []
    assert await kit.store.purge(kit.clock.time + 1, 0) == (2 if hole else 0)
    async for batch in kit.store.rows(ann.id, inbox.id, ALL, [Column.UID, Column.BODY]):
        for uid, body in batch:
            assert body == b"%d" % (int(str(uid)) - 1)


async def test_expunging(kit: Kit) -> None:
    box = await filled(kit, "\\Deleted", "", "\\Deleted \\Seen", "\\Deleted")
    ann = box.account
    nothing = await kit.store.expunge(ann, box.id, some(2), only_deleted=True)
    assert isinstance(nothing, Removed)
    assert (nothing.modseq, list(nothing.uids)) == (0, [])
    assert kit.taken() == []
    done = await kit.store.expunge(ann, box.id, NumSet([(1, 3)]), only_deleted=True, by="me")
    assert isinstance(done, Removed)
    assert (done.modseq, list(done.uids)) == (box.highest_modseq + 1, [1, 3])
    (change,) = kit.taken()
    assert isinstance(change, Expunged)
    assert (change.modseq, change.mailbox, list(change.uids)) == (done.modseq, box.id, [1, 3])
    now = await kit.again(box)
    assert (now.messages, now.unseen, now.deleted, now.size) == (2, 2, 1, 200)
    assert (now.highest_modseq, now.uidnext) == (done.modseq, 5)
    last = await kit.store.expunge(ann, box.id, None, only_deleted=False)
    assert isinstance(last, Removed)
    assert list(last.uids) == [2, 4]
    assert (await kit.put(box)).uid == 5


async def test_rows_in_batches(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    many = [(await kit.message(b"%04d" % n), n) for n in range(1203)]
    await kit.store.append_many([(m, Target(ann.id, inbox.id)) for m, _ in many])
    await kit.store.expunge(ann.id, inbox.id, NumSet([(5, 10), (700, 700)]), only_deleted=False)
    there = [n for n in range(1, 1204) if not 5 <= n <= 10 and n != 700]

    async def read(uids: NumSet, *columns: Column) -> list[tuple[object, ...]]:
        out = []
        async for batch in kit.store.rows(ann.id, inbox.id, uids, columns):
            assert 0 < len(batch) <= 500
            out += batch
        return out

    assert [row[0] for row in await read(ALL, Column.UID)] == there
    scattered = some(*range(1, 1204, 2))
    rows = await read(scattered, Column.BODY, Column.UID)
    assert rows == [(b"%04d" % (n - 1), n) for n in there if n % 2]
    folded = cast("list[tuple[Folded, int]]", await read(scattered, Column.FOLDED, Column.UID))
    assert [(one.unfold(), n) for one, n in folded] == rows
    ranges = NumSet([(1, 6), (8, 600), (602, 602), (650, 5000)])
    assert [row[1] for row in await read(ranges, Column.ENVELOPE, Column.UID)] == [
        n for n in there if n in ranges
    ]
    pairs = NumSet([(n, n + 1) for n in range(1, 1204, 3)])
    assert [row[0] for row in await read(pairs, Column.UID)] == [n for n in there if n in pairs]
    assert await read(NumSet(), Column.UID) == []
    assert await read(some(2000), Column.UID) == []
    assert await read(some(3), Column.PREVIEW, Column.PREVIEW) == [("pré", "pré")]
    assert await read(NumSet([(1, 2)])) == [(), ()]


async def test_rows_are_bounded_in_octets(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    message = await kit.message()
    message.facts.common = b"c" * 300_000
    for _ in range(12):
        await kit.store.accept(message, [Target(ann.id, inbox.id)])
    sizes = [len(batch) async for batch in kit.store.rows(ann.id, inbox.id, ALL, [Column.COMMON])]
    assert sum(sizes) == 12
    assert max(sizes) < 12
