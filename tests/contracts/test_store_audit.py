"""The ledger on every store: each promise is kept somewhere, or named as lost."""

from __future__ import annotations

from dataclasses import replace

from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.story import Attempted, Refused
from pillarbox.model.transaction import Recipient, Remote
from pillarbox.store import journal
from pillarbox.store.api import NewItem, Settled, Target
from pillarbox.store.journal import Telling
from support.storekit import Kit, envelope, some

YES = Reply(250, "2.0.0", "kept as x")
NO = Reply(550, "5.1.1", "no such user")
LATER = Reply(451, "4.4.1", "later")


async def settle(kit: Kit, result: Settled, report: str = "") -> None:
    now = kit.clock.time
    (item,) = await kit.store.lease("w", now, now + 60, 1)
    notice, message = None, None
    if report:
        to = Recipient(Address("ann", "example.org"), (Remote("ann@example.org"),))
        whole = replace(envelope(), recipients=(to,), id=report)
        notice, message = NewItem(whole, [(0, 0)], now + 9999), await kit.message()
    await kit.store.settle(item.id, item.lease, [result], message, notice)


async def ends(kit: Kit) -> dict[str, int]:
    seen = await kit.store.audit()
    assert seen.findings == []
    assert seen.broken == 0
    return dict(seen.ends)


async def test_mail_in_mailboxes(kit: Kit) -> None:
    person = await kit.account()
    box, other = await kit.box(person), await kit.box(person, "Other")
    new = [(await kit.message(), Target(person.id, box.id)) for _ in range(4)]
    await kit.store.append_many(new)
    await kit.store.move(person.id, box.id, some(1), person.id, other.id)
    await kit.store.expunge(person.id, box.id, some(2), only_deleted=False)
    await kit.store.expunge(person.id, box.id, some(3), only_deleted=False)
    await kit.store.purge(kit.clock.time + 1, kit.clock.time + 1)
    assert await ends(kit) == {"in a mailbox": 1, "moved or deleted by its owner": 3}
    await kit.store.remove_account(person.id)
    assert await ends(kit) == {"moved or deleted by its owner": 4}


async def test_the_queue_until_another_server_takes_it(kit: Kit) -> None:
    await kit.promise()
    assert await ends(kit) == {"in the queue": 1}
    await settle(kit, Settled(0, "due", kit.clock.time, LATER))
    assert await ends(kit) == {"in the queue": 1}
    await settle(kit, Settled(0, "done", 0.0, YES))
    assert await ends(kit) == {"taken by another server": 1}


async def test_what_failed_is_reported(kit: Kit) -> None:
    await kit.promise()
    await settle(kit, Settled(0, "failed", 0.0, NO, owed="failed"), "report")
    assert await ends(kit) == {"reported": 1, "in the queue": 1}
    await kit.promise("u")
    await settle(kit, Settled(0, "failed", 0.0, NO))
    await kit.promise("v")
    await settle(kit, Settled(0, "failed", 0.0, NO, owed="failed"))
    assert await ends(kit) == {
        "reported": 1,
        "in the queue": 1,
        "failed, and nobody wanted to know": 1,
        "failed, and nobody could be told": 1,
    }


async def test_a_report_is_found_however_many_stories_lie_between(kit: Kit) -> None:
    await kit.promise()
    await kit.store.refused([Refused(f"r{n}", "mx", "550 no") for n in range(700)])
    await settle(kit, Settled(0, "failed", 0.0, NO, owed="failed"), "report")
    await kit.store.refused([Refused(f"s{n}", "mx", "550 no") for n in range(300)])
    assert await ends(kit) == {"reported": 1, "in the queue": 1}


async def test_what_is_thrown_away_has_a_name(kit: Kit) -> None:
    item = await kit.promise()
    await kit.store.drop(item, by="admin")
    whole = replace(envelope("a@x.example"), id="gone")
    telling = Telling(whole, discarded={(0, 0): "a rule"})
    await kit.store.accept(await kit.message(), [], NewItem(whole, [], 0.0), telling)
    assert await ends(kit) == {"discarded by name": 2}


async def test_out_of_the_queue_into_a_mailbox(kit: Kit) -> None:
    person = await kit.account()
    box = await kit.box(person)
    await kit.promise(local=person.id)
    (item,) = await kit.store.queue_items()
    telling = Telling(item.envelope, {(0, 0): 0}, story=item.story, numbers=[0])
    await kit.store.accept(await kit.message(), [Target(person.id, box.id)], None, telling)
    await settle(kit, Settled(0, "done", 0.0, YES))
    assert await ends(kit) == {"in a mailbox": 1}


async def test_out_of_the_queue_and_discarded_by_a_script(kit: Kit) -> None:
    person = await kit.account()
    await kit.promise(local=person.id)
    (item,) = await kit.store.queue_items()
    telling = Telling(item.envelope, discarded={(0, 0): "a script"}, story=item.story, numbers=[0])
    await kit.store.accept(await kit.message(), [], None, telling)
    await settle(kit, Settled(0, "done", 0.0, YES))
    assert await ends(kit) == {"discarded by name": 1}


async def test_a_delivery_that_no_mailbox_has_is_lost(kit: Kit) -> None:
    person = await kit.account()
    item = await kit.promise(local=person.id)
    await settle(kit, Settled(0, "done", 0.0, YES))
    seen = await kit.store.audit()
    (finding,) = seen.findings
    assert (finding.kind, finding.repaired, seen.broken) == ("lost", False, 1)
    assert "no mailbox has it" in finding.text
    (story,) = await kit.store.stories(journal.by_item(item))
    assert any(isinstance(entry.event, Attempted) for entry in story.entries)
