"""What sessions may do to mail, and what the store then holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.mailbox.access import Place
from pillarbox.mailbox.intake import whole
from pillarbox.mailbox.ops import Draft
from pillarbox.model.flags import DELETED, FLAGGED, NO_FLAGS, SEEN, FlagSet
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.rights import ALL
from pillarbox.store.api import Copied, FlagOp, Removed, Stored
from pillarbox.store.blobs.inline import BytesContent
from support.mailroom import MIDSUMMER, Room, room, simple


def kind(result: object) -> Kind:
    assert isinstance(result, Refusal), result
    return result.kind


async def place(house: Room, name: str) -> Place:
    return Place(await house.box(name), name, ALL)


async def drafts(house: Room, n: int) -> list[Draft]:
    messages = [await whole(house.store, simple(number)) for number in range(n)]
    return [Draft(message, FlagSet(FLAGGED), MIDSUMMER, 60) for message in messages]


async def test_append_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await room()
    done = await house.ops.append(house.account, "inbox", await drafts(house, 3))
    assert not isinstance(done, Refusal)
    assert [one.uid for one in done] == [1, 2, 3]
    assert (await house.box()).messages == 3
    discarded: list[object] = []

    def discard(content: BytesContent) -> None:
        discarded.append(content)

    monkeypatch.setattr(BytesContent, "discard", discard)
    missing = await house.ops.append(house.account, "Nowhere", await drafts(house, 2))
    assert kind(missing) is Kind.NONEXISTENT
    assert len(discarded) == 2


async def test_a_session_recognises_its_own_flag_changes() -> None:
    house = await room()
    await house.fill(3)
    mine, other = await house.view(session="mine"), await house.view(session="other")
    done = await house.ops.store_flags(mine, NumSet([(1, 2)]), FlagOp.ADD, FlagSet(SEEN))
    assert isinstance(done, Stored)
    assert mine.sync(allow_expunge=False).flagged.own == b"\x01\x01"
    assert other.sync(allow_expunge=False).flagged.own == b"\x00\x00"


async def test_mark_seen_writes_only_what_changes() -> None:
    house = await room()
    await house.fill(4)
    view = await house.view()
    await house.ops.store_flags(view, NumSet([(2, 3)]), FlagOp.ADD, FlagSet(SEEN))
    view.sync(allow_expunge=True)
    before = view.state.highest_modseq
    assert str(await house.ops.mark_seen(view, NumSet([(2, 4)]))) == "4"
    assert view.state.highest_modseq == before + 1
    assert not await house.ops.mark_seen(view, NumSet([(2, 4)]))
    assert view.state.highest_modseq == before + 1


async def test_read_only_views_change_nothing() -> None:
    house = await room()
    await house.fill(2)
    view = await house.view(read_only=True)
    one = NumSet([(1, 1)])
    ops, trash = house.ops, await place(house, "Trash")
    assert kind(await ops.store_flags(view, one, FlagOp.ADD, FlagSet(SEEN))) is Kind.NO_PERMISSION
    assert kind(await ops.move(view, one, trash)) is Kind.NO_PERMISSION
    assert kind(await ops.expunge(view)) is Kind.NO_PERMISSION
    assert not await ops.mark_seen(view, one)
    assert isinstance(await ops.copy(view, one, trash), Copied)


async def test_copy_and_move() -> None:
    house = await room()
    await house.fill(3, flags=FlagSet(SEEN, frozenset({"$Work"})))
    view = await house.view()
    archive = await place(house, "Archive")
    copied = await house.ops.copy(view, NumSet([(1, 2)]), archive)
    assert isinstance(copied, Copied)
    assert list(copied.source) == [1, 2]
    assert not view.sync(allow_expunge=True)
    moved = await house.ops.move(view, NumSet([(2, 9)]), archive)
    assert isinstance(moved, Copied)
    assert list(moved.target) == [3, 4]
    assert list(view.sync(allow_expunge=True).expunged) == [3, 2]
    assert (await house.box("Archive")).keywords == ("$Work",)
    for operation in (house.ops.copy, house.ops.move):
        refused = await operation(view, NumSet([(1, 1)]), replace(archive, rights=frozenset("lr")))
        assert kind(refused) is Kind.NO_PERMISSION


async def test_expunge_takes_only_what_is_deleted_and_asked_for() -> None:
    house = await room()
    await house.fill(4)
    view = await house.view()
    await house.ops.store_flags(view, NumSet([(2, 3)]), FlagOp.ADD, FlagSet(DELETED))
    done = await house.ops.expunge(view, NumSet([(3, 4)]))
    assert isinstance(done, Removed)
    assert list(done.uids) == [3]
    done = await house.ops.expunge(view)
    assert isinstance(done, Removed)
    assert list(done.uids) == [2]
    assert list(view.sync(allow_expunge=True).expunged) == [3, 2]
    kept = await house.store.retained(house.account)
    assert {entry.by for entry in kept} == {"imap s"}


async def test_vanished_exactly_and_when_the_store_forgot() -> None:
    house = await room()
    await house.fill(6)
    view = await house.view()
    modseq = view.told_modseq
    await house.ops.store_flags(view, NumSet([(2, 3)]), FlagOp.ADD, FlagSet(DELETED))
    await house.ops.expunge(view)
    view.sync(allow_expunge=True)
    assert str(await house.ops.vanished(view, modseq, None)) == "2:3"
    assert str(await house.ops.vanished(view, modseq, NumSet([(3, 9)]))) == "3"
    assert not await house.ops.vanished(view, view.told_modseq, None)
    await house.ops.store_flags(view, NumSet([(5, 5)]), FlagOp.ADD, FlagSet(DELETED))
    await house.clock.advance(100)
    await house.store.purge(0, house.clock.now())
    await house.ops.expunge(view)
    view.sync(allow_expunge=True)
    assert str(await house.ops.vanished(view, 0, None)) == "2:3,5"


async def test_mailboxes() -> None:
    house = await room()
    ops, account = house.ops, house.account
    made = await ops.create(account, "a/b/", "\\Junk")
    assert kind(made) is Kind.IN_USE  # Junk has that use
    made = await ops.create(account, "a/b/")
    assert isinstance(made, Mailbox)
    assert made.name == "a/b"
    assert isinstance(await ops.find(account, "a"), Mailbox)
    assert await ops.rename(account, "a", "c/d/") is None
    assert isinstance(await ops.find(account, "c/d/b"), Mailbox)
    assert await ops.set_special_use(account, "c", "\\All") is None
    assert kind(await ops.rename(account, "a", "x")) is Kind.NONEXISTENT
    assert kind(await ops.delete(account, "INBOX")) is Kind.CANNOT
    assert kind(await ops.delete(account, "a")) is Kind.NONEXISTENT
    assert kind(await ops.set_special_use(account, "a", "")) is Kind.NONEXISTENT
    assert await ops.delete(account, "c/d") is None
    assert isinstance(await ops.find(account, "c/d/b"), Mailbox)
    assert kind(await ops.create(account, "/")) is Kind.CANNOT


async def test_counters_of_a_mailbox() -> None:
    house = await room()
    await house.fill(2, flags=FlagSet(DELETED))
    assert await house.ops.recent(await house.box()) == 2
    await house.view()
    await house.fill(3, flags=NO_FLAGS)
    box = await house.box()
    assert await house.ops.recent(box) == 3
    sizes = [len(simple(n)) for n in (1, 2)]
    assert await house.ops.deleted_storage(box) == sum(sizes)
    assert await house.ops.deleted_storage(await house.box("Sent")) == 0
    assert await house.ops.recent(await house.box("Sent")) == 0


async def test_undelete_to_where_it_was_or_where_asked() -> None:
    house = await room()
    await house.ops.create(house.account, "Gone")
    await house.fill(1, "Gone", FlagSet(DELETED))
    await house.fill(2, flags=FlagSet(DELETED))
    view = await house.view()
    await house.ops.expunge(view)
    await house.ops.delete(house.account, "Gone")
    entries = await house.store.retained(house.account)
    assert len(entries) == 3
    inbox_only = [entry for entry in entries if entry.mailbox_name == "INBOX"]
    done = await house.ops.undelete(house.account, inbox_only[:1], "Trash")
    assert not isinstance(done, Refusal)
    assert (await house.box("Trash")).messages == 1
    entries = await house.store.retained(house.account)
    done = await house.ops.undelete(house.account, entries)
    assert not isinstance(done, Refusal)
    assert (await house.box()).messages == 2  # the deleted mailbox's message came here too
    assert kind(await house.ops.undelete(house.account, inbox_only, "No")) is Kind.NONEXISTENT
