"""The one way in, on every store."""

from __future__ import annotations

from typing import cast

import pytest

from pillarbox.base.errors import Permanent
from pillarbox.model.change import Added, Arrived, Expunged
from pillarbox.model.flags import MAX_KEYWORDS, NO_FLAGS, flag_set
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.store.api import Appended, Column, Folded, NewItem, Replaces, Target
from pillarbox.store.memory import MemoryStore
from support.storekit import ALL, INLINE, Kit, envelope, refused


async def used(kit: Kit, account: int) -> int:
    found = await kit.store.account(account)
    assert found is not None
    return found.used


async def test_a_message_arrives(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    kit.taken()
    body = b"Subject: one\r\n\r\n" + b"text\r\n" * 50
    target = Target(ann.id, inbox.id, flag_set(["\\Seen", "Work", "$Mdn"]), 1_500_000_000, -90)
    (done,) = await kit.store.accept(await kit.message(body), [target])
    assert isinstance(done, Appended)
    assert done == Appended(
        ann.id, inbox.id, inbox.uidvalidity, 1, inbox.highest_modseq + 1, done.blob
    )
    assert kit.taken() == [
        Added(
            ann.id,
            inbox.id,
            done.modseq,
            [Arrived(1, 1 | 256 | 512)],
            ("$Mdn", "Work"),
        )
    ]
    assert await kit.store.read(done.blob) == body
    now = await kit.again(inbox)
    assert (now.messages, now.unseen, now.deleted, now.size) == (1, 0, 0, len(body))
    assert (now.uidnext, now.highest_modseq, now.keywords) == (2, done.modseq, ("$Mdn", "Work"))
    assert await used(kit, ann.id) == len(body)
    columns = list(Column)
    (batch,) = [b async for b in kit.store.rows(ann.id, inbox.id, ALL, columns)]
    row = dict(zip(columns, batch[0], strict=True))
    folded = cast("Folded", row.pop(Column.FOLDED))
    assert (folded.size, folded.unfold()) == (len(body), body)
    assert row == {
        Column.UID: 1,
        Column.SIZE: len(body),
        Column.INTERNALDATE: 1_500_000_000,
        Column.ZONE: -90,
        Column.SAVED: int(kit.clock.time),
        Column.BLOB: done.blob,
        Column.ENVELOPE: b"envSubject: ",
        Column.BODYSTRUCTURE: b"bs",
        Column.COMMON: b"common",
        Column.SCAN: b"scan",
        Column.KEYS: b"keys",
        Column.PREVIEW: "pré",
        Column.THREAD: -done.blob,
        Column.BODY: body,
    }


async def test_one_message_to_many(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    inbox, junk, his = await kit.box(ann), await kit.box(ann, "Junk"), await kit.box(bob)
    kit.taken()
    targets = [
        Target(ann.id, inbox.id, flag_set(["a"])),
        Target(bob.id, his.id),
        Target(ann.id, 999),
        Target(ann.id, junk.id, flag_set(["\\Deleted"])),
        Target(ann.id, inbox.id),
        Target(999, inbox.id),
    ]
    done = await kit.store.accept(await kit.message(b"z" * 10), targets)
    assert [d.kind if isinstance(d, Refusal) else d.uid for d in done] == [
        1, 1, Kind.NONEXISTENT, 1, 2, Kind.NONEXISTENT,
    ]  # fmt: skip
    good = [d for d in done if isinstance(d, Appended)]
    assert len({d.blob for d in good}) == 1
    assert {d.modseq for d in good if d.account == ann.id} == {inbox.highest_modseq + 1}
    first, second, third = kit.taken()
    assert isinstance(first, Added)
    assert [m.uid for m in first.messages] == [1, 2]
    assert [c.mailbox for c in (first, second, third) if isinstance(c, Added)] == [
        inbox.id, his.id, junk.id,
    ]  # fmt: skip
    assert await used(kit, ann.id) == 30
    assert (await kit.again(junk)).deleted == 1
    assert await kit.store.remove_account(bob.id) is None
    assert await kit.store.read(good[0].blob) == b"z" * 10


async def test_nothing_is_kept_for_nobody(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    kit.taken()
    message = await kit.message(b"w" * (INLINE + 1))
    (done,) = await kit.store.accept(message, [Target(ann.id, 999)])
    assert refused(done, Kind.NONEXISTENT)
    assert await kit.store.accept(message, []) == []
    assert kit.taken() == []
    assert await kit.again(inbox) == inbox
    (again,) = await kit.store.accept(message, [Target(ann.id, inbox.id)])  # still the caller's
    assert isinstance(again, Appended)
    message.content.discard()
    assert await kit.store.read(again.blob) == b"w" * (INLINE + 1)
    assert again.modseq == inbox.highest_modseq + 1


async def test_quota(kit: Kit) -> None:
    ann = await kit.account(quota=250)
    inbox = await kit.box(ann)
    target = Target(ann.id, inbox.id)
    message = await kit.message(b"q" * 100)
    one, two, three = await kit.store.accept(message, [target, target, target])
    assert isinstance(one, Appended)
    assert isinstance(two, Appended)
    assert refused(three, Kind.OVER_QUOTA)
    assert await used(kit, ann.id) == 200
    free = Target(ann.id, inbox.id, enforce_quota=False)
    (forced, after) = await kit.store.accept(await kit.message(b"q" * 100), [free, target])
    assert isinstance(forced, Appended)
    assert refused(after, Kind.OVER_QUOTA)
    assert await used(kit, ann.id) == 300
    many = await kit.store.append_many([(await kit.message(b"1"), target)])
    assert refused(many, Kind.OVER_QUOTA)
    await kit.store.expunge(ann.id, inbox.id, None, only_deleted=False)
    assert await used(kit, ann.id) == 0
    (fits,) = await kit.store.accept(await kit.message(b"q" * 250), [target])
    assert isinstance(fits, Appended)


async def test_a_refused_pair_goes_to_the_queue(kit: Kit) -> None:
    ann = await kit.account(quota=10)
    inbox = await kit.box(ann)
    mail = envelope("bob@x.example", "ann@example.org", "cy@x.example")
    item = NewItem(mail, [(0, 0)], 5.0)
    message = await kit.message(b"k" * 20)
    targets = [Target(ann.id, inbox.id, pair=(1, 0)), Target(ann.id, inbox.id), Target(9, 9)]
    done = await kit.store.accept(message, targets, item)
    assert [isinstance(d, Refusal) for d in done] == [True] * 3
    (queued,) = await kit.store.queue_items()
    assert [(r.number, r.envelope_index, r.route_index, r.due) for r in queued.recipients] == [
        (0, 0, 0, 5.0),
        (1, 1, 0, 5.0),
    ]
    assert queued.envelope == mail
    assert (queued.size, queued.created, queued.lease) == (20, kit.clock.time, "")
    assert await kit.store.read(queued.blob) == b"k" * 20
    small = await kit.message(b"k")
    (fine,) = await kit.store.accept(
        small, [Target(ann.id, inbox.id, pair=(1, 0))], NewItem(mail, [], 5.0)
    )
    assert isinstance(fine, Appended)
    assert len(await kit.store.queue_items()) == 1  # no pairs, no item


async def test_append_many_is_all_or_nothing(kit: Kit) -> None:
    ann = await kit.account(quota=1000)
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    kit.taken()
    target = Target(ann.id, inbox.id, flag_set(["k"]))
    pairs = [(await kit.message(bytes([65 + n]) * 100), target) for n in range(5)]
    done = await kit.store.append_many(pairs)
    assert isinstance(done, list)
    assert [d.uid for d in done] == [1, 2, 3, 4, 5]
    assert len({d.modseq for d in done}) == 1
    assert len({d.blob for d in done}) == 5
    (added,) = kit.taken()
    assert isinstance(added, Added)
    assert len(added.messages) == 5
    assert await kit.column(inbox, Column.BODY) == [bytes([65 + n]) * 100 for n in range(5)]
    assert refused(
        await kit.store.append_many([(await kit.message(b"p" * 300), target)] * 2), Kind.OVER_QUOTA
    )
    mixed = [(await kit.message(), target), (await kit.message(), Target(ann.id, junk.id))]
    assert refused(await kit.store.append_many(mixed), Kind.CANNOT)
    missing = [(await kit.message(), Target(ann.id, 999))]
    assert refused(await kit.store.append_many(missing), Kind.NONEXISTENT)
    assert await kit.store.append_many([]) == []
    assert kit.taken() == []
    assert await kit.uids(inbox) == [1, 2, 3, 4, 5]


async def test_one_message_takes_the_place_of_another(kit: Kit) -> None:
    ann = await kit.account(quota=250)
    inbox, sent = await kit.box(ann), await kit.box(ann, "Sent")
    target = Target(ann.id, inbox.id, flag_set(["\\Draft"]))
    await kit.store.append_many([(await kit.message(b"o" * 100), target)] * 2)
    kit.taken()
    old = Replaces(ann.id, inbox.id, 1, "editor")
    done = await kit.store.append_many([(await kit.message(b"n" * 120), target)], replaces=old)
    assert isinstance(done, list)
    added, gone = kit.taken()
    assert isinstance(added, Added)
    assert isinstance(gone, Expunged)
    assert (added.modseq, list(gone.uids)) == (gone.modseq, [1])
    assert await kit.uids(inbox) == [2, 3]
    assert await used(kit, ann.id) == 220
    (kept,) = await kit.store.retained(ann.id)
    assert (kept.uid, kept.by) == (1, "editor")
    tombs, _ = await kit.store.expunged_since(ann.id, inbox.id, done[0].modseq - 1)
    assert list(tombs) == [1]
    elsewhere = Target(ann.id, sent.id)
    done = await kit.store.append_many(
        [(await kit.message(b"s" * 60), elsewhere)], replaces=Replaces(ann.id, inbox.id, 2)
    )
    assert isinstance(done, list)
    assert [type(change) for change in kit.taken()] == [Added, Expunged]
    assert (await kit.uids(inbox), await kit.uids(sent)) == ([3], [1])
    assert (await kit.again(inbox)).messages == 1


async def test_nothing_is_replaced_by_nothing(kit: Kit) -> None:
    ann = await kit.account(quota=250)
    bob = await kit.account("bob")
    inbox, other = await kit.box(ann), await kit.box(bob)
    target = Target(ann.id, inbox.id)
    await kit.store.append_many([(await kit.message(b"o" * 200), target)])
    await kit.put(other)
    kit.taken()
    for old, kind in (
        (Replaces(ann.id, inbox.id, 9), Kind.STALE),
        (Replaces(ann.id, 999, 1), Kind.NONEXISTENT),
        (Replaces(bob.id, other.id, 1), Kind.OVER_QUOTA),
    ):
        new = [(await kit.message(b"n" * 100), target)]
        assert refused(await kit.store.append_many(new, replaces=old), kind)
    too_much = [(await kit.message(b"n" * 260), target)]
    same = Replaces(ann.id, inbox.id, 1)
    assert refused(await kit.store.append_many(too_much, replaces=same), Kind.OVER_QUOTA)
    assert kit.taken() == []
    assert (await kit.uids(inbox), await kit.uids(other)) == ([1], [1])
    small = [(await kit.message(b"n" * 10), target)]
    assert isinstance(
        await kit.store.append_many(small, replaces=Replaces(bob.id, other.id, 1)), list
    )
    assert (await kit.uids(inbox), await kit.uids(other)) == ([1, 2], [])


async def test_a_delivery_does_not_fail_for_keywords(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    words = [f"k{n:02}" for n in range(MAX_KEYWORDS + 3)]
    await kit.put(inbox, *words)
    (flags,) = (await kit.flags(inbox)).values()
    assert flags.keywords == frozenset(words[:MAX_KEYWORDS])
    await kit.put(inbox, "K00", "late")
    assert (await kit.flags(inbox))[2].keywords == {"k00"}
    assert len((await kit.again(inbox)).keywords) == MAX_KEYWORDS


@pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, 300_000])
async def test_bodies_of_any_size(kit: Kit, size: int) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    body = (b"0123456789abcdefghij" * (size // 20 + 1))[:size]
    for announced in (0, size, 10 * INLINE):
        staging = kit.store.stage(announced)
        for at in range(0, size, 7000):
            staging.write(body[at : at + 7000])
        message = await kit.message()
        message.content = await staging.finish()
        assert message.content.size == size
        assert bytes(message.content.view()) == body
        (done,) = await kit.store.accept(message, [Target(ann.id, inbox.id)])
        assert isinstance(done, Appended)
        message.content.discard()  # does nothing once the store has the bytes
        assert await kit.store.read(done.blob) == body
        assert await kit.store.read(done.blob, 10, 5) == body[10:15]
        assert await kit.store.read(done.blob, size) == b""
        assert await kit.store.read(done.blob, max(size - 3, 0), 1000) == body[max(size - 3, 0) :]
        pieces = [p async for p in kit.store.stream(done.blob, 1)]
        assert b"".join(pieces) == body[1:]
        assert all(0 < len(p) <= 64 * 1024 for p in pieces)
        assert [p async for p in kit.store.stream(done.blob, 0, 0)] == []
    whole = body if size <= INLINE else None
    assert await kit.column(inbox, Column.BODY) == [whole] * 3
    assert await kit.column(inbox, Column.SIZE) == [size] * 3


async def test_discarded_content_is_gone(kit: Kit) -> None:
    staging = kit.store.stage(INLINE * 2)
    staging.write(b"x" * INLINE * 2)
    staging.discard()
    message = await kit.message(b"y" * INLINE * 2)
    message.content.discard()
    message.content.discard()


async def test_no_such_blob(kit: Kit) -> None:
    with pytest.raises(Permanent):
        await kit.store.read(12345)
    with pytest.raises(Permanent):
        async for _ in kit.store.stream(12345):
            pass


async def test_uids_end(kit: Kit) -> None:
    """Nothing is given out beyond 2^32-1 (RFC 9051 §2.3.1.1)."""
    ann = await kit.account()
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    for _ in range(3):
        await kit.put(junk)
    await near_the_end(kit, inbox.id)
    target = Target(ann.id, inbox.id)
    both = await kit.store.accept(await kit.message(), [target, target])
    assert isinstance(both[0], Appended)
    assert both[0].uid == 0xFFFFFFFF
    assert refused(both[1], Kind.LIMIT)
    many = await kit.store.append_many([(await kit.message(), target)])
    assert refused(many, Kind.LIMIT)
    for call in (kit.store.copy, kit.store.move):
        assert refused(await call(ann.id, junk.id, ALL, ann.id, inbox.id), Kind.LIMIT)
    assert await kit.uids(inbox) == [0xFFFFFFFF]
    assert await kit.column(inbox, Column.UID) == [0xFFFFFFFF]


async def near_the_end(kit: Kit, mailbox: int) -> None:
    """No public way leads there in a test's time."""
    store = kit.store
    if isinstance(store, MemoryStore):
        for home in store.state.homes.values():
            if mailbox in home.boxes:
                home.boxes[mailbox].uidnext = 0xFFFFFFFF
        return
    await store.writer.do(  # type: ignore[attr-defined]
        lambda tx: tx.db.execute(
            "UPDATE mailbox SET uidnext = ? WHERE id = ?", (0xFFFFFFFF, mailbox)
        )
    )


async def test_flags_default_to_none(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    await kit.put(inbox)
    assert await kit.flags(inbox) == {1: NO_FLAGS}
