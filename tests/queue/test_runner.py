"""The runner on a memory store and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.base.ids import SeededRng
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.local import LocalTransport
from pillarbox.delivery.route import Router
from pillarbox.model.address import Address
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Local, Recipient, Remote, Role, Route
from pillarbox.queue.notify import Notifier
from pillarbox.queue.outcome import DAY, Policy
from pillarbox.queue.report import Action, Report
from pillarbox.queue.runner import Options, Runner
from pillarbox.store.api import Column, NewItem, NewMessage, QueueItem, QueueRecipient, Settled
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
    out = []
    async for rows in store.rows(person.id, box.id, NumSet([(1, 100)]), [Column.BLOB]):
        out += [await store.read(row[0]) for row in rows]  # type: ignore[arg-type]
    return out


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


@pytest.mark.slow
async def test_five_days_of_failure_make_one_delay_notice_and_one_report() -> None:
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
    delay, report = await mail_of(store, "bob")
    assert b"Action: delayed" in delay
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


# ---------------------------------------------------------------------------- destinations


@dataclass
class Remotes:
    """Other servers by domain: a gate that opens, and what arrived. Implements Transport."""

    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    answers: dict[str, Report | Reply | Exception] = field(default_factory=dict)
    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    got: list[str] = field(default_factory=list)

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply | Report]:
        domain = recipients[0].domain
        assert {row.domain for row in recipients} == {domain}
        self.running[domain] += 1
        self.most[domain] = max(self.most[domain], self.running[domain])
        try:
            if domain in self.gates:
                await self.gates[domain].wait()
            answer = self.answers.get(domain, GOOD)
            if isinstance(answer, Exception):
                raise answer
            names = [str(item.envelope.recipients[r.envelope_index].address) for r in recipients]
            self.got += names
            return [answer] * len(recipients)
        finally:
            self.running[domain] -= 1


@dataclass
class House:
    """A store with Bob, who writes to the world."""

    clock: FakeClock = field(default_factory=FakeClock)
    far: Remotes = field(default_factory=Remotes)
    options: Options = field(default_factory=Options)
    store: MemoryStore = field(init=False)
    work: Runner = field(init=False)

    async def open(self) -> House:
        self.store = await house("bob", clock=self.clock)
        self.work = self.runner()
        return self

    def runner(self) -> Runner:
        async def make(raw: bytes) -> NewMessage:
            return await new_message(self.store, raw)

        async def route(address: Address) -> tuple[Route, ...] | Reply:
            return await Router(self.store).route(address, Role.LOCAL)

        rng = SeededRng(1)
        local_ = LocalTransport(self.store, Acceptor(self.store, self.clock), make)
        notify = Notifier(self.store, route, make, self.clock, rng, "mail.example.test")
        transports = {Local: local_, Remote: self.far}
        return Runner(self.store, transports, notify, self.clock, rng, self.options)

    async def write(self, *to: str, notify: Sequence[str] = (), **params: str) -> None:
        rows = tuple(
            Recipient(Address(*one.split("@")), (Remote(one),), frozenset(notify)) for one in to
        )
        env = envelope(*rows, sender="bob@example.test", at=self.clock.now())
        env = replace(env, sender=replace(env.sender, params=params, envid="id 7"))
        await Acceptor(self.store, self.clock).accept(env, await new_message(self.store))
        self.work.wake()

    async def reports(self) -> list[bytes]:
        return await mail_of(self.store, "bob")


def action(report: bytes) -> list[str]:
    """``action final-recipient`` of each group."""
    found = email.message_from_bytes(report, policy=email.policy.SMTP)
    status = list(found.walk())[2]
    groups = [part for part in status.walk() if part["Final-Recipient"]]
    return [f"{part['Action']} {part['Final-Recipient'].split('; ')[1]}" for part in groups]


async def test_a_silent_server_holds_up_nobody_else() -> None:
    here = await House(options=Options(concurrency=4, per_destination=2)).open()
    here.far.gates["slow.test"] = asyncio.Event()
    for n in range(6):
        await here.write(f"r{n}@slow.test")
    for n in range(6):
        await here.write(f"r{n}@fast.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(120)
    assert sorted(here.far.got) == [f"r{n}@fast.test" for n in range(6)]
    assert here.far.most["slow.test"] == 2
    here.far.gates["slow.test"].set()
    await here.clock.advance(120)
    task.cancel()
    assert len(here.far.got) == 12
    assert here.far.most["slow.test"] == 2


async def test_results_are_safe_before_the_slowest_answers() -> None:
    here = await House().open()
    here.far.gates["slow.test"] = asyncio.Event()
    here.far.answers["bad.test"] = NEVER
    await here.write("a@fast.test", "b@slow.test", "c@bad.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(1)
    (item,) = await here.store.queue_items()
    assert [(r.state, r.owed) for r in item.recipients] == [
        ("done", ""),
        ("due", ""),
        ("failed", "failed"),
    ]
    task.cancel()  # the power goes
    await asyncio.sleep(0)
    here.far.gates["slow.test"].set()
    await here.clock.advance(601)
    await here.runner().run_due()
    assert sorted(here.far.got) == ["a@fast.test", "b@slow.test", "c@bad.test"]
    assert [action(one) for one in await here.reports()] == [["failed c@bad.test"]]


async def test_a_lease_is_renewed_while_a_server_takes_its_time() -> None:
    here = await House().open()
    here.far.gates["slow.test"] = asyncio.Event()
    await here.write("a@slow.test")
    tasks = [asyncio.create_task(one.run()) for one in (here.work, here.runner())]
    await here.clock.advance(3600)
    here.far.gates["slow.test"].set()
    await here.clock.advance(60)
    for task in tasks:
        task.cancel()
    assert here.far.got == ["a@slow.test"]


async def test_one_report_for_a_thousand_recipients() -> None:
    here = await House().open()
    for n in range(50):
        here.far.answers[f"d{n}.test"] = NEVER
    await here.write(*(f"r{n}@d{n % 50}.test" for n in range(1000)))
    await here.work.run_due()
    (report,) = await here.reports()
    assert len(action(report)) == 1000
    assert b"Original-Envelope-Id: id 7" in report


async def test_success_is_reported_by_whoever_is_last_to_know() -> None:
    here = await House().open()
    here.far.answers |= {
        "plain.test": Report(GOOD, Action.RELAYED, "mx.plain.test"),
        "dsn.test": Report(GOOD, Action.PASSED, "mx.dsn.test"),
        "lmtp.test": Report(GOOD, Action.DELIVERED),
    }
    people = ["a@plain.test", "a@dsn.test", "a@lmtp.test"]
    await here.write(*people)
    await here.work.run_due()
    assert await here.reports() == []
    await here.write(*people, notify=["SUCCESS"])
    await here.work.run_due()
    (report,) = await here.reports()
    assert action(report) == ["relayed a@plain.test", "delivered a@lmtp.test"]
    assert b"Remote-MTA: dns; mx.plain.test" in report


async def test_an_alias_with_several_goals_is_expanded() -> None:
    """One success, of the alias itself; troubles of each goal all the same (RFC 3461 §5.2.7.3)."""
    here = await House().open()
    here.far.answers |= {
        "plain.test": Report(GOOD, Action.RELAYED, "mx.plain.test"),
        "dsn.test": Report(GOOD, Action.PASSED, "mx.dsn.test"),
        "gone.test": Report(NEVER, by="mx.gone.test"),
    }
    goals = tuple(Remote(f"a@{name}") for name in ("dsn.test", "plain.test", "gone.test"))
    to = Recipient(Address("team", "example.test"), goals, frozenset({"SUCCESS", "FAILURE"}))
    env = envelope(to, sender="bob@example.test", at=here.clock.now())
    await Acceptor(here.store, here.clock).accept(env, await new_message(here.store))
    await here.work.run_due()
    (report,) = await here.reports()
    assert sorted(action(report)) == ["expanded team@example.test", "failed a@gone.test"]
    assert b"Status: 2.1.5" in report


async def test_local_success_is_reported_too() -> None:
    here = await House().open()
    person = await account(here.store, "bob")
    to = replace(recipient("bob", local(person)), notify=frozenset({"SUCCESS"}))
    env = envelope(to, sender="bob@example.test", at=here.clock.now())
    await Acceptor(here.store, here.clock).accept(env, await new_message(here.store))
    assert await here.reports() == []
    await here.work.run_due()
    message, report = await here.reports()
    assert message.endswith(b"hello\r\n")
    assert action(report) == ["delivered bob@example.test"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("notify", "actions"),
    [
        ([], ["delayed", "failed"]),
        (["FAILURE"], ["failed"]),
        (["DELAY"], ["delayed"]),
        (["SUCCESS"], []),
        (["NEVER"], []),
    ],
)
async def test_five_days_and_what_the_sender_hears(notify: list[str], actions: list[str]) -> None:
    here = await House().open()
    here.far.answers["down.test"] = LATER
    await here.write("a@down.test", notify=notify)
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(4 * 3600 - 1)
    assert await here.reports() == []
    await here.clock.advance(2)
    assert len(await here.reports()) == actions.count("delayed")
    await here.clock.advance(6 * DAY)
    task.cancel()
    assert [action(one) for one in await here.reports()] == [[f"{a} a@down.test"] for a in actions]
    assert await here.store.queue_items() == []


@pytest.mark.slow
async def test_up_again_on_day_two() -> None:
    here = await House().open()
    here.far.answers["down.test"] = LATER
    await here.write("a@down.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(1.5 * DAY)
    here.far.answers.clear()
    here.far.got.clear()
    await here.clock.advance(5 * DAY)
    task.cancel()
    assert here.far.got == ["a@down.test"]
    assert [action(one) for one in await here.reports()] == [["delayed a@down.test"]]


async def test_deliver_by() -> None:
    here = await House().open()
    here.far.answers |= {"down.test": LATER, "late.test": LATER}
    await here.write("a@down.test", BY="3600;R")
    await here.write("a@late.test", BY="1800;N")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(2 * 3600)
    assert sorted(action(one) for one in await here.reports()) == [
        ["delayed a@late.test"],
        ["failed a@down.test"],
    ]
    here.far.answers.clear()
    await here.clock.advance(5 * 3600)
    task.cancel()
    assert "a@late.test" in here.far.got


async def test_future_release_and_priority() -> None:
    here = await House(options=Options(concurrency=1)).open()
    await here.write("later@x.test", HOLDFOR="7200")
    await here.write("low@x.test", **{"MT-PRIORITY": "-3"})
    await here.write("plain@x.test")
    await here.write("high@x.test", **{"MT-PRIORITY": "5"})
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(7100)
    assert here.far.got == ["high@x.test", "plain@x.test", "low@x.test"]
    await here.clock.advance(200)
    task.cancel()
    assert here.far.got[-1] == "later@x.test"


@pytest.mark.slow
async def test_what_is_held_is_not_tried() -> None:
    here = await House().open()
    await here.write("a@x.test")
    (item,) = await here.store.queue_items()
    await here.store.hold(item.id, True)
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(6 * DAY)
    assert here.far.got == []
    await here.store.hold(item.id, False)
    here.work.wake()
    await here.clock.advance(1)
    task.cancel()
    assert here.far.got == ["a@x.test"]


@pytest.mark.parametrize(("pace", "three", "fourth"), [(10.0, 25, 10), (0.25, 0.6, 0.2)])
async def test_pace(pace: float, three: float, fourth: float) -> None:
    here = await House(options=Options(pace=pace)).open()
    for n in range(4):
        await here.write(f"r{n}@x.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(three)
    assert len(here.far.got) == 3
    await here.clock.advance(fourth)
    task.cancel()
    assert len(here.far.got) == 4


@dataclass
class Leases:
    """Counts the items that a store gives out."""

    store: MemoryStore
    given: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        real = self.store.lease

        async def lease(*words: object, **more: object) -> list[QueueItem]:
            found = await real(*words, **more)  # type: ignore[arg-type]
            self.given += [item.id for item in found]
            return found

        self.store.lease = lease  # type: ignore[method-assign]


async def test_what_waits_for_a_busy_destination_is_asked_for_once() -> None:
    here = await House(options=Options(concurrency=8, per_destination=2)).open()
    leases = Leases(here.store)
    here.far.gates["busy.test"] = asyncio.Event()
    for n in range(60):
        await here.write(f"r{n}@busy.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(0.5)
    here.far.gates["busy.test"].set()
    await here.clock.advance(0.4)
    task.cancel()
    assert len(here.far.got) == 60
    assert here.far.most["busy.test"] == 2
    assert sorted(leases.given) == sorted(set(leases.given))
    assert await here.store.queue_items() == []


async def test_what_waits_for_a_silent_server_is_soon_in_nobodys_hand() -> None:
    here = await House(options=Options(concurrency=8, per_destination=2)).open()
    leases = Leases(here.store)
    here.far.gates["slow.test"] = asyncio.Event()
    for n in range(6):
        await here.write(f"r{n}@slow.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(300)
    waiting = [item for item in await here.store.queue_items() if not item.lease]
    assert len(waiting) == 4
    assert len(leases.given) == 6  # and is left alone while nothing moves there
    for item in waiting:
        assert await here.store.drop(item.id) is None
    here.far.gates["slow.test"].set()
    await here.clock.advance(300)
    task.cancel()
    assert len(here.far.got) == 2
    assert await here.store.queue_items() == []


@pytest.mark.parametrize("how", ["hold", "drop"])
async def test_what_is_held_or_dropped_while_at_hand_does_not_leave(how: str) -> None:
    here = await House(options=Options(per_destination=1)).open()
    here.far.gates["x.test"] = asyncio.Event()
    for n in range(3):
        await here.write(f"r{n}@x.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(0.1)
    item = (await here.store.queue_items())[1]
    assert item.lease
    done = here.store.hold(item.id, True) if how == "hold" else here.store.drop(item.id)
    assert await done is None
    here.far.gates["x.test"].set()
    await here.clock.advance(0.1)
    assert here.far.got == ["r0@x.test", "r2@x.test"]
    assert (here.work._running, here.work._leased) == (0, {})
    if how == "hold":
        (held,) = await here.store.queue_items()
        assert (held.lease, held.recipients[0].state) == ("", "held")
        await here.store.hold(item.id, False)
        here.work.wake()
        await here.clock.advance(0.1)
        assert here.far.got[2:] == ["r1@x.test"]  # there is room as before
    task.cancel()
    assert await here.store.queue_items() == []


class SetClock(FakeClock):
    """Somebody sets the wall clock, or the machine slept."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("renewing", [True, False])
async def test_a_clock_that_jumps_past_the_leases(most: int, renewing: bool) -> None:
    clock = SetClock()
    here = await House(clock, options=Options(concurrency=8, per_destination=most)).open()
    here.far.gates["x.test"] = asyncio.Event()
    people = [f"r{n}@x.test" for n in range(4)]
    for one in people:
        await here.write(one)
    task = asyncio.create_task(here.work.run())
    await clock.advance(0.1)
    real = here.store.settle

    async def settle(*words: Any, **more: Any) -> Refusal | None:
        if more.get("keep_until") is not None and not renewing:
            raise Temporary("not now")
        return await real(*words, **more)

    here.store.settle = settle  # type: ignore[method-assign]
    clock.ahead = 3600.0
    here.work.wake()
    await clock.advance(0.1)
    here.far.gates["x.test"].set()
    for _ in range(3):
        await clock.advance(0.1)
    assert not task.done()
    assert (here.work._running, here.work._leased) == (0, {})
    assert await here.store.queue_items() == []
    assert set(here.far.got) == set(people)
    if renewing:
        assert len(here.far.got) == 4
    await here.write("last@x.test")
    await clock.advance(0.1)
    task.cancel()
    assert here.far.got[-1] == "last@x.test"


async def test_a_runner_that_stops_takes_nothing_from_its_hand() -> None:
    here = await House(options=Options(per_destination=1)).open()
    here.far.gates["x.test"] = asyncio.Event()
    for n in range(3):
        await here.write(f"r{n}@x.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(0.1)
    task.cancel()
    await asyncio.wait([task])
    assert here.work._hand.count("x.test") == 2
    here.far.gates["x.test"].set()
    task = asyncio.create_task(here.work.run())  # the supervisor begins it again
    await here.clock.advance(0.5)
    assert here.far.got == []
    await here.clock.advance(2)  # what was at hand is given back
    assert here.far.got == ["r1@x.test", "r2@x.test"]
    await here.clock.advance(700)  # the lease of what was cut off is over
    task.cancel()
    assert here.far.got[2:] == ["r0@x.test"]


async def test_what_a_look_leaves_is_looked_for_at_once() -> None:
    """A store may give less than there is room for, though more is due."""
    here = await House().open()
    real = here.store.lease

    async def lease(
        owner: str, now: float, until: float, limit: int, **more: Any
    ) -> list[QueueItem]:
        return await real(owner, now, until, min(limit, 2), **more)

    here.store.lease = lease  # type: ignore[method-assign]
    for n in range(10):
        await here.write(f"a@d{n}.test")
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(0)
    task.cancel()
    assert len(here.far.got) == 10


async def test_who_was_put_off_is_tried_in_time_though_another_was_at_work() -> None:
    """While an item is leased nobody sees when its other recipients are due."""
    here = await House(options=Options(policy=Policy(first_retry=20.0))).open()
    here.far.gates["a.test"] = asyncio.Event()
    await here.write("a@a.test", "b@b.test")
    now = here.clock.now()
    (item,) = await here.store.lease("another", now, now + 60, 1)
    number = next(row.number for row in item.recipients if row.domain == "b.test")
    later = Settled(number, "due", now + 20, LATER)
    assert await here.store.settle(item.id, item.lease, [later]) is None
    task = asyncio.create_task(here.work.run())
    await here.clock.advance(1)
    here.far.gates["a.test"].set()
    await here.clock.advance(18.5)
    assert here.far.got == ["a@a.test"]
    await here.clock.advance(1)
    task.cancel()
    assert here.far.got == ["a@a.test", "b@b.test"]
