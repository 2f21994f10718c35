"""What IMAP events make of a message that a script sends nowhere (RFC 6785)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.events import ENTRY, Events
from pillarbox.model.numset import NumSet
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.store.api import NewMessage
from support.people import Counted, account
from support.sievehouse import sieve_house


@pytest.mark.parametrize(
    ("action", "quota", "flags"),
    [
        ('fileinto "Archive";', 0, ["\\Deleted"]),
        ('fileinto "Archive";', 10, []),
        ('fileinto "nowhere";', 0, []),
        ('redirect "b@far.test";', 0, ["\\Deleted"]),
        ('redirect "nobody@example.test";', 0, []),
        ("discard;", 10, ["\\Deleted"]),
    ],
)
async def test_what_got_nowhere_else_is_not_marked_deleted(
    action: str, quota: int, flags: list[str]
) -> None:
    house = await sieve_house("ann")
    await house.send("ann@example.test")
    await house.script("ann", f'require ["imapsieve", "fileinto"]; {action}', "ev")
    await house.store.activate_script((await account(house.store, "ann")).id, "")
    person = await account(house.store, "ann")
    inbox = await house.store.mailbox_by_name(person.id, "INBOX")
    assert inbox is not None
    await house.store.annotate(person.id, inbox.id, {(0, ENTRY): b"ev"})
    await house.store.change_account(replace(person, quota=quota))
    events = Events(house.store, Chain(house.store, house.clock), house.planner.hands)
    await events.happened("COPY", person.id, inbox.id, NumSet([(1, 1)]), person)
    assert await house.flags("ann") == [flags]


async def test_what_leaves_counts_as_the_owners_and_wakes_the_queue() -> None:
    """Else whoever has a password sends by APPEND what the limits forbid."""
    house = await sieve_house("ann")
    for _ in range(2):
        await house.send("ann@example.test")
    await house.script(
        "ann", 'require "imapsieve"; redirect "b@far.test"; redirect "c@far.test";', "ev"
    )
    person = await account(house.store, "ann")
    await house.store.activate_script(person.id, "")
    inbox = await house.store.mailbox_by_name(person.id, "INBOX")
    assert inbox is not None
    await house.store.annotate(person.id, inbox.id, {(0, ENTRY): b"ev"})
    asked: list[tuple[str, int]] = []
    woken: list[None] = []

    async def onward(user: str, others: int) -> Sent | Reply | None:
        asked.append((user, others))
        return Reply(450, "4.7.1", "enough") if len(asked) > 1 else Sent(person.id, 0.0, others)

    hands = replace(house.planner.hands, onward=onward)
    events = Events(house.store, Chain(house.store, house.clock), hands, lambda: woken.append(None))
    await events.happened("APPEND", person.id, inbox.id, NumSet([(1, 2)]), person)
    assert asked == [("ann@example.test", 2)] * 2
    assert len(await house.queued()) == 2
    assert await house.flags("ann") == [["\\Deleted"], []]
    assert len(woken) == 1
    counted = await house.store.sending(person.id)
    assert counted is not None


async def test_what_could_not_be_kept_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    house = await sieve_house("ann")
    await house.send("ann@example.test")
    await house.script("ann", 'require "imapsieve"; redirect "b@far.test";', "ev")
    person = await account(house.store, "ann")
    await house.store.activate_script(person.id, "")
    inbox = await house.store.mailbox_by_name(person.id, "INBOX")
    assert inbox is not None
    await house.store.annotate(person.id, inbox.id, {(0, ENTRY): b"ev"})
    made: list[Counted] = []

    async def counted(octets: bytes) -> NewMessage:
        message = await house.message(octets)
        made.append(Counted(message.content))
        return NewMessage(made[-1], message.facts)

    async def full(*_args: object) -> None:
        raise Temporary("the disk is full")

    monkeypatch.setattr(house.store, "accept_each", full)
    hands = replace(house.planner.hands, make=counted)
    events = Events(house.store, Chain(house.store, house.clock), hands)
    await events.happened("COPY", person.id, inbox.id, NumSet([(1, 1)]), person)
    assert [bool(one.given_up) for one in made] == [True]
    assert await house.flags("ann") == [[]]
