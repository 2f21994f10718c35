"""One attempt at one item: its jobs are run, what they say is judged and written down.

Results are written as they come, destination by destination; the one window in which mail is sent
twice is between a transport's success and its settling. What a sender is to be told is written down
with the result and paid at the end, one notice for all, so a crash in between forgets nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.errors import is_permanent
from pillarbox.base.log import Logger
from pillarbox.model.refusal import Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Remote, Route
from pillarbox.queue.jobs import Job, Plan
from pillarbox.queue.outcome import Policy, Times, alias_of, chance, decide, told
from pillarbox.queue.report import Debt, Report
from pillarbox.store.api import NewItem, NewMessage, QueueItem, QueueRecipient, Settled, Spool

log = Logger("queue")

UNKNOWN_ROUTE = Reply(451, "4.3.5", "Nothing here carries mail on that route")
NOT_SAID = Reply(0, "", "")


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


@dataclass(frozen=True, slots=True)
class Means:
    """What every attempt needs. ``lease``: seconds. ``freed`` hears of destinations that have
    room for one more again, ``queued`` that a notice was queued."""

    spool: Spool
    transports: Mapping[type[Route], Transport]
    notify: Notify
    clock: Clock
    policy: Policy
    lease: float
    freed: Callable[[str], None]
    queued: Callable[[], None]
    failed: Failed | None = None
    settled: Told | None = None


class Attempt:
    """At the recipients of an item that have room."""

    def __init__(self, means: Means, item: QueueItem, todo: Plan, limits: Times) -> None:
        self._means = means
        self._item = item
        self._todo = todo
        self._limits = limits
        self._debts = [
            Debt(row, row.owed, row.last or NOT_SAID) for row in item.recipients if row.owed
        ]
        self._lost: list[tuple[QueueRecipient, Reply]] = []
        tried = {row.number for job in todo.jobs for row in job.rows}
        tried.update(row.number for row, _ in todo.decided)
        # While we have the lease nobody sees when the others are due. What ends in this house may
        # lead on, and nobody wakes the runner for what that queues.
        self._left = any(
            row.state == "due" and row.number not in tried for row in item.recipients
        ) or any(job.way[0] is not Remote for job in todo.jobs)

    async def run(self) -> bool:
        """Whether the queue has to be looked at again for what it left, or brought about."""
        results = self._judged(self._todo.decided)
        jobs = self._todo.jobs
        if len(jobs) == 1:
            results += await self._heard(await self._run(jobs[0]))
        elif jobs:
            results = await self._run_all(jobs, results)
        await self._finish(results)
        if self._lost and self._means.failed is not None:
            await self._means.failed(self._item, self._lost)
        return self._left or bool(self._lost)

    # ------------------------------------------------------------------ asking

    async def _run_all(self, jobs: Sequence[Job], results: list[Settled]) -> list[Settled]:
        """Run all jobs at once; write down what is known while others are under way."""
        pending = {asyncio.ensure_future(self._run(job)) for job in jobs}
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    results += await self._heard(task.result())
                if pending and results:
                    await self._keep(results)
                    results = []
        finally:
            for task in pending:
                task.cancel()
        return results

    async def _heard(self, answers: Sequence[tuple[QueueRecipient, Report]]) -> list[Settled]:
        """What is to be written of the answers to a job; what goes on is written at once."""
        results = []
        for row, report in answers:
            settled = self._judged([(row, report)])
            if report.onward is not None:
                await self._hand_on(settled, *report.onward)
            else:
                results += settled
        return results

    async def _run(self, job: Job) -> list[tuple[QueueRecipient, Report]]:
        """One job, with one report a row whatever the transport does."""
        try:
            transport = self._means.transports.get(job.way[0])
            if transport is None:
                answers: Sequence[Reply | Report] = [UNKNOWN_ROUTE] * len(job.rows)
            else:
                answers = await transport.attempt(self._item, job.rows)
            return list(zip(job.rows, map(_report, answers), strict=True))
        except Exception as error:
            log.error("queue.transport", item=self._item.id, error=repr(error))
            code, enhanced = (550, "5.3.0") if is_permanent(error) else (451, "4.3.0")
            trouble = Report(Reply(code, enhanced, f"Local error: {error}"))
            return [(row, trouble) for row in job.rows]
        finally:
            self._means.freed(job.way[1])

    # ------------------------------------------------------------------ judging

    def _judged(self, answers: Sequence[tuple[QueueRecipient, Report]]) -> list[Settled]:
        """What becomes of each. Notes what the sender is to be told, and who will not be tried
        again."""
        now = self._means.clock.now()
        return [self._one(row, report, now) for row, report in answers]

    def _one(self, row: QueueRecipient, report: Report, now: float) -> Settled:
        item, limits = self._item, self._limits
        settled = decide(
            row,
            report.reply,
            created=item.created,
            now=now,
            policy=self._means.policy,
            chance=chance(item.id, row.attempts),
            expire=limits.expire,
            warn=limits.warn,
        )
        if settled.state == "failed":
            self._lost.append((row, report.reply))
        self._left = self._left or settled.state == "due"
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
            self._debts.append(Debt(row, owed, report.reply, report.by))
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
        return Settled(
            *(settled.number, settled.state, settled.due, settled.reply),
            owed=owed,
            warned=owed == "delayed",
            by=report.by,
            tls=report.tls,
            maybe=report.maybe,
            tries=report.tries,
        )

    # ------------------------------------------------------------------ writing

    async def _finish(self, results: Sequence[Settled]) -> None:
        """Free the lease, paying what is owed unless more of it is about to come."""
        if self._todo.waiting:
            await self._settle(results, owing=True)
            return
        if not self._debts:
            await self._settle(results)
            return
        if results:
            await self._keep(results)  # whatever happens to the notice
        notice = await self._means.notify(self._item, self._debts)
        message, new_item = notice or (None, None)
        await self._settle([], message, new_item)
        if new_item is not None:
            self._means.queued()

    async def _settle(
        self,
        results: Sequence[Settled],
        message: NewMessage | None = None,
        new_item: NewItem | None = None,
        *,
        owing: bool = False,
    ) -> None:
        item = self._item
        try:
            refusal = await self._means.spool.settle(
                item.id, item.lease, results, notice=message, notice_item=new_item, owing=owing
            )
        finally:
            if message is not None:
                message.content.discard()  # does nothing to what was taken
        self._written(results, refusal)

    async def _hand_on(
        self, results: Sequence[Settled], message: NewMessage, new_item: NewItem
    ) -> None:
        """Write results with what goes on in the place of the message; go on holding the lease."""
        item, until = self._item, self._means.clock.now() + self._means.lease
        try:
            refusal = await self._means.spool.settle(
                *(item.id, item.lease, results, message, new_item), keep_until=until
            )
        finally:
            message.content.discard()  # does nothing to what was taken
        self._written(results, refusal)

    async def _keep(self, results: Sequence[Settled]) -> None:
        """Write results and go on holding the lease."""
        item, until = self._item, self._means.clock.now() + self._means.lease
        refusal = await self._means.spool.settle(item.id, item.lease, results, keep_until=until)
        self._written(results, refusal)

    def _written(self, results: Sequence[Settled], refusal: Refusal | None) -> None:
        if refusal is not None:
            log.warning("queue.lease-lost", item=self._item.id, text=refusal.text)
        elif results and self._means.settled is not None:
            self._means.settled(self._item, results)


def _report(answer: Reply | Report) -> Report:
    return answer if isinstance(answer, Report) else Report(answer)
