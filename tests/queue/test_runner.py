"""The runner on a memory store and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pillarbox.base.errors import Permanent
from pillarbox.base.ids import SeededRng
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.local import LocalTransport
from pillarbox.delivery.route import Router
from pillarbox.model.address import Address
from pillarbox.model.numset import NumSet
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Local, Role, Route
from pillarbox.queue.notify import Notifier
from pillarbox.queue.outcome import DAY
from pillarbox.queue.runner import Runner
from pillarbox.store.api import Column, NewItem, NewMessage, QueueItem, QueueRecipient
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from support.people import account, envelope, house, local, new_message, recipient

GOOD = Reply(250, "2.1.5", "Delivered")
LATER = Reply(452, "4.2.2", "That mailbox is full; try again later")
NEVER = Reply(550, "5.1.1", "No such recipient here")


@dataclass
class Scripted:
    """A transport that answers from a list and notes when it was asked."""

    clock: FakeClock
    answers: list[Reply | Exception]
    asked: list[float] = field(default_factory=list)
    seen: list[Envelope] = field(default_factory=list)

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply]:
        self.asked.append(self.clock.now())
        self.seen.append(item.envelope)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [answer] * len(recipients)


async def queued(
    store: MemoryStore, clock: FakeClock, *, sender: str = "bob@example.test", **more: object
) -> Envelope:
    """Put one message for Ann into the queue, due now."""
    to = recipient("ann", local(await account(store, "ann")))
    env = envelope(replace(to, **more), sender=sender, at=clock.now())  # type: ignore[arg-type]
    await store.accept(await new_message(store), [], NewItem(env, [(0, 0)], due=clock.now()))
    return env


def runner(store: MemoryStore, clock: FakeClock, transport: object) -> Runner:
    router = Router(store)

    async def route(address: Address) -> tuple[Route, ...] | Reply:
        return await router.route(address, Role.LOCAL)

    async def make(raw: bytes) -> NewMessage:
        return await new_message(store, raw)

    rng = SeededRng(1)
    notify = Notifier(store, route, make, clock, rng, "mail.example.test")
    return Runner(store, {Local: transport}, notify, clock, rng)  # type: ignore[dict-item]


async def mail_of(store: MemoryStore, name: str) -> list[bytes]:
    """Whole messages in someone's INBOX."""
    person = await account(store, name)
    box = await store.mailbox_by_name(person.id, "INBOX")
    assert box is not None
    found = store.rows(person.id, box.id, NumSet([(1, 100)]), [Column.BODY])
    return [bytes(row[0]) async for rows in found for row in rows]  # type: ignore[call-overload]


async def test_tried_until_it_works_then_forgotten() -> None:
    clock = FakeClock()
    store = await house("ann", "bob", clock=clock)
    await queued(store, clock)
    transport = Scripted(clock, [LATER, LATER, GOOD])
    task = asyncio.create_task(runner(store, clock, transport).run())
    await clock.advance(DAY)
    task.cancel()
    assert len(transport.asked) == 3
    waits = [b - a for a, b in zip(transport.asked, transport.asked[1:], strict=False)]
    assert 240 <= waits[0] <= 360
    assert 480 <= waits[1] <= 720
    assert await store.queue_items() == []
    assert await mail_of(store, "bob") == []


async def test_five_days_of_failure_end_in_one_report() -> None:
    clock = FakeClock()
    store = await house("ann", "bob", clock=clock)
    await queued(store, clock)
    router = Acceptor(store, clock)

    async def make(raw: bytes) -> NewMessage:
        return await new_message(store, raw)

    real = LocalTransport(store, router, make)
    transport = Scripted(clock, [LATER])

    @dataclass
    class Both:
        """Ann's mail never works; everybody else's really is delivered."""

        async def attempt(
            self, item: QueueItem, recipients: Sequence[QueueRecipient]
        ) -> Sequence[Reply]:
            to_ann = item.envelope.recipients[0].address.local == "ann"
            return await (transport if to_ann else real).attempt(item, recipients)

    task = asyncio.create_task(runner(store, clock, Both()).run())
    await clock.advance(6 * DAY)
    task.cancel()
    assert await store.queue_items() == []
    assert 30 < len(transport.asked) < 45
    (report,) = await mail_of(store, "bob")
    assert b"452 4.2.2 That mailbox is full" in report
    assert b"Final-Recipient: rfc822; ann@example.test" in report
    assert b"multipart/report" in report


async def test_permanent_failure_reports_at_once_and_quotes_the_other_side() -> None:
    clock = FakeClock()
    store = await house("ann", "bob", clock=clock)
    await queued(store, clock)
    transport = Scripted(clock, [NEVER, GOOD])
    assert await runner(store, clock, transport).run_due() == 2
    report = transport.seen[1]
    assert report.sender.address is None
    assert str(report.recipients[0].address) == "bob@example.test"
    assert await store.queue_items() == []


async def test_nobody_is_told_where_nobody_wants_to_know() -> None:
    for more in ({"sender": ""}, {"notify": frozenset({"NEVER"})}, {"sender": "x@else.test"}):
        clock = FakeClock()
        store = await house("ann", "bob", clock=clock)
        await queued(store, clock, **more)  # type: ignore[arg-type]
        await runner(store, clock, Scripted(clock, [NEVER])).run_due()
        assert await store.queue_items() == []


async def test_unknown_errors_are_temporary_and_permanent_ones_are_not() -> None:
    clock = FakeClock()
    store = await house("ann", "bob", clock=clock)
    await queued(store, clock)
    transport = Scripted(clock, [RuntimeError("broken hand"), Permanent("gone"), GOOD])
    work = runner(store, clock, transport)
    assert await work.run_due() == 1
    (item,) = await store.queue_items()
    assert item.recipients[0].state == "due"
    await clock.advance(400)
    assert await work.run_due() == 2
    assert [one.sender.address is None for one in transport.seen] == [False, False, True]
