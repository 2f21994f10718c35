"""The journal on every store: what happened to a message is told, in order, and then forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.model.address import Address
from pillarbox.model.refusal import Kind
from pillarbox.model.reply import Reply
from pillarbox.model.story import (
    DISCARDED,
    MAILBOX,
    QUEUE,
    Accepted,
    Appended,
    Attempted,
    Delivered,
    Event,
    Expunged,
    Handled,
    Judged,
    Moved,
    Noted,
    Refused,
    Reported,
    Try,
    Way,
)
from pillarbox.model.transaction import Envelope, Local, Recipient, Remote
from pillarbox.store import journal
from pillarbox.store.api import NewItem, NewMessage, QueueItem, Settled, Target
from pillarbox.store.journal import Telling
from support.storekit import Kit, envelope, refused, some

LATER = Reply(451, "4.4.1", "try ägain")
GONE = Reply(550, "5.1.1", "no such user")


async def story(kit: Kit, key: int) -> list[Event]:
    (found,) = await kit.store.stories(key)
    return [entry.event for entry in found.entries]


async def message(kit: Kit, message_id: str = "<one@x.example>") -> NewMessage:
    made = await kit.message()
    return NewMessage(made.content, replace(made.facts, message_id=message_id))


def to_many(account: int) -> Envelope:
    local = Recipient(Address("ann", "example.org"), (Local(account, "ann@example.org"),))
    far = Recipient(Address("Bob", "x.example"), (Remote("bob@x.example"),))
    dull = Recipient(Address("dan", "example.org"), (Local(account, "ann@example.org"),))
    return replace(envelope(), recipients=(local, far, dull), id="trace-1")


async def accepted(kit: Kit) -> tuple[int, int]:
    """A message to a mailbox, to the queue and to nowhere; numbers of account and item."""
    person = await kit.account()
    box = await kit.box(person)
    whole = to_many(person.id)
    telling = Telling(whole, {(0, 0): 0}, {(2, 0): "sieve of ann@example.org: discard"})
    telling.notes = [Judged("spf", "pass", "192.0.2.1"), Noted("routing", "three ways")]
    item = NewItem(whole, [(1, 0)], due=kit.clock.time)
    target = Target(person.id, box.id, pair=(0, 0))
    await kit.store.accept(await message(kit), [target], item, telling)
    return person.id, (await kit.store.queue_items())[-1].id


async def test_a_message_is_told_with_all_its_ways(kit: Kit) -> None:
    account, item = await accepted(kit)
    inbox = await kit.box_of(account, "INBOX")
    judged, noted, event = await story(kit, journal.by_trace("trace-1"))
    assert judged == Judged("spf", "pass", "192.0.2.1")
    assert noted == Noted("routing", "three ways")
    assert isinstance(event, Accepted)
    assert (event.trace, event.door, event.sender) == ("trace-1", "submission", "ann@example.org")
    assert (event.ip, event.helo, event.tls) == ("192.0.2.1", "helo", "TLSv1.3")
    assert (event.item, event.message_id, event.user) == (item, "<one@x.example>", "ann")
    here = "local ann@example.org"
    assert event.ways == (
        Way("ann@example.org", here, MAILBOX, account, inbox.id, "INBOX", uid=1),
        Way("Bob@x.example", "remote bob@x.example", QUEUE, number=0),
        Way("dan@example.org", here, DISCARDED, name="sieve of ann@example.org: discard"),
    )


@pytest.mark.parametrize(
    "key",
    [
        journal.by_trace("trace-1"),
        journal.by_message_id("one@x.example"),
        journal.by_message_id(" <one@x.example>"),
        journal.by_address("BOB@x.example"),
        journal.by_address("ann@example.org"),
        journal.by_blob(1),
        journal.by_item(1),
    ],
)
async def test_a_story_is_found(kit: Kit, key: int) -> None:
    await accepted(kit)
    assert len(await kit.store.stories(key)) == 1


async def test_the_newest_story_comes_first(kit: Kit) -> None:
    for n in range(5):
        whole = replace(envelope(f"r{n}@x.example"), id=f"t{n}")
        item = NewItem(whole, [(0, 0)], kit.clock.time)
        await kit.store.accept(await message(kit), [], item, Telling(whole))
    found = await kit.store.stories(journal.by_message_id("<one@x.example>"), 3)
    ids = [one.id for one in found]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    assert await kit.store.stories(journal.by_trace("t9")) == []
    every = await kit.store.stories_after(0, 2)
    rest = await kit.store.stories_after(every[-1].id)
    assert [*(one.id for one in every), *(one.id for one in rest)][-3:] == ids[::-1]


async def test_a_discarded_message_leaves_nothing_but_its_story(kit: Kit) -> None:
    whole = replace(envelope("a@x.example"), id="gone")
    content = await message(kit)
    telling = Telling(whole, discarded={(0, 0): "suppressed"})
    assert await kit.store.accept(content, [], NewItem(whole, [], 0.0), telling) == []
    (event,) = await story(kit, journal.by_trace("gone"))
    assert isinstance(event, Accepted)
    assert (event.blob, [way.end for way in event.ways]) == (0, [DISCARDED])
    assert await kit.store.queue_items() == []


async def leased(kit: Kit) -> QueueItem:
    now = kit.clock.time
    (item,) = await kit.store.lease("w", now, now + 60, 1)
    return item


async def test_attempts_and_the_report(kit: Kit) -> None:
    await accepted(kit)
    item = await leased(kit)
    tries = (Try("mx.x.example", "192.0.2.9", "TLSv1.3 AES", "451 4.4.1 try ägain"),)
    due = kit.clock.time + 300
    later = Settled(0, "due", due, LATER, by="mx.x.example", tls="TLSv1.3 AES", tries=tries)
    await kit.store.settle(item.id, item.lease, [later])
    kit.clock.time = due
    item = await leased(kit)
    over = Settled(0, "failed", 0.0, GONE, owed="failed")
    await kit.store.settle(item.id, item.lease, [over], keep_until=due + 60)
    report = replace(envelope("ann@example.org"), id="report")
    notice = NewItem(report, [(0, 0)], due)
    await kit.store.settle(item.id, item.lease, [], await message(kit, "<r@h>"), notice)
    *_, first, second, told = await story(kit, journal.by_item(item.id))
    to = ("Bob@x.example",)
    assert first == Attempted(
        (0,), to, "451 4.4.1 try ägain", "due", "mx.x.example", "TLSv1.3 AES", due, tries=tries
    )
    assert second == Attempted((0,), to, "550 5.1.1 no such user", "failed", owed="failed")
    assert told == Reported((0,), ("failed",), "ann@example.org", "report")
    (event,) = await story(kit, journal.by_trace("report"))
    assert isinstance(event, Accepted)
    assert event.item


async def test_many_recipients_with_one_answer_are_one_row(kit: Kit) -> None:
    whole = replace(envelope(*(f"r{n}@x.example" for n in range(100))), id="many")
    item = NewItem(whole, [(n, 0) for n in range(100)], kit.clock.time)
    await kit.store.accept(await message(kit), [], item, Telling(whole))
    taken = await leased(kit)
    now = kit.clock.time
    results = [Settled(n, "due", now + 100 - n, LATER) for n in range(99)]
    await kit.store.settle(taken.id, taken.lease, [*results, Settled(99, "done", 0, GONE)])
    _, first, second = await story(kit, journal.by_trace("many"))
    assert isinstance(first, Attempted)
    assert (len(first.numbers), first.due) == (99, now + 2)
    assert isinstance(second, Attempted)
    assert second.numbers == (99,)


async def test_what_an_operator_does(kit: Kit) -> None:
    _, item = await accepted(kit)
    await kit.store.hold(item, True, by="admin")
    await kit.store.hold(item, False, by="admin")
    await kit.store.retry(item, kit.clock.time, by="admin")
    await kit.store.drop(item, by="admin")
    told = (await story(kit, journal.by_item(item)))[-4:]
    assert told == [
        Handled("held", "admin", item),
        Handled("released", "admin", item),
        Handled("retried", "admin", item),
        Handled("dropped", "admin", item, (0,)),
    ]


async def test_expiring_makes_the_report_due(kit: Kit) -> None:
    _, item = await accepted(kit)
    over = Settled(0, "failed", 0.0, GONE, owed="failed")
    assert refused(await kit.store.expire(item + 9, [over]), Kind.NONEXISTENT)
    kit.clock.time += 1
    taken = await leased(kit)
    assert refused(await kit.store.expire(item, [over]), Kind.IN_USE)
    await kit.store.settle(taken.id, taken.lease, [Settled(0, "due", kit.clock.time + 999, LATER)])
    assert await kit.store.expire(item, [over], "admin") is None
    taken = await leased(kit)
    assert [(r.state, r.owed) for r in taken.recipients] == [("failed", "failed")]
    await kit.store.settle(taken.id, taken.lease, [])
    *_, handled, event, told = await story(kit, journal.by_item(item))
    assert handled == Handled("expired", "admin", item, (0,))
    assert isinstance(event, Attempted)
    assert told == Reported((0,), ("failed",))
    assert await kit.store.queue_items() == []


async def test_expiring_leaves_what_was_delivered_meanwhile(kit: Kit) -> None:
    """Whoever gives up looked at the item a moment before."""
    _, item = await accepted(kit)
    kit.clock.time += 1
    taken = await leased(kit)
    done = Settled(0, "done", 0.0, Reply(250, "2.0.0", "OK"), owed="relayed")
    await kit.store.settle(taken.id, taken.lease, [done], owing=True)
    over = Settled(0, "failed", 0.0, GONE, owed="failed")
    assert await kit.store.expire(item, [over], "admin") is None
    (found,) = await kit.store.queue_items()
    assert [(r.state, r.owed) for r in found.recipients] == [("done", "relayed")]


async def test_mail_out_of_the_queue_goes_on_with_its_story(kit: Kit) -> None:
    account, _ = await accepted(kit)
    item = await leased(kit)
    box = await kit.box_of(account, "INBOX")
    whole = replace(to_many(account), recipients=to_many(account).recipients[:1])
    telling = Telling(whole, {(0, 0): 0}, story=item.story, numbers=[0])
    await kit.store.accept(await message(kit), [Target(account, box.id)], None, telling)
    event = (await story(kit, journal.by_trace("trace-1")))[-1]
    way = Way(
        "ann@example.org", "local ann@example.org", MAILBOX, account, box.id, "INBOX", 2, number=0
    )
    assert event == Delivered((way,))


async def test_what_users_do_to_it(kit: Kit) -> None:
    account, _ = await accepted(kit)
    inbox = await kit.box_of(account, "INBOX")
    other = await kit.box_of(account, "Other")
    await kit.put(inbox)
    await kit.store.copy(account, inbox.id, some(1, 2), account, other.id, by="imap a")
    await kit.store.move(account, other.id, some(1, 2), account, inbox.id, by="imap b")
    await kit.store.expunge(account, inbox.id, some(1, 3), only_deleted=False, by="pop3")
    kept = await kit.store.retained(account, inbox.id)
    await kit.store.undelete(account, [k for k in kept if k.uid == 3], other.id, by="admin")
    await kit.store.delete_mailbox(account, other.id, by="imap c")
    told = (await story(kit, journal.by_trace("trace-1")))[3:]
    a, i, o = account, inbox.id, other.id
    assert told == [
        Moved(a, i, "INBOX", 1, a, o, "Other", 1, "imap a", copied=True),
        Moved(a, o, "Other", 1, a, i, "INBOX", 3, "imap b"),
        Expunged(a, i, "INBOX", 1, "pop3"),
        Expunged(a, i, "INBOX", 3, "pop3"),
        Moved(a, i, "", 3, a, o, "Other", 3, "admin", restored=True),
        Expunged(a, o, "Other", 3, "imap c", whole=True),
    ]


async def test_an_appended_message_has_a_story(kit: Kit) -> None:
    person = await kit.account()
    box = await kit.box(person)
    new = [(await message(kit), Target(person.id, box.id)) for _ in range(2)]
    await kit.store.append_many(new, by="imap ann")
    found = await kit.store.stories(journal.by_message_id("<one@x.example>"))
    second, first = (one.entries[0].event for one in found)
    assert first == Appended(person.id, box.id, "INBOX", 1, 22, 1, "<one@x.example>", "imap ann")
    assert isinstance(second, Appended)
    assert second.uid == 2
    await kit.store.remove_account(person.id)
    gone = (await kit.store.stories(journal.by_blob(1)))[0].entries[-1].event
    assert gone == Expunged(person.id, 0, "ann@example.org", 1, whole=True)


async def test_refusals_and_later_notes(kit: Kit) -> None:
    no = Refused("t", "mx", "550 5.1.1 Nobody", "x@y.example", ("bob@example.org",), ip="192.0.2.7")
    await kit.store.refused([no, replace(no, trace="u")])
    assert await story(kit, journal.by_trace("t")) == [no]
    assert len(await kit.store.stories(journal.by_address("bob@example.org"))) == 2
    assert await kit.store.note(journal.by_trace("t"), [Noted("operator", "looked at it")])
    assert not await kit.store.note(journal.by_trace("zz"), [Noted("operator", "x")])
    assert (await story(kit, journal.by_trace("t")))[1:] == [Noted("operator", "looked at it")]


async def test_old_stories_are_forgotten_but_not_those_that_still_wait(kit: Kit) -> None:
    account, item = await accepted(kit)
    box = await kit.box_of(account, "INBOX")
    await kit.put(box)
    await kit.store.expunge(account, box.id, some(2), only_deleted=False)
    no = Refused("t", "mx", "550 5.1.1 Nobody")
    await kit.store.refused([no])
    kit.clock.time += 1000
    await kit.store.refused([replace(no, trace="new")])
    assert await kit.store.forget(kit.clock.time - 10) == 1
    assert await kit.store.stories(journal.by_trace("t")) == []
    assert len(await kit.store.stories(journal.by_trace("trace-1"))) == 1
    await kit.store.drop(item)
    assert await kit.store.forget(kit.clock.time - 10) == 1
    assert await kit.store.stories(journal.by_trace("trace-1")) == []
    assert len(await kit.store.stories_after(0)) == 1


async def test_there_is_an_end_to_refusals(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("memory.book", "sqlite.journal"):
        monkeypatch.setattr(f"pillarbox.store.{place}.MAX_REFUSED", 3)
    await kit.store.refused([Refused(f"t{n}", "mx", "550 no") for n in range(5)])
    assert await kit.store.forget(0.0) == 2
    left = [await kit.store.stories(journal.by_trace(f"t{n}")) for n in range(5)]
    assert [len(found) for found in left] == [0, 0, 1, 1, 1]
