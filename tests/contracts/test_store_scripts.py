"""Scripts, marks, and several messages in one transaction, on every store."""

from __future__ import annotations

from pillarbox.model.refusal import Kind, Refusal
from pillarbox.store.api import Appended, NewItem, Parcel, Target
from pillarbox.store.scripts import MAX_SCRIPT, MAX_SCRIPTS, Mark, StoredScript
from support.storekit import Kit, envelope, refused


async def test_scripts_come_and_go(kit: Kit) -> None:
    store, ann = kit.store, await kit.account()
    assert await store.scripts(ann.id) == []
    assert await store.active_script(ann.id) is None
    assert await store.put_script(ann.id, "b", b"keep;") is None
    assert await store.put_script(ann.id, "a/ü", b"") is None
    assert await store.active_script(ann.id) is None
    assert await store.activate_script(ann.id, "b") is None
    assert await store.active_script(ann.id) == ("b", b"keep;")
    assert await store.scripts(ann.id) == [
        StoredScript("a/ü", 0, False),
        StoredScript("b", 5, True),
    ]
    assert await store.put_script(ann.id, "b", b"discard;") is None
    assert await store.active_script(ann.id) == ("b", b"discard;")
    assert await store.script(ann.id, "b") == b"discard;"
    assert await store.script(ann.id, "c") is None
    assert refused(await store.remove_script(ann.id, "b"), Kind.IN_USE)
    assert refused(await store.rename_script(ann.id, "b", "a/ü"), Kind.ALREADY_EXISTS)
    assert refused(await store.rename_script(ann.id, "x", "y"), Kind.NONEXISTENT)
    assert await store.rename_script(ann.id, "b", "c") is None
    assert await store.active_script(ann.id) == ("c", b"discard;")
    assert await store.activate_script(ann.id, "a/ü") is None
    assert await store.active_script(ann.id) == ("a/ü", b"")
    assert await store.remove_script(ann.id, "c") is None
    assert refused(await store.activate_script(ann.id, "c"), Kind.NONEXISTENT)
    assert await store.active_script(ann.id) == ("a/ü", b"")
    assert await store.activate_script(ann.id, "") is None
    assert await store.active_script(ann.id) is None
    assert refused(await store.remove_script(ann.id, "c"), Kind.NONEXISTENT)


async def test_scripts_have_bounds(kit: Kit) -> None:
    store, ann = kit.store, await kit.account()
    assert refused(await store.put_script(ann.id, "a", b" " * (MAX_SCRIPT + 1)), Kind.TOO_BIG)
    for name in "abcd":
        assert await store.put_script(ann.id, name, b" " * MAX_SCRIPT) is None
    assert refused(await store.script_room(ann.id, "e", 1), Kind.OVER_QUOTA)
    assert await store.script_room(ann.id, "d", 1) is None
    assert await store.put_script(ann.id, "a", b"") is None
    for n in range(MAX_SCRIPTS - 4):
        assert await store.put_script(ann.id, f"n{n}", b"") is None
    assert refused(await store.put_script(ann.id, "more", b""), Kind.LIMIT)
    assert refused(await store.put_script(999, "more", b""), Kind.NONEXISTENT)


async def test_an_account_takes_its_scripts_along(kit: Kit) -> None:
    store, ann = kit.store, await kit.account()
    await store.put_script(ann.id, "a", b"")
    await store.activate_script(ann.id, "a")
    await store.accept_each([], [Mark(ann.id, b"k", kit.clock.now() + 9)])
    assert await store.remove_account(ann.id) is None
    assert await store.scripts(ann.id) == []
    assert await store.active_script(ann.id) is None
    assert await store.marked(ann.id, [b"k"], kit.clock.now()) == set()


async def test_marks_are_remembered_for_the_longer_of_two_times(kit: Kit) -> None:
    store, ann = kit.store, await kit.account()
    now = kit.clock.now()
    await store.accept_each([], [Mark(ann.id, b"a", now + 10), Mark(ann.id, b"b", now + 20)])
    await store.accept_each([], [Mark(ann.id, b"b", now + 5)])
    assert await store.marked(ann.id, [b"a", b"b", b"c"], now) == {b"a", b"b"}
    assert await store.marked(ann.id, [b"a", b"b"], now + 15) == {b"b"}
    assert await store.marked(999, [b"a"], now) == set()
    await store.purge(0, 0)
    assert await store.marked(ann.id, [b"a"], now) == {b"a"}


async def test_several_messages_in_one_transaction(kit: Kit) -> None:
    store, ann = kit.store, await kit.account()
    inbox = await kit.box(ann)
    kit.taken()
    one, two = await kit.message(b"Subject: 1\r\n\r\n"), await kit.message(b"Subject: 2\r\n\r\n")
    target = Target(ann.id, inbox.id)
    item = NewItem(envelope("x@far.example"), [(0, 0)], kit.clock.now())
    once = Mark(ann.id, b"once", kit.clock.now() + 60)
    first = await store.accept_each(
        [Parcel(one, [target], more=[item, item]), Parcel(two, [target, target], once=once)]
    )
    assert [len(part) for part in first if part is not None] == [1, 2]
    assert all(isinstance(result, Appended) for part in first for result in part or ())
    assert [change.modseq for change in kit.taken()] == [inbox.highest_modseq + 1] * 2
    items = await store.queue_items()
    assert len(items) == 2
    assert {await store.read(item.blob) for item in items} == {b"Subject: 1\r\n\r\n"}
    three, four = await kit.message(b"Subject: 3\r\n\r\n"), await kit.message(b"Subject: 4\r\n\r\n")
    again = await store.accept_each([Parcel(three, [target]), Parcel(four, [target], once=once)])
    assert again[1] is None
    assert again[0] is not None
    four.content.discard()
    assert (await kit.again(inbox)).messages == 4
    for item_ in items:
        assert await store.drop(item_.id) is None
    assert await store.queue_items() == []


async def test_a_message_only_for_the_queue(kit: Kit) -> None:
    store, ann = kit.store, await kit.account()
    message = await kit.message(b"Subject: 1\r\n\r\n")
    item = NewItem(envelope("x@far.example"), [(0, 0)], kit.clock.now())
    missing = Target(ann.id, 999)
    (results,) = await store.accept_each([Parcel(message, [missing], more=[item])])
    assert results is not None
    assert isinstance(results[0], Refusal)
    (queued,) = await store.queue_items()
    assert await store.read(queued.blob) == b"Subject: 1\r\n\r\n"


async def test_what_did_not_fit_is_not_remembered(kit: Kit) -> None:
    """Whoever tries it again must not find that it was there before."""
    store, ann = kit.store, await kit.account()
    inbox = await kit.box(ann)
    now = kit.clock.now()
    missing = Target(ann.id, 999, pair=(0, 0))
    item = NewItem(envelope("ann@example.test"), [], now)
    one = await kit.message(b"Subject: 1\r\n\r\n")
    parcel = Parcel(
        one, [missing, Target(ann.id, inbox.id)], item, once=Mark(ann.id, b"o", now + 9)
    )
    await store.accept_each([parcel], [Mark(ann.id, b"m", now + 9), Mark(999, b"m", now + 9)])
    assert len(await store.queue_items()) == 1
    assert await store.marked(ann.id, [b"o", b"m"], now) == set()
