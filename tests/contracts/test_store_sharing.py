"""Annotations and access lists."""

from __future__ import annotations

from pillarbox.model.change import AccessChanged, Annotated, BoxChanged
from pillarbox.model.refusal import Kind
from pillarbox.model.rights import ALL, parse
from pillarbox.store.sharing import MAX_ANNOTATIONS, SERVER, AccessOp
from support.storekit import Kit, refused

COMMENT = "/shared/comment"
LRS = frozenset("lrs")


async def test_annotations_are_shared_or_private(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    box = await kit.box(ann)
    kit.taken()
    values = {
        (0, COMMENT): b"for all",
        (ann.id, "/private/b"): b"\0\xff",
        (bob.id, "/private/b"): b"",
    }
    assert await kit.store.annotate(ann.id, box.id, values, origin="s1") is None
    modseq = (await kit.again(box)).highest_modseq
    assert kit.taken() == [
        Annotated(ann.id, modseq, box.id, 0, (COMMENT,), "s1"),
        Annotated(ann.id, modseq, box.id, ann.id, ("/private/b",), "s1"),
        Annotated(ann.id, modseq, box.id, bob.id, ("/private/b",), "s1"),
    ]
    assert await kit.store.annotations(ann.id, box.id, 0) == {COMMENT: b"for all"}
    assert await kit.store.annotations(ann.id, box.id, ann.id) == {"/private/b": b"\0\xff"}
    assert await kit.store.annotations(ann.id, box.id, bob.id) == {"/private/b": b""}
    assert await kit.store.annotations(bob.id, box.id, 0) == {}
    gone = {(0, COMMENT): None, (ann.id, "/private/none"): None, (0, "/shared/a"): b"a"}
    assert await kit.store.annotate(ann.id, box.id, gone) is None
    assert await kit.store.annotations(ann.id, box.id, 0) == {"/shared/a": b"a"}


async def test_accounts_and_the_server_have_some_too(kit: Kit) -> None:
    ann = await kit.account()
    assert await kit.store.annotate(SERVER, 0, {(0, COMMENT): b"hello"}) is None
    assert await kit.store.annotate(ann.id, 0, {(ann.id, "/private/x"): b"y"}) is None
    assert await kit.store.annotations(SERVER, 0, 0) == {COMMENT: b"hello"}
    assert await kit.store.annotations(ann.id, 0, ann.id) == {"/private/x": b"y"}
    nowhere = {(0, COMMENT): b""}
    assert refused(await kit.store.annotate(999, 0, nowhere), Kind.NONEXISTENT)
    assert refused(await kit.store.annotate(ann.id, 999, nowhere), Kind.NONEXISTENT)


async def test_too_many_annotations_change_nothing(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    full = {(0, f"/shared/{n:03}"): b"x" for n in range(MAX_ANNOTATIONS)}
    assert await kit.store.annotate(ann.id, box.id, full) is None
    kit.taken()
    more = {(0, "/shared/000"): b"y", (0, "/shared/more"): b"x"}
    assert refused(await kit.store.annotate(ann.id, box.id, more), Kind.LIMIT)
    assert refused(await kit.store.annotate(ann.id, box.id, more, special_use="\\All"), Kind.LIMIT)
    assert kit.taken() == []
    entries = await kit.store.annotations(ann.id, box.id, 0)
    assert len(entries) == MAX_ANNOTATIONS
    assert entries["/shared/000"] == b"x"
    instead = {(0, "/shared/000"): None, (0, "/shared/more"): b"x"}
    assert await kit.store.annotate(ann.id, box.id, instead) is None
    other = {(ann.id, "/private/more"): b"x"}
    assert await kit.store.annotate(ann.id, box.id, other) is None  # counted apart


async def test_a_special_use_set_along(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann, "Old mail")
    kit.taken()
    values = {(0, COMMENT): b"x"}
    for use, kind in (("\\Sent", Kind.IN_USE), ("\\Unheard", Kind.CANNOT)):
        answer = await kit.store.annotate(ann.id, box.id, values, special_use=use)
        assert refused(answer, kind)
    assert kit.taken() == []
    assert await kit.store.annotations(ann.id, box.id, 0) == {}
    assert await kit.store.annotate(ann.id, box.id, values, special_use="\\important") is None
    assert (await kit.again(box)).special_use == "\\Important"
    changed, annotated = kit.taken()
    assert isinstance(changed, BoxChanged)
    assert isinstance(annotated, Annotated)
    assert await kit.store.annotate(ann.id, box.id, {}, special_use="") is None
    assert (await kit.again(box)).special_use == ""


async def test_annotations_follow_their_mailbox(kit: Kit) -> None:
    ann = await kit.account()
    inbox, box = await kit.box(ann), await kit.box(ann, "a")
    for one in (inbox, box):
        await kit.store.annotate(ann.id, one.id, {(0, COMMENT): one.name.encode()})
    await kit.store.rename_mailbox(ann.id, box.id, "b")
    assert await kit.store.annotations(ann.id, box.id, 0) == {COMMENT: b"a"}
    await kit.store.rename_mailbox(ann.id, inbox.id, "old")  # copied: RFC 5464 §4.1
    old = await kit.box(ann, "old")
    for one in (inbox, old):
        assert await kit.store.annotations(ann.id, one.id, 0) == {COMMENT: b"INBOX"}
    await kit.store.delete_mailbox(ann.id, box.id)
    assert await kit.store.annotations(ann.id, box.id, 0) == {}
    again = await kit.box(ann, "b")
    assert await kit.store.annotations(ann.id, again.id, 0) == {}


async def test_who_may_do_what(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    modseq = box.highest_modseq
    kit.taken()

    async def change(who: str, op: AccessOp, text: str) -> None:
        rights = parse(text)
        assert rights is not None
        assert await kit.store.change_access(ann.id, box.id, who, op, rights) is None

    await change("bob@x", AccessOp.REPLACE, "lrs")
    await change("bob@x", AccessOp.ADD, "sw")
    await change("anyone", AccessOp.REPLACE, "l")
    await change("-bob@x", AccessOp.REPLACE, "d")
    assert kit.taken() == [
        AccessChanged(ann.id, modseq, box.id, who) for who in ("bob@x", "bob@x", "anyone", "-bob@x")
    ]
    assert list((await kit.store.access_list(ann.id, box.id)).items()) == [
        ("-bob@x", frozenset("te")),
        ("anyone", frozenset("l")),
        ("bob@x", frozenset("lrsw")),
    ]
    assert await kit.store.access_lists(ann.id) == {
        box.id: await kit.store.access_list(ann.id, box.id)
    }
    kit.taken()
    await change("bob@x", AccessOp.ADD, "lr")  # nothing new
    assert kit.taken() == []
    await change("bob@x", AccessOp.REMOVE, "lrswa")
    await change("anyone", AccessOp.REPLACE, "")
    assert list(await kit.store.access_list(ann.id, box.id)) == ["-bob@x"]
    nowhere = await kit.store.change_access(ann.id, 999, "bob@x", AccessOp.ADD, LRS)
    assert refused(nowhere, Kind.NONEXISTENT)


async def test_who_shares_with_whom(kit: Kit) -> None:
    ann, bob, eve = [await kit.account(name) for name in ("ann", "bob", "eve")]
    for owner, who in ((ann, bob.address), (eve, "anyone"), (eve, bob.address)):
        box = await kit.box(owner)
        await kit.store.change_access(owner.id, box.id, who, AccessOp.ADD, LRS)
    assert await kit.store.sharing([bob.address, "anyone"]) == [ann.id, eve.id]
    assert await kit.store.sharing([ann.address, "anyone"]) == [eve.id]
    assert await kit.store.sharing([ann.address]) == []


async def test_a_new_mailbox_has_the_list_of_its_parent(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann, "a")
    await kit.store.change_access(ann.id, box.id, "bob@x", AccessOp.ADD, LRS)
    deep = await kit.box(ann, "a/b/c")
    assert await kit.store.access_list(ann.id, deep.id) == {"bob@x": LRS}
    await kit.store.change_access(ann.id, deep.id, "bob@x", AccessOp.ADD, ALL)
    assert await kit.store.access_list(ann.id, box.id) == {"bob@x": LRS}
    await kit.store.rename_mailbox(ann.id, deep.id, "d")
    assert await kit.store.access_list(ann.id, deep.id) == {"bob@x": ALL}
    await kit.store.delete_mailbox(ann.id, deep.id)
    assert await kit.store.access_list(ann.id, deep.id) == {}
    again = await kit.box(ann, "d")
    assert await kit.store.access_list(ann.id, again.id) == {}


async def test_an_account_that_goes_leaves_nothing(kit: Kit) -> None:
    ann, bob = await kit.account(), await kit.account("bob")
    box = await kit.box(ann)
    for who in (bob.address, "-" + bob.address, "anyone"):
        await kit.store.change_access(ann.id, box.id, who, AccessOp.ADD, LRS)
    hers = await kit.box(bob)
    await kit.store.change_access(bob.id, hers.id, ann.address, AccessOp.ADD, LRS)
    await kit.store.annotate(ann.id, box.id, {(bob.id, "/private/x"): b"", (0, COMMENT): b""})
    assert await kit.store.remove_account(bob.id) is None
    assert await kit.store.access_list(ann.id, box.id) == {"anyone": LRS}
    assert await kit.store.sharing([ann.address]) == []
    assert await kit.store.annotations(ann.id, box.id, bob.id) == {}
    assert await kit.store.annotations(ann.id, box.id, 0) == {COMMENT: b""}
