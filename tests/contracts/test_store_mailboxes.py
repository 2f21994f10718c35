"""The tree of mailboxes on every store."""

from __future__ import annotations

import pytest

from pillarbox.base.errors import Permanent
from pillarbox.model.change import Added, BoxChanged, BoxCreated, BoxDeleted, Expunged
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.refusal import Kind
from support.storekit import ALL, Kit, refused


async def names(kit: Kit, account: int) -> list[str]:
    return [box.name for box in await kit.store.mailboxes(account)][6:]


async def test_creating_makes_the_parents(kit: Kit) -> None:
    ann = await kit.account()
    kit.taken()
    made = await kit.store.create_mailbox(ann.id, "a/b/ü")
    assert isinstance(made, Mailbox)
    assert (made.name, made.messages, made.uidnext, made.subscribed) == ("a/b/ü", 0, 1, False)
    assert made.highest_modseq == made.created_modseq > 1
    created = kit.taken()
    assert [c.box.name for c in created if isinstance(c, BoxCreated)] == ["a", "a/b", "a/b/ü"]
    assert {c.modseq for c in created} == {made.created_modseq}
    assert created[-1] == BoxCreated(ann.id, made.created_modseq, made)
    assert await kit.store.mailbox_by_name(ann.id, "a/b/ü") == made
    assert await kit.store.mailbox(ann.id, made.id) == made
    assert await names(kit, ann.id) == ["a", "a/b", "a/b/ü"]


async def test_creating_refused(kit: Kit) -> None:
    ann = await kit.account()
    await kit.box(ann, "a")
    kit.taken()
    for name, kind in (
        ("a", Kind.ALREADY_EXISTS),
        ("inbox", Kind.ALREADY_EXISTS),
        ("", Kind.CANNOT),
        ("x//y", Kind.CANNOT),
        ("x*", Kind.CANNOT),
        ("\udcff", Kind.CANNOT),
        ("x" * 2000, Kind.CANNOT),
    ):
        assert refused(await kit.store.create_mailbox(ann.id, name), kind), name
    assert refused(await kit.store.create_mailbox(999, "b"), Kind.NONEXISTENT)
    assert refused(await kit.store.create_mailbox(ann.id, "b", "\\Wrong"), Kind.CANNOT)
    assert refused(await kit.store.create_mailbox(ann.id, "b", "\\Sent"), Kind.IN_USE)
    assert kit.taken() == []
    assert await names(kit, ann.id) == ["a"]


async def test_inbox_is_the_same_in_any_case(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.store.mailbox_by_name(ann.id, "iNbOx")
    assert inbox is not None
    assert inbox.name == "INBOX"
    made = await kit.store.create_mailbox(ann.id, "inbox/sub")
    assert isinstance(made, Mailbox)
    assert made.name == "INBOX/sub"


async def test_special_use(kit: Kit) -> None:
    ann = await kit.account()
    made = await kit.store.create_mailbox(ann.id, "p/everything", "\\aLL")
    assert isinstance(made, Mailbox)
    assert made.special_use == "\\All"
    parent = await kit.box(ann, "p")
    assert parent.special_use == ""
    kit.taken()
    use = kit.store.set_special_use
    assert refused(await use(ann.id, parent.id, "\\All"), Kind.IN_USE)
    assert refused(await use(ann.id, parent.id, "\\None"), Kind.CANNOT)
    assert refused(await use(ann.id, 999, "\\All"), Kind.NONEXISTENT)
    assert await use(ann.id, made.id, "\\All") is None
    assert kit.taken() == []
    assert await use(ann.id, made.id, "") is None
    assert await use(ann.id, parent.id, "\\All") is None
    first, second = kit.taken()
    assert isinstance(first, BoxChanged)
    assert isinstance(second, BoxChanged)
    assert (first.box.id, first.box.special_use, first.old_name) == (made.id, "", "")
    assert (second.box.id, second.box.special_use) == (parent.id, "\\All")
    assert second.modseq == first.modseq + 1
    assert (await kit.again(parent)).special_use == "\\All"


async def test_deleting(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann, "a")
    child = await kit.box(ann, "a/b")
    await kit.store.subscribe(ann.id, "a", True)
    await kit.put(box, "\\Flagged", "kw")
    kit.taken()
    assert await kit.store.delete_mailbox(ann.id, box.id) is None
    (deleted,) = kit.taken()
    assert isinstance(deleted, BoxDeleted)
    assert (deleted.mailbox, deleted.name) == (box.id, "a")
    assert await kit.store.mailbox(ann.id, box.id) is None
    assert await kit.store.load(ann.id, box.id) is None
    assert await kit.again(child) == child
    assert "a" in await kit.store.subscriptions(ann.id)  # RFC 9051 §6.3.7
    (kept,) = await kit.store.retained(ann.id)
    assert (kept.mailbox, kept.mailbox_name) == (box.id, "a")
    account = await kit.store.account(ann.id)
    assert account is not None
    assert account.used == 0
    assert refused(await kit.store.delete_mailbox(ann.id, box.id), Kind.NONEXISTENT)
    inbox = await kit.box(ann)
    assert refused(await kit.store.delete_mailbox(ann.id, inbox.id), Kind.CANNOT)
    again = await kit.box(ann, "a")
    assert again.id > box.id
    assert again.uidvalidity > box.uidvalidity
    assert again.object_id != box.object_id
    assert again.subscribed


async def test_renaming_a_tree(kit: Kit) -> None:
    ann = await kit.account()
    a, b, c = [await kit.box(ann, name) for name in ("a", "a/b", "a/b/c")]
    aside = await kit.box(ann, "ab")
    uid = (await kit.put(b)).uid
    await kit.store.subscribe(ann.id, "a/b", True)
    kit.taken()
    assert await kit.store.rename_mailbox(ann.id, a.id, "x/y") is None
    changes = kit.taken()
    assert isinstance(changes[0], BoxCreated)
    assert changes[0].box.name == "x"
    assert [(ch.old_name, ch.box.name, ch.box.id) for ch in changes if isinstance(ch, BoxChanged)] \
        == [("a", "x/y", a.id), ("a/b", "x/y/b", b.id), ("a/b/c", "x/y/b/c", c.id)]  # fmt: skip
    assert len({ch.modseq for ch in changes}) == 1
    assert await names(kit, ann.id) == ["ab", "x", "x/y", "x/y/b", "x/y/b/c"]
    renamed = await kit.again(b)
    assert (renamed.uidvalidity, renamed.object_id) == (b.uidvalidity, b.object_id)
    assert renamed.subscribed
    assert "a/b" not in await kit.store.subscriptions(ann.id)
    assert await kit.uids(renamed) == [uid]
    assert await kit.again(aside) == aside


async def test_renaming_refused(kit: Kit) -> None:
    ann = await kit.account()
    a, b = await kit.box(ann, "a"), await kit.box(ann, "a/b")
    x = await kit.box(ann, "x/b")
    await kit.store.delete_mailbox(ann.id, (await kit.box(ann, "x")).id)
    kit.taken()
    rename = kit.store.rename_mailbox
    assert refused(await rename(ann.id, a.id, "a"), Kind.ALREADY_EXISTS)
    assert refused(await rename(ann.id, a.id, "INBOX"), Kind.ALREADY_EXISTS)
    assert refused(await rename(ann.id, a.id, "a/q"), Kind.CANNOT)
    assert refused(await rename(ann.id, a.id, "q//"), Kind.CANNOT)
    assert refused(
        await rename(ann.id, a.id, "q/" + "w" * 997), Kind.CANNOT
    )  # its child is too long
    assert refused(await rename(ann.id, a.id, "x"), Kind.ALREADY_EXISTS)  # a/b would be x/b
    assert refused(await rename(ann.id, 999, "y"), Kind.NONEXISTENT)
    assert kit.taken() == []
    assert await kit.again(b) == b
    assert await kit.again(x) == x


async def test_renaming_upwards_into_the_gap(kit: Kit) -> None:
    """a/b takes the place of a deleted a; its child takes the place of a/b, and so on."""
    ann = await kit.account()
    for name in ("a/b/b", "a/b/b/b", "a/b/z", "a/b/b/z"):
        await kit.box(ann, name)
    await kit.store.delete_mailbox(ann.id, (await kit.box(ann, "a")).id)
    await kit.store.subscribe(ann.id, "a/b/b", True)
    top = await kit.box(ann, "a/b")
    assert await kit.store.rename_mailbox(ann.id, top.id, "a") is None
    assert await names(kit, ann.id) == ["a", "a/b", "a/b/b", "a/b/z", "a/z"]
    subscribed = [box.name for box in await kit.store.mailboxes(ann.id) if box.subscribed][6:]
    assert subscribed == ["a/b"]


async def test_renaming_inbox_moves_its_messages(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    child = await kit.box(ann, "INBOX/sub")
    await kit.put(inbox, "\\Seen", "kw")
    await kit.put(inbox)
    await kit.store.expunge(ann.id, inbox.id, ALL, only_deleted=False)
    await kit.put(inbox, "other", "kw")
    kit.taken()
    assert await kit.store.rename_mailbox(ann.id, inbox.id, "old/mail") is None
    first, second, added, gone = kit.taken()
    assert isinstance(first, BoxCreated)
    assert isinstance(second, BoxCreated)
    assert isinstance(added, Added)
    assert isinstance(gone, Expunged)
    assert [m.uid for m in added.messages] == [1]
    assert list(gone.uids) == [3]
    assert (gone.mailbox, added.mailbox) == (inbox.id, second.box.id)
    assert await kit.uids(inbox) == []
    assert (await kit.again(inbox)).uidnext == 4
    old = await kit.box(ann, "old/mail")
    assert set((await kit.flags(old))[1].keywords) == {"other", "kw"}
    assert await kit.again(child) == child
    assert len(await kit.store.retained(ann.id)) == 2
    assert refused(await kit.store.rename_mailbox(ann.id, inbox.id, "inbox"), Kind.ALREADY_EXISTS)
    assert await kit.store.rename_mailbox(ann.id, inbox.id, "empty") is None
    (created,) = kit.taken()
    assert isinstance(created, BoxCreated)


async def test_subscriptions_outlive_mailboxes(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann, "a")
    kit.taken()
    await kit.store.subscribe(ann.id, "nowhere/yet", True)
    assert kit.taken() == []
    await kit.store.subscribe(ann.id, "a", True)
    (changed,) = kit.taken()
    assert isinstance(changed, BoxChanged)
    assert changed.box.subscribed
    assert changed.box.highest_modseq == box.highest_modseq
    await kit.store.subscribe(ann.id, "a", True)
    await kit.store.subscribe(ann.id, "inbox", True)
    assert kit.taken() == []
    await kit.store.subscribe(ann.id, "Inbox", False)
    await kit.store.subscribe(ann.id, "a", False)
    assert len(kit.taken()) == 2
    assert await kit.store.subscriptions(ann.id) == [
        "Archive", "Drafts", "Junk", "Sent", "Trash", "nowhere/yet",
    ]  # fmt: skip
    assert await kit.store.subscriptions(999) == []
    with pytest.raises(Permanent):
        await kit.store.subscribe(999, "a", True)


async def test_recent_belongs_to_the_first_who_asks(kit: Kit) -> None:
    ann = await kit.account()
    inbox = await kit.box(ann)
    assert await kit.store.claim_recent(ann.id, inbox.id) == 1
    await kit.put(inbox)
    await kit.put(inbox)
    assert (await kit.again(inbox)).recent_uid == 1
    kit.taken()
    assert await kit.store.claim_recent(ann.id, inbox.id) == 1
    assert await kit.store.claim_recent(ann.id, inbox.id) == 3
    await kit.put(inbox)
    assert await kit.store.claim_recent(ann.id, inbox.id) == 3
    assert await kit.store.claim_recent(ann.id, inbox.id) == 4
    assert await kit.store.claim_recent(ann.id, 999) == 0
    assert [type(c) for c in kit.taken()] == [Added]


async def test_uidvalidity_never_comes_again(kit: Kit) -> None:
    ann = await kit.account()
    seen = {box.uidvalidity for box in await kit.store.mailboxes(ann.id)}
    for step in (0.0, -1e6, 0.0, 1e6, 1.0):
        kit.clock.time += step
        box = await kit.box(ann, "again")
        assert box.uidvalidity > max(seen)
        seen.add(box.uidvalidity)
        assert await kit.store.delete_mailbox(ann.id, box.id) is None


async def test_renaming_what_has_only_children(kit: Kit) -> None:
    ann = await kit.account()
    below = await kit.box(ann, "a/b")
    await kit.store.delete_mailbox(ann.id, (await kit.box(ann, "a")).id)
    kit.taken()
    rename = kit.store.rename_children
    assert refused(await rename(ann.id, "a", "a/c"), Kind.CANNOT)
    assert refused(await rename(ann.id, "a", "INBOX"), Kind.ALREADY_EXISTS)
    assert refused(await rename(ann.id, "nowhere", "q"), Kind.NONEXISTENT)
    assert refused(await rename(999, "a", "q"), Kind.NONEXISTENT)
    assert kit.taken() == []
    assert await rename(ann.id, "a", "x/y") is None
    assert (await kit.again(below)).name == "x/y/b"
    assert await names(kit, ann.id) == ["x", "x/y/b"]


async def test_which_mailbox_has_a_name_is_never_out_of_date(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")

    async def at(name: str) -> tuple[int, str, str] | None:
        box = await kit.store.mailbox_at(ann.id, name)
        there = await kit.store.mailbox_by_name(ann.id, name)
        assert (box is None) == (there is None)
        return None if box is None else (box.id, box.name, box.special_use)

    assert await at("lists") is None
    box = await kit.box(ann, "lists")
    assert await at("lists") == (box.id, "lists", "")
    assert await kit.store.mailbox_at(bob.id, "lists") is None
    assert await kit.store.set_special_use(ann.id, box.id, "\\Trash") is not None  # another has it
    assert await kit.store.rename_mailbox(ann.id, box.id, "old/lists") is None
    assert await at("lists") is None
    assert await at("old/lists") == (box.id, "old/lists", "")
    assert await kit.store.rename_children(ann.id, "old", "new") is None
    assert await at("old/lists") is None
    assert await kit.store.delete_mailbox(ann.id, box.id) is None
    assert await at("old/lists") is None
    assert await at("new/lists") is None
    again = await kit.box(ann, "new/lists")
    assert await at("new/lists") == (again.id, "new/lists", "")
    assert await at("inbox") == await at("INBOX")
    assert await at("INBOX") is not None
    for number in range(40):  # more names than are remembered
        assert await at(f"list{number}") is None
    assert await at("new/lists") == (again.id, "new/lists", "")
    assert await kit.store.remove_account(ann.id) is None
    assert await at("INBOX") is None
    assert await kit.store.mailbox_at(ann.id, "\ud800") is None
