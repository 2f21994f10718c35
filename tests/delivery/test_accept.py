"""The end of DATA: who gets the message, who waits, and what each recipient is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.delivery import accept
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.sieve.plan import Plan
from pillarbox.model.account import Domain
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.transaction import Envelope, Local, Remote
from pillarbox.store.api import NewMessage, Parcel, Target
from pillarbox.store.blobs.files import STAGING
from pillarbox.store.sqlite import Options, open_store
from pillarbox.store.sqlite.writer import WriteLane
from pillarbox.testing.clock import FakeClock
from support.people import (
    NOBODY_LOGS_IN,
    account,
    envelope,
    house,
    local,
    new_message,
    recipient,
)
from support.storekit import INLINE, Kit, open_kit


async def counts(store: object, name: str) -> dict[str, int]:
    """Messages by mailbox name, empty ones left out."""
    person = await account(store, name)  # type: ignore[arg-type]
    boxes: list[Mailbox] = await store.mailboxes(person.id)  # type: ignore[attr-defined]
    return {box.name: box.messages for box in boxes if box.messages}


async def test_everyone_gets_it_once() -> None:
    store = await house("ann", "bob")
    ann, bob = local(await account(store, "ann")), local(await account(store, "bob"))
    to = envelope(recipient("ann", ann), recipient("both", ann, bob))
    result = await Acceptor(store, FakeClock()).accept(to, await new_message(store))
    assert result.replies == (accept.DELIVERED, accept.DELIVERED)
    assert await counts(store, "ann") == {"INBOX": 1}
    assert await counts(store, "bob") == {"INBOX": 1}
    assert len({kept.blob for kept in result.kept}) == 1


async def test_detail_files_into_a_mailbox_of_that_name_only_without_special_use() -> None:
    store = await house("ann")
    ann = await account(store, "ann")
    await store.create_mailbox(ann.id, "lists")
    acceptor = Acceptor(store, FakeClock())
    for detail in ("lists", "Sent", "nothing"):
        to = envelope(recipient("ann", local(ann, detail=detail)))
        await acceptor.accept(to, await new_message(store))
    assert await counts(store, "ann") == {"INBOX": 2, "lists": 1}


async def test_a_looping_message_is_refused_and_forgotten() -> None:
    store = await house("ann")
    to = envelope(recipient("ann", local(await account(store, "ann"))))
    result = await Acceptor(store, FakeClock()).accept(to, await new_message(store), hops=101)
    assert result.overall() == accept.TOO_MANY_HOPS
    assert await counts(store, "ann") == {}


async def test_a_full_mailbox_waits_in_the_queue_and_the_others_have_theirs() -> None:
    store = await house("ann", "bob", quota=10)
    clock = FakeClock()
    bob = await account(store, "bob")
    await store.change_account(type(bob)(bob.id, bob.address))
    ann_route, bob_route = local(await account(store, "ann")), local(bob)
    to = envelope(recipient("ann", ann_route), recipient("bob", bob_route))
    result = await Acceptor(store, clock).accept(to, await new_message(store))
    assert result.replies == (accept.QUEUED, accept.DELIVERED)
    assert result.queued == 1
    assert await counts(store, "bob") == {"INBOX": 1}
    (item,) = await store.queue_items()
    assert [r.envelope_index for r in item.recipients] == [0]
    assert item.recipients[0].due == clock.now() + 300


async def test_lmtp_tells_the_full_mailbox_itself() -> None:
    store = await house("ann", "bob", quota=10)
    ann = local(await account(store, "ann"))
    to = envelope(recipient("ann", ann))
    message = await new_message(store)
    result = await Acceptor(store, FakeClock()).accept(to, message, queue=False)
    assert (result.replies[0].code, result.replies[0].enhanced) == (452, "4.2.2")
    assert await store.queue_items() == []


async def test_lmtp_queues_the_full_part_of_an_alias() -> None:
    store = await house("ann", "bob", quota=10)
    bob = await account(store, "bob")
    await store.change_account(type(bob)(bob.id, bob.address))
    to = envelope(recipient("both", local(await account(store, "ann")), local(bob)))
    message = await new_message(store)
    result = await Acceptor(store, FakeClock()).accept(to, message, queue=False)
    assert result.replies == (accept.QUEUED,)
    assert await counts(store, "bob") == {"INBOX": 1}
    assert len(await store.queue_items()) == 1


async def test_remote_routes_are_queued_with_the_local_delivery() -> None:
    store = await house("ann")
    clock = FakeClock()
    ann = local(await account(store, "ann"))
    to = envelope(recipient("team", ann, Remote("x@else.test")))
    result = await Acceptor(store, clock).accept(to, await new_message(store))
    assert result.replies == (accept.QUEUED,)
    (item,) = await store.queue_items()
    assert [(r.route_index, r.due) for r in item.recipients] == [(1, clock.now())]
    assert await counts(store, "ann") == {"INBOX": 1}


async def test_what_nobody_keeps_leaves_no_file(tmp_path: Path) -> None:
    """Over LMTP a full mailbox is tried again for days: no try may leave its message behind."""
    store = await open_store(tmp_path, options=Options(inline_limit=1000))
    await store.set_domain(Domain("example.test"))
    await store.add_account("ann@example.test", NOBODY_LOGS_IN, quota=10)
    to = envelope(recipient("ann", local(await account(store, "ann"))))
    large = await new_message(store, b"x" * 5000)
    result = await Acceptor(store, FakeClock()).accept(to, large, queue=False)
    assert result.overall().code == 452
    assert [one for one in (tmp_path / "blobs").rglob("*") if one.is_file()] == []
    await store.close()


class Copies:
    """A script that keeps a message and files another large one with it."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    async def plan(
        self, _envelope: Envelope, n: int, route: Local, _message: NewMessage, inbox: Mailbox | None
    ) -> Plan:
        assert inbox is not None
        other = Parcel(await large(self._kit), [Target(route.account, inbox.id)])
        return Plan([Target(route.account, inbox.id, pair=(n, 0))], [other])


async def large(kit: Kit) -> NewMessage:
    """One that lies in a file."""
    return await kit.message(b"Subject: x\r\n\r\n" + b"x" * INLINE)


@pytest.mark.parametrize("scripted", [False, True])
@pytest.mark.parametrize("kind", ["sqlite", "apart"])
async def test_what_the_store_could_not_take_leaves_no_file(
    kind: str, scripted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that tries again for days must not fill the disk that was too full for it."""

    def files() -> list[str]:
        blobs = tmp_path / "store" / "blobs"
        return [path.parent.name for path in blobs.rglob("*") if path.is_file()]

    placed = []

    def full(_lane: WriteLane) -> None:
        """Once all of it is where it should stay."""
        if STAGING not in files():
            placed.append(len(files()))
            raise Temporary("too many changes wait")

    kit = await open_kit(kind, tmp_path / "store")
    ann = await kit.account()
    to = envelope(recipient("ann", local(ann)))
    acceptor = Acceptor(kit.store, kit.clock, scripted=Copies(kit) if scripted else None)
    monkeypatch.setattr(WriteLane, "check", full)
    with pytest.raises(Temporary):
        await acceptor.accept(to, await large(kit))
    assert placed == [1 + scripted]
    assert files() == []
    monkeypatch.undo()
    assert (await acceptor.accept(to, await large(kit))).overall().ok
    assert len(files()) == 1 + scripted
    assert STAGING not in files()
    await kit.store.close()
