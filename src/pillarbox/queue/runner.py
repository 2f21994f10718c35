"""Takes due mail by lease, hands it to transports, writes down what happened.

There is no list of mail in memory: the store's lease rows are the queue, so a runner may die at
any instruction and another, here or elsewhere, goes on when the lease is over. Results are
written as they come, destination by destination; the one window in which mail is sent twice is
between a transport's success and its settling. What a sender is to be told is written down with
the result and paid at the end, one notice for all, so a crash in between forgets nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.errors import is_permanent
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.model.refusal import Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Route
from pillarbox.queue.jobs import Job, Plan, Way, plan
from pillarbox.queue.outcome import (
    Policy,
    Times,
    alias_of,
    chance,
    decide,
    times,
    told,
)
from pillarbox.queue.report import Debt, Report
from pillarbox.queue.slots import Slots
from pillarbox.store.api import NewItem, NewMessage, QueueItem, QueueRecipient, Settled, Spool

log = Logger("queue")

UNKNOWN_ROUTE = Reply(451, "4.3.5", "Nothing here carries mail on that route")


class Transport(Protocol):
    """Carries a queued message to some of its recipients."""

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply | Report]:
        """One reply a recipient, in order. An exception counts as a temporary failure of all
        unless it says Permanent."""
        ...


Notify = Callable[[QueueItem, Sequence[Debt]], Awaitable[tuple[NewMessage, NewItem] | None]]
"""Makes the DSN for what is owed; None when nobody is to be told."""

Failed = Callable[[QueueItem, Sequence[tuple[QueueRecipient, Reply]]], Awaitable[None]]
"""Told of recipients that nobody will try again."""

Told = Callable[[QueueItem, Sequence[Settled]], None]
"""Told of results once they are written; must not wait."""

Destination = Callable[[QueueItem, QueueRecipient], str]
"""What concurrency is counted by; '' for no limit."""


def domain_of(item: QueueItem, recipient: QueueRecipient) -> str:  # noqa: ARG001
    """The destination where every domain is its own."""
    return recipient.domain


@dataclass(frozen=True, slots=True)
class Options:
    """How the queue is worked. Times in seconds."""

    policy: Policy = field(default_factory=Policy)
    lease: float = 600.0
    """How long a worker may be silent about an item before another takes it."""
    batch: int = 50
    concurrency: int = 20
    """Items at a time."""
    per_destination: int = 5
    """Of these, to one destination."""
    pace: float = 0.0
    """Least time between two beginnings at one destination."""
    idle: float = 60.0
    """Longest sleep, so that rows added by others are found."""
    crowded: float = 1.0
    """Sleep while everything that is due waits for a busy destination."""


class Runner:
    """Works the queue until cancelled; ``wake`` after mail was queued."""

    def __init__(
        self,
        spool: Spool,
        transports: Mapping[type[Route], Transport],
        notify: Notify,
        clock: Clock,
        rng: Rng,
        options: Options | None = None,
        *,
        destination: Destination = domain_of,
        failed: Failed | None = None,
        settled: Told | None = None,
    ) -> None:
        self._spool = spool
        self._transports = transports
        self._notify = notify
        self._clock = clock
        self._options = options or Options()
        self._destination = destination
        self._failed = failed
        self._settled = settled
        self._owner = rng.token(12)
        self._wake = asyncio.Event()
        self._running = 0
        self._slots = Slots(clock, self._options.per_destination, self._options.pace)

    def wake(self) -> None:
        """There may be due mail; look now."""
        self._wake.set()

    async def run(self) -> None:
        """Forever. A failing store is waited out; nothing is dropped."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    room = min(self._options.concurrency - self._running, self._options.batch)
                    items = await self._due(room)
                    for item in items:
                        self._running += 1
                        group.create_task(self._work(item))
                    pause = 0.0 if items else await self._pause(room)
                except Exception as error:
                    log.error("queue.store", error=repr(error))
                    pause = self._options.idle
                if pause > 0:
                    await self._sleep(pause)

    async def run_due(self) -> int:
        """Work everything that is due now, then return how many items that was."""
        count = 0
        while items := await self._due(self._options.batch):
            for item in items:
                self._running += 1
                await self._work(item)
            count += len(items)
        return count

    async def _due(self, room: int) -> list[QueueItem]:
        if room <= 0:
            return []
        now = self._clock.now()
        until = now + self._options.lease
        return await self._spool.lease(self._owner, now, until, room, busy=self._slots.busy())

    async def _pause(self, room: int) -> float:
        """Seconds to sleep; the end of any work wakes."""
        idle = self._options.idle
        if room <= 0:
            return idle
        due = await self._spool.next_due()
        if due is None:
            return idle
        wait = due - self._clock.now()
        return min(idle, wait if wait > 0 else self._options.crowded)

    async def _sleep(self, seconds: float) -> None:
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()

    # ------------------------------------------------------------------ one item

    async def _work(self, item: QueueItem) -> None:
        """One attempt at all due recipients of one item that have room."""
        renewing = asyncio.ensure_future(self._renew(item))
        try:
            limits = times(item.envelope, item.created, self._options.policy)
            now, policy = self._clock.now(), self._options.policy
            todo = plan(item, limits, now=now, policy=policy, way=self._way, slots=self._slots)
            debts: list[Debt] = [
                Debt(row, row.owed, row.last or Reply(0, "", ""))
                for row in item.recipients
                if row.owed
            ]
            lost: list[tuple[QueueRecipient, Reply]] = []
            results = await self._carry(item, todo, limits, debts, lost)
            await self._finish(item, results, debts, todo.waiting)
            if lost and self._failed is not None:
                await self._failed(item, lost)
        except Exception as error:  # the lease ends by itself and another attempt follows
            log.error("queue.attempt", item=item.id, error=repr(error))
        finally:
            renewing.cancel()
            self._running -= 1
            self._wake.set()

    def _way(self, item: QueueItem, row: QueueRecipient) -> Way:
        return type(route_of(item, row)), self._destination(item, row)

    async def _carry(
        self,
        item: QueueItem,
        todo: Plan,
        limits: Times,
        debts: list[Debt],
        lost: list[tuple[QueueRecipient, Reply]],
    ) -> list[Settled]:
        """Run all jobs at once; write down what is known while others are under way."""
        results = self._judged(item, todo.decided, limits, debts, lost)
        pending = {asyncio.ensure_future(self._run(item, job)) for job in todo.jobs}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for row, report in (pair for task in done for pair in task.result()):
                    settled = self._judged(item, [(row, report)], limits, debts, lost)
                    if report.onward is not None:
                        await self._hand_on(item, settled, *report.onward)
                    else:
                        results += settled
                if pending and results:
                    await self._keep(item, results)
                    results = []
        finally:
            for task in pending:
                task.cancel()
        return results

    async def _run(self, item: QueueItem, job: Job) -> list[tuple[QueueRecipient, Report]]:
        """One job, with one report a row whatever the transport does."""
        try:
            transport = self._transports.get(job.way[0])
            if transport is None:
                answers: Sequence[Reply | Report] = [UNKNOWN_ROUTE] * len(job.rows)
            else:
                answers = await transport.attempt(item, job.rows)
            return list(zip(job.rows, map(_report, answers), strict=True))
        except Exception as error:
            log.error("queue.transport", item=item.id, error=repr(error))
            code, enhanced = (550, "5.3.0") if is_permanent(error) else (451, "4.3.0")
            trouble = Report(Reply(code, enhanced, f"Local error: {error}"))
            return [(row, trouble) for row in job.rows]
        finally:
            self._slots.free(job.way[1])

    def _judged(
        self,
        item: QueueItem,
        answers: Sequence[tuple[QueueRecipient, Report]],
        limits: Times,
        debts: list[Debt],
        lost: list[tuple[QueueRecipient, Reply]],
    ) -> list[Settled]:
        """What becomes of each; adds to ``debts`` what the sender is to be told, to ``lost`` who
        will not be tried again."""
        now = self._clock.now()
        results = []
        for row, report in answers:
            settled = decide(
                row,
                report.reply,
                created=item.created,
                now=now,
                policy=self._options.policy,
                chance=chance(item.id, row.attempts),
                expire=limits.expire,
                warn=limits.warn,
            )
            if settled.state == "failed":
                lost.append((row, report.reply))
            recipient = item.envelope.recipients[row.envelope_index]
            owed = ""
            # RFC 5321 §4.5.5; a list is not told by mail what it sees itself
            if item.envelope.sender.address is not None and not item.envelope.list:
                owed = told(
                    recipient.notify,
                    settled,
                    report.action,
                    now=now,
                    warn=limits.warn,
                    warned=row.warned,
                    alias=alias_of(recipient, row.route_index),
                )
            if owed:
                settled = replace(settled, owed=owed, warned=owed == "delayed")
                debts.append(Debt(row, owed, report.reply, report.by))
            results.append(
                replace(
                    settled,
                    by=report.by,
                    tls=report.tls,
                    maybe=report.maybe,
                    tries=report.tries,
                )
            )
            log.info(
                "queue.result",
                item=item.id,
                id=item.envelope.id,
                rcpt=str(recipient.address),
                state=settled.state,
                reply=str(report.reply),
                by=report.by or None,
                tls=report.tls or None,
                maybe=report.maybe or None,
            )
        return results

    async def _finish(
        self, item: QueueItem, results: Sequence[Settled], debts: Sequence[Debt], waiting: bool
    ) -> None:
        """Free the lease, paying what is owed unless more of it is about to come."""
        if waiting:
            await self._settle(item, results, owing=True)
            return
        if not debts:
            await self._settle(item, results)
            return
        if results:
            await self._keep(item, results)  # whatever happens to the notice
        notice = await self._notify(item, debts)
        message, new_item = notice or (None, None)
        await self._settle(item, [], message, new_item)
        if new_item is not None:
            self.wake()

    async def _settle(
        self,
        item: QueueItem,
        results: Sequence[Settled],
        message: NewMessage | None = None,
        new_item: NewItem | None = None,
        *,
        owing: bool = False,
    ) -> None:
        refusal = await self._spool.settle(
            item.id, item.lease, results, notice=message, notice_item=new_item, owing=owing
        )
        self._written(item, results, refusal)

    async def _hand_on(
        self, item: QueueItem, results: Sequence[Settled], message: NewMessage, new_item: NewItem
    ) -> None:
        """Write results with what goes on in the place of the message; go on holding the lease."""
        until = self._clock.now() + self._options.lease
        refusal = await self._spool.settle(
            *(item.id, item.lease, results, message, new_item), keep_until=until
        )
        if refusal is not None:
            message.content.discard()
        self._written(item, results, refusal)

    async def _keep(self, item: QueueItem, results: Sequence[Settled]) -> None:
        """Write results and go on holding the lease."""
        until = self._clock.now() + self._options.lease
        refusal = await self._spool.settle(item.id, item.lease, results, keep_until=until)
        self._written(item, results, refusal)

    def _written(
        self, item: QueueItem, results: Sequence[Settled], refusal: Refusal | None
    ) -> None:
        if refusal is not None:
            log.warning("queue.lease-lost", item=item.id, text=refusal.text)
        elif results and self._settled is not None:
            self._settled(item, results)

    async def _renew(self, item: QueueItem) -> None:
        """A slow server is no reason to let another worker send the same again."""
        while True:
            await self._clock.sleep(self._options.lease / 3)
            try:
                await self._keep(item, [])
            except Exception as error:
                log.error("queue.renew", item=item.id, error=repr(error))


def _report(answer: Reply | Report) -> Report:
    return answer if isinstance(answer, Report) else Report(answer)


def route_of(item: QueueItem, recipient: QueueRecipient) -> Route:
    """The route that this queue row serves."""
    return item.envelope.recipients[recipient.envelope_index].routes[recipient.route_index]
