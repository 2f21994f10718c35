"""Lists, suppressions, forwarding and counts of sending on every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.model.account import Alias, Domain
from pillarbox.model.lists import Cause, MailingList, Member, Others, Post, RewriteFrom, Suppressed
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.sending import HISTORY, HOUR, Hour, Sending, Sent
from pillarbox.model.transaction import Listed, Part
from pillarbox.store.api import NewItem, Target
from pillarbox.store.lists import MAX_MEMBERS
from support.storekit import DOMAIN, SECRET, Kit, envelope, refused

TALK = f"talk@{DOMAIN}"


async def talk(kit: Kit, *members: str) -> MailingList:
    if await kit.store.domain(DOMAIN) is None:
        await kit.store.set_domain(Domain(DOMAIN))
    made = await kit.store.add_list(MailingList(0, TALK, "Talk"))
    assert isinstance(made, MailingList)
    assert not isinstance(
        await kit.store.set_members(made.id, [(name, False) for name in members]), Refusal
    )
    return made


async def test_a_list_has_an_address_of_its_own(kit: Kit) -> None:
    store = kit.store
    assert refused(await store.add_list(MailingList(0, TALK)), Kind.NONEXISTENT)
    made = await talk(kit)
    assert await store.list_at(TALK) == made == (await store.lists())[0]
    assert made.post is Post.MEMBERS
    assert refused(await store.add_list(MailingList(0, TALK)), Kind.ALREADY_EXISTS)
    assert refused(await store.set_alias(Alias(TALK, ("x@y.example",))), Kind.ALREADY_EXISTS)
    assert refused(await store.add_account(TALK, SECRET), Kind.ALREADY_EXISTS)
    assert refused(await store.remove_domain(DOMAIN), Kind.IN_USE)
    ann = await kit.account("ann")
    assert refused(await store.add_list(MailingList(0, ann.address)), Kind.ALREADY_EXISTS)
    assert refused(await store.add_list(MailingList(0, "nobody")), Kind.CANNOT)


async def test_a_list_changes_all_but_its_address(kit: Kit) -> None:
    made = await talk(kit)
    changed = replace(
        made,
        title="T",
        post=Post.OWNERS,
        others=Others.HOLD,
        rewrite_from=RewriteFrom.NEVER,
    )
    assert await kit.store.change_list(replace(changed, address="else@where.test")) is None
    assert await kit.store.list_at(TALK) == changed
    assert refused(await kit.store.change_list(replace(made, id=99)), Kind.NONEXISTENT)


async def test_members_come_and_go(kit: Kit) -> None:
    store = kit.store
    made = await talk(kit, "b@x.test", "a@x.test")
    a, b = await store.members(made.id)
    assert [a.address, b.address] == ["a@x.test", "b@x.test"]
    assert await store.member(b.id) == (made, b)
    again = await store.set_members(made.id, [("a@x.test", True), ("c@x.test", False)])
    assert isinstance(again, list)
    assert again[0] == Member(a.id, made.id, "a@x.test", True)
    assert await store.remove_member(made.id, "b@x.test") is None
    assert refused(await store.remove_member(made.id, "b@x.test"), Kind.NONEXISTENT)
    assert await store.member(b.id) is None
    assert [m.address for m in await store.members(made.id)] == ["a@x.test", "c@x.test"]
    back = await store.set_members(made.id, [("b@x.test", False)])
    assert isinstance(back, list)
    assert back[0].id > b.id  # an old number never means somebody else
    assert refused(
        await store.set_members(made.id, [("d@x.test", False), ("", False)]), Kind.CANNOT
    )
    assert len(await store.members(made.id)) == 3
    assert refused(await store.set_members(99, [("d@x.test", False)]), Kind.NONEXISTENT)


async def test_members_are_bounded(kit: Kit) -> None:
    made = await talk(kit)
    many = [(f"u{n}@x.test", False) for n in range(MAX_MEMBERS + 1)]
    assert refused(await kit.store.set_members(made.id, many), Kind.LIMIT)
    assert await kit.store.members(made.id) == []


async def test_a_list_that_goes_takes_everything_along(kit: Kit) -> None:
    store = kit.store
    made = await talk(kit, "a@x.test")
    await store.suppress([Suppressed(TALK, "b@x.test", Cause.UNSUBSCRIBED, 5.0)])
    assert await store.remove_list(made.id) is None
    assert refused(await store.remove_list(made.id), Kind.NONEXISTENT)
    assert await store.list_at(TALK) is None
    assert await store.suppressions() == []
    again = await talk(kit)
    assert again.id > made.id
    assert await store.members(again.id) == []


async def test_suppressions(kit: Kit) -> None:
    store = kit.store
    ann = await kit.account()
    bounce = Suppressed(ann.address, "a@x.test", Cause.BOUNCE, 5.0, "550 5.1.1 no")
    left = Suppressed(ann.address, "b@x.test", Cause.UNSUBSCRIBED, 6.0)
    await store.suppress([bounce, left, replace(left, owner="z@x.test")])
    assert await store.suppressed(ann.address, "a@x.test") == bounce
    assert await store.suppressed(ann.address, "c@x.test") is None
    assert await store.suppressions(ann.address) == [bounce, left]
    assert len(await store.suppressions()) == 3
    later = replace(bounce, at=9.0)
    await store.suppress([later, replace(left, cause=Cause.BOUNCE)])
    assert await store.suppressions(ann.address) == [later, left]
    assert await store.unsuppress(ann.address, "a@x.test") is None
    assert refused(await store.unsuppress(ann.address, "a@x.test"), Kind.NONEXISTENT)
    await store.remove_account(ann.id)
    assert [one.owner for one in await store.suppressions()] == ["z@x.test"]


async def test_an_account_can_forward_and_has_limits(kit: Kit) -> None:
    ann = await kit.account()
    assert (ann.forward, ann.keep_copy, ann.hour_limit, ann.day_limit) == ((), True, 0, 0)
    changed = replace(
        ann, forward=("a@x.test", "b@x.test"), keep_copy=False, hour_limit=5, day_limit=-1
    )
    assert await kit.store.change_account(changed) is None
    assert await kit.store.account(ann.id) == changed


async def test_sending_is_counted_by_hours_and_forgotten(kit: Kit) -> None:
    store = kit.store
    ann = await kit.account()
    assert await store.sending(ann.id) == Sending()
    start = 1_700_000_000 // HOUR * HOUR
    await store.count_sent(Sent(ann.id, start + 5.0, 3, network="192.0.2.0/24"))
    await store.count_sent(Sent(ann.id, start + 9.5, 2, 1, network="192.0.2.0/24"))
    await store.count_sent(Sent(ann.id, start + HOUR, 0, 4))
    await store.set_alarmed(ann.id, 7.0)
    assert await store.sending(ann.id) == Sending(
        (Hour(start, 5, 1), Hour(start + HOUR, 0, 4)),
        (("192.0.2.0/24", start + 5.0, start + 9.5),),
        7.0,
    )
    late = start + HISTORY + 10.0
    await store.count_sent(Sent(ann.id, late, 1))
    assert await store.sending(ann.id) == Sending(
        (Hour(start + HOUR, 0, 4), Hour(start + HISTORY, 1, 0)), (), 7.0
    )
    await store.count_sent(Sent(99, late, 1))
    await store.set_alarmed(99, 7.0)
    await store.remove_account(ann.id)
    for gone in (ann.id, 99):
        assert await store.sending(gone) == Sending()


async def test_what_is_kept_is_counted_and_what_is_refused_is_not(kit: Kit) -> None:
    ann = await kit.account(quota=50)
    inbox = await kit.box(ann)
    target = Target(ann.id, inbox.id)
    sent = Sent(ann.id, kit.clock.now(), 2)
    await kit.store.accept(await kit.message(b"x" * 100), [target], sent=sent)
    assert await kit.store.sending(ann.id) == Sending()
    await kit.store.accept(await kit.message(b"x" * 10), [target], sent=sent)
    item = NewItem(envelope("a@x.test"), [(0, 0)], 0.0)
    await kit.store.accept(await kit.message(b"x" * 100), [target], item, sent=sent)
    held = Target(ann.id, inbox.id, pair=(0, 0))
    item = NewItem(envelope("a@x.test"), [], 0.0)
    await kit.store.accept(await kit.message(b"x" * 100), [held], item, sent=sent)
    (hour,) = (await kit.store.sending(ann.id)).hours
    assert hour.recipients == 6


async def test_some_recipients_wait_to_be_released(kit: Kit) -> None:
    item = NewItem(
        envelope("a@x.test", "b@x.test"), [(0, 0), (1, 0)], 5.0, held=[(1, 0)], why_held="because"
    )
    await kit.store.accept(await kit.message(), [], item)
    (found,) = await kit.store.queue_items()
    assert found.held == "because"
    assert [row.state for row in found.recipients] == ["due", "held"]
    assert await kit.store.hold(found.id, False) is None
    (found,) = await kit.store.queue_items()
    assert [row.state for row in found.recipients] == ["due", "due"]


@pytest.mark.parametrize("part", list(Part))
async def test_a_route_to_a_list_comes_back_from_the_queue(kit: Kit, part: Part) -> None:
    whole = envelope("talk@example.org")
    to = replace(whole.recipients[0], routes=(Listed(TALK, part, "tok"),))
    whole = replace(whole, recipients=(to,), list=TALK)
    await kit.store.accept(await kit.message(), [], NewItem(whole, [(0, 0)], 5.0))
    (found,) = await kit.store.queue_items()
    assert found.envelope == whole
