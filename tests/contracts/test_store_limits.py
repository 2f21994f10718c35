"""Limits on messages and mailboxes, and flags that somebody may not change."""

from __future__ import annotations

from dataclasses import replace

from pillarbox.model.account import Account
from pillarbox.model.flags import DELETED, FLAGGED, SEEN, FlagScope, FlagSet, flag_set
from pillarbox.model.mailbox import DEFAULT_MAILBOXES, Mailbox
from pillarbox.model.refusal import Kind
from pillarbox.store.api import Appended, Copied, FlagOp, Stored, Target
from support.storekit import ALL, Kit, refused, some

ONLY_SEEN = FlagScope(SEEN, keywords=False)


async def limited(kit: Kit, name: str = "ann", **limits: int) -> Account:
    account = await kit.account(name)
    assert await kit.store.change_account(replace(account, **limits)) is None
    return account


async def count(kit: Kit, account: Account) -> int:
    found = await kit.store.account(account.id)
    assert found is not None
    return found.messages


async def test_so_many_messages(kit: Kit) -> None:
    ann = await limited(kit, max_messages=3)
    inbox, junk = await kit.box(ann), await kit.box(ann, "Junk")
    await kit.put(inbox)
    there, too = Target(ann.id, inbox.id), Target(ann.id, junk.id)
    free = replace(there, enforce_quota=False)
    results = await kit.store.accept(await kit.message(), [there, too, there, free])
    assert [type(result) for result in results[:2]] == [Appended, Appended]
    assert refused(results[2], Kind.OVER_QUOTA)
    assert isinstance(results[3], Appended)
    assert await count(kit, ann) == 4
    assert refused(await kit.store.append_many([(await kit.message(), there)]), Kind.OVER_QUOTA)
    copied = await kit.store.copy(ann.id, inbox.id, some(1), ann.id, junk.id)
    assert refused(copied, Kind.OVER_QUOTA)
    assert isinstance(await kit.store.move(ann.id, inbox.id, some(1), ann.id, junk.id), Copied)
    await kit.store.expunge(ann.id, junk.id, some(1, 2), only_deleted=False)
    assert await count(kit, ann) == 2
    both = [(await kit.message(), there), (await kit.message(), there)]
    assert refused(await kit.store.append_many(both), Kind.OVER_QUOTA)
    kept = await kit.store.retained(ann.id)
    assert refused(await kit.store.undelete(ann.id, kept, inbox.id), Kind.OVER_QUOTA)
    assert isinstance(await kit.store.undelete(ann.id, kept[:1], inbox.id), Copied)
    await kit.store.delete_mailbox(ann.id, junk.id)
    await kit.store.rename_mailbox(ann.id, inbox.id, "old")
    assert await count(kit, ann) == 3


async def test_none_at_all(kit: Kit) -> None:
    ann = await limited(kit, max_messages=-1)
    bob = await limited(kit, "bob", quota=-1)
    for account in (ann, bob):
        box = await kit.box(account)
        (result,) = await kit.store.accept(await kit.message(), [Target(account.id, box.id)])
        assert refused(result, Kind.OVER_QUOTA)


async def test_what_is_moved_in_from_another_account_counts(kit: Kit) -> None:
    ann, bob = await kit.account(), await limited(kit, "bob", max_messages=1)
    box, hers = await kit.box(ann), await kit.box(bob)
    for _ in range(2):
        await kit.put(box)
    for act in (kit.store.copy, kit.store.move):
        assert refused(await act(ann.id, box.id, ALL, bob.id, hers.id), Kind.OVER_QUOTA)
    assert isinstance(await kit.store.move(ann.id, box.id, some(1), bob.id, hers.id), Copied)
    assert (await count(kit, ann), await count(kit, bob)) == (1, 1)


async def test_so_many_mailboxes(kit: Kit) -> None:
    ann = await limited(kit, max_mailboxes=len(DEFAULT_MAILBOXES) + 1)
    assert refused(await kit.store.create_mailbox(ann.id, "a/b"), Kind.OVER_QUOTA)
    made = await kit.store.create_mailbox(ann.id, "a")
    assert isinstance(made, Mailbox)
    assert refused(await kit.store.rename_mailbox(ann.id, made.id, "b/c"), Kind.OVER_QUOTA)
    assert await kit.store.rename_mailbox(ann.id, made.id, "b") is None
    inbox = await kit.box(ann)
    assert refused(await kit.store.rename_mailbox(ann.id, inbox.id, "c"), Kind.OVER_QUOTA)


async def test_flags_out_of_scope_stay(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    await kit.put(box, "\\Flagged", "work")
    await kit.put(box, "\\Seen")

    async def store(op: FlagOp, *names: str) -> None:
        flags = flag_set(names)
        done = await kit.store.set_flags(ann.id, box.id, ALL, op, flags, scope=ONLY_SEEN)
        assert isinstance(done, Stored)

    await store(FlagOp.REPLACE, "\\Seen", "\\Deleted", "play")
    assert await kit.flags(box) == {
        1: FlagSet(SEEN | FLAGGED, frozenset({"work"})),
        2: FlagSet(SEEN),
    }
    await store(FlagOp.ADD, "\\Deleted", "play")
    await store(FlagOp.REMOVE, "\\Flagged", "\\Seen", "work")
    assert await kit.flags(box) == {1: FlagSet(FLAGGED, frozenset({"work"})), 2: FlagSet()}
    assert (await kit.again(box)).keywords == ("work",)
    await kit.store.set_flags(
        ann.id, box.id, ALL, FlagOp.REPLACE, flag_set(["play"]), scope=FlagScope(0)
    )
    assert await kit.flags(box) == {
        1: FlagSet(FLAGGED, frozenset({"play"})),
        2: FlagSet(0, frozenset({"play"})),
    }


async def test_copies_without_what_is_out_of_scope(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    box, hers = await kit.box(ann), await kit.box(bob)
    await kit.put(box, "\\Seen", "\\Deleted", "work")
    await kit.store.copy(ann.id, box.id, ALL, bob.id, hers.id, scope=ONLY_SEEN)
    await kit.store.move(ann.id, box.id, ALL, bob.id, hers.id, scope=FlagScope(DELETED))
    assert await kit.flags(hers) == {
        1: FlagSet(SEEN),
        2: FlagSet(DELETED, frozenset({"work"})),
    }
    now = await kit.again(hers)
    assert (now.unseen, now.deleted, now.keywords) == (1, 1, ("work",))
