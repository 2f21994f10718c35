"""One message to very many: everybody's own fate, and few reports, whoever fails when."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from pillarbox.base.ids import SeededRng
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.local import LocalTransport
from pillarbox.delivery.route import Router
from pillarbox.model.address import Address
from pillarbox.model.numset import NumSet
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Local, Recipient, Remote, Role, Route
from pillarbox.queue.notify import Notifier
from pillarbox.queue.outcome import DAY, HOUR, Policy, chance, goes_now
from pillarbox.queue.runner import Options, Runner
from pillarbox.store.api import Column, NewItem, NewMessage, QueueItem, QueueRecipient
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from support.people import account, envelope, house, new_message

LATER = Reply(451, "4.7.1", "Greylisted, come back")
NEVER = Reply(550, "5.1.1", "No such user")
GOOD = Reply(250, "2.1.5", "Delivered")


Say = Callable[[int, int, int], Reply]


def always(reply: Reply) -> Say:
    """The same to everybody."""

    def say(domain: int, number: int, tries: int) -> Reply:
        return reply

    return say


@dataclass
class World:
    """``say`` decides each answer from domain number, recipient number and tries so far; the answer
    of a domain takes as many seconds as its number."""

    clock: FakeClock
    say: Say
    tried: dict[str, int] = field(default_factory=dict)

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply]:
        names = [str(item.envelope.recipients[row.envelope_index].address) for row in recipients]
        domain = int(names[0].partition("@d")[2].partition(".")[0])
        await self.clock.sleep(domain)
        out = []
        for name in names:
            tries = self.tried[name] = self.tried.get(name, 0) + 1
            out.append(self.say(domain, int(name[1 : name.index("@")]), tries))
        return out


async def reports(say: Say, *, domains: int, each: int, days: float = 6) -> list[list[str]]:
    """What reports Bob gets about a message to ``each`` people in each of ``domains``: the final
    recipients that each speaks of."""
    clock = FakeClock()
    store = await house("bob", clock=clock)
    names = [f"u{n}@d{d}.test" for n in range(each) for d in range(domains)]
    people = [Recipient(Address(*name.split("@")), (Remote(name),)) for name in names]
    env = envelope(*people, sender="bob@example.test", role=Role.SUBMISSION, at=clock.now())
    pairs = [(n, 0) for n in range(len(people))]
    await store.accept(await new_message(store), [], NewItem(env, pairs, due=clock.now()))
    router = Router(store)

    async def route(address: Address) -> tuple[Route, ...] | Reply:
        return await router.route(address, Role.LOCAL)

    async def make(raw: bytes) -> NewMessage:
        return await new_message(store, raw)

    rng = SeededRng(1)
    runner = Runner(
        store,
        {
            Remote: World(clock, say),
            Local: LocalTransport(store, Acceptor(store, clock), make),
        },
        Notifier(store, route, make, clock, rng, "mail.example.test"),
        clock,
        rng,
        Options(concurrency=50),
    )
    task = asyncio.create_task(runner.run())
    await clock.advance(days * DAY)
    task.cancel()
    assert await store.queue_items() == []
    return [_final(raw) for raw in await _inbox(store)]


async def _inbox(store: MemoryStore) -> list[bytes]:
    bob = await account(store, "bob")
    box = await store.mailbox_by_name(bob.id, "INBOX")
    assert box is not None
    out = []
    async for rows in store.rows(bob.id, box.id, NumSet([(1, 9999)]), [Column.BLOB]):
        out += [await store.read(row[0]) for row in rows]  # type: ignore[arg-type]
    return out


def _final(raw: bytes) -> list[str]:
    found = email.message_from_bytes(raw, policy=email.policy.SMTP)
    groups = [group for group in found.walk() if group["Final-Recipient"]]
    return [f"{g['Action']} {str(g['Final-Recipient']).split('; ')[1]}" for g in groups]


async def test_a_thousand_refused_at_once_are_one_report() -> None:
    (one,) = await reports(always(NEVER), domains=50, each=20, days=1)
    assert len(one) == 1000
    assert len(set(one)) == 1000


@pytest.mark.slow
async def test_a_thousand_that_never_answer_are_one_delay_and_one_failure() -> None:
    found = await reports(always(LATER), domains=50, each=20)
    assert [(len(one), one[0].partition(" ")[0]) for one in found] == [
        (1000, "delayed"),
        (1000, "failed"),
    ]


@pytest.mark.slow
async def test_each_has_a_fate_of_its_own_and_reports_stay_few() -> None:
    """A third is delivered at some time, a third refused at one of six tries, a third never
    answers."""

    def say(domain: int, number: int, tries: int) -> Reply:
        if tries <= number % 6:
            return LATER
        return (GOOD, NEVER, LATER)[domain % 3]

    found = await reports(say, domains=60, each=10)
    told = [line for one in found for line in one if line.startswith("failed")]
    assert len(told) == len(set(told)) == 400
    assert all(int(line.partition("@d")[2].partition(".")[0]) % 3 for line in told)
    assert len(found) <= 8  # six tries at which somebody is refused, a delay, and the end


@pytest.mark.parametrize(
    ("attempts", "early", "goes"),
    [
        (0, 0.0, True),
        (0, 1.0, False),
        (1, 70.0, True),
        (1, 80.0, False),
        (10, 0.9 * HOUR, True),
        (10, 1.1 * HOUR, False),
    ],
)
def test_who_goes_along(attempts: int, early: float, goes: bool) -> None:
    row = QueueRecipient(0, 0, 0, attempts, 1000.0 + early, "due")
    assert goes_now(row, 1000.0, Policy()) is goes


def test_held_ones_never_go_along() -> None:
    assert not goes_now(QueueRecipient(0, 0, 0, 3, 0.0, "held"), 1000.0, Policy())


def test_items_differ_and_recipients_do_not() -> None:
    found = [chance(item, tries) for item in range(1, 200) for tries in range(10)]
    assert all(0 <= one < 1 for one in found)
    assert len(set(found)) == len(found)
    assert 0.4 < sum(found) / len(found) < 0.6
