"""Takes due mail by lease, hands it to a transport, writes down what happened.

There is no list of mail in memory: the store's lease rows are the queue, so a runner may die at
any instruction and another, here or elsewhere, goes on when the lease is over. The one window in
which mail is sent twice is between a transport's success and its settling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.errors import is_permanent
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Route
from pillarbox.queue.outcome import Policy, decide
from pillarbox.store.api import NewItem, NewMessage, QueueItem, QueueRecipient, Settled, Spool

log = Logger("queue")


class Transport(Protocol):
    """Carries a queued message to some of its recipients."""

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply]:
        """One reply a recipient, in order. An exception counts as a temporary failure of all
        unless it says Permanent."""
        ...


Notify = Callable[
    [QueueItem, Sequence[tuple[QueueRecipient, Reply]]],
    Awaitable[tuple[NewMessage, NewItem] | None],
]
"""Makes the DSN for recipients that failed for good; None when nobody is to be told."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the queue is worked."""

    policy: Policy = field(default_factory=Policy)
    lease: float = 600.0
    """Seconds a worker may hold an item before another takes it."""
    batch: int = 50
    concurrency: int = 20
    idle: float = 60.0
    """Longest sleep in seconds, so that rows added by others are found."""


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
    ) -> None:
        self._spool = spool
        self._transports = transports
        self._notify = notify
        self._clock = clock
        self._rng = rng
        self._options = options or Options()
        self._owner = rng.token(12)
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(self._options.concurrency)

    def wake(self) -> None:
        """There may be due mail; look now."""
        self._wake.set()

    async def run(self) -> None:
        """Forever. A failing store is waited out; nothing is dropped."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    for item in await self._due():
                        await self._room.acquire()
                        group.create_task(self._work(item))
                    pause = await self._pause()
                except Exception as error:
                    log.error("queue.store", error=repr(error))
                    pause = self._options.idle
                if pause > 0:
                    await self._sleep(pause)

    async def run_due(self) -> int:
        """Work everything that is due now, then return how many items that was."""
        count = 0
        while items := await self._due():
            for item in items:
                await self._room.acquire()
                await self._work(item)
            count += len(items)
        return count

    async def _due(self) -> list[QueueItem]:
        now = self._clock.now()
        return await self._spool.lease(
            self._owner, now, now + self._options.lease, self._options.batch
        )

    async def _pause(self) -> float:
        due = await self._spool.next_due()
        wait = self._options.idle if due is None else due - self._clock.now()
        return min(wait, self._options.idle)

    async def _sleep(self, seconds: float) -> None:
        sleeper = asyncio.ensure_future(self._clock.sleep(seconds))
        waker = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()

    async def _work(self, item: QueueItem) -> None:
        """One attempt at all due recipients of one item."""
        try:
            now = self._clock.now()
            due = [r for r in item.recipients if r.state == "due" and r.due <= now]
            replies: list[tuple[QueueRecipient, Reply]] = []
            for kind, transport in self._transports.items():
                mine = [r for r in due if isinstance(route_of(item, r), kind)]
                if mine:
                    replies += zip(mine, await self._attempt(transport, item, mine), strict=True)
            await self._settle(item, replies)
        except Exception as error:  # the lease ends by itself and another attempt follows
            log.error("queue.attempt", item=item.id, error=repr(error))
        finally:
            self._room.release()

    async def _attempt(
        self, transport: Transport, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply]:
        try:
            return await transport.attempt(item, recipients)
        except Exception as error:
            code, enhanced = (550, "5.3.0") if is_permanent(error) else (451, "4.3.0")
            return [Reply(code, enhanced, f"Local error: {error}")] * len(recipients)

    async def _settle(
        self, item: QueueItem, replies: Sequence[tuple[QueueRecipient, Reply]]
    ) -> None:
        results: list[Settled] = []
        failed: list[tuple[QueueRecipient, Reply]] = []
        for recipient, reply in replies:
            settled = decide(
                recipient,
                reply,
                created=item.created,
                now=self._clock.now(),
                policy=self._options.policy,
                chance=self._rng.uniform(0, 1),
            )
            results.append(settled)
            if settled.state == "failed":
                failed.append((recipient, reply))
            log.info(
                "queue.result",
                item=item.id,
                id=item.envelope.id,
                rcpt=str(item.envelope.recipients[recipient.envelope_index].address),
                state=settled.state,
                reply=str(reply),
            )
        notice = await self._notify(item, failed) if failed else None
        message, new_item = notice or (None, None)
        refusal = await self._spool.settle(
            item.id, item.lease, results, notice=message, notice_item=new_item
        )
        if refusal is not None:
            log.warning("queue.lease-lost", item=item.id, text=refusal.text)
        elif new_item is not None:
            self.wake()


def route_of(item: QueueItem, recipient: QueueRecipient) -> Route:
    """The route that this queue row serves."""
    return item.envelope.recipients[recipient.envelope_index].routes[recipient.route_index]
