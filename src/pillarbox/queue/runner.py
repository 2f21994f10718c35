"""Takes due mail by lease and has it attempted.

There is no list of mail in memory: the store's lease rows are the queue, so a runner may die at
any instruction and another, here or elsewhere, goes on when the lease is over. What is at hand
(``hand``) is under lease, too, and given back within a second where nothing moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.model.transaction import Route
from pillarbox.queue.attempt import Attempt, Failed, Means, Notify, Told, Transport
from pillarbox.queue.hand import Hand
from pillarbox.queue.jobs import Plan, Way, plan, route_of
from pillarbox.queue.outcome import Policy, Times, times
from pillarbox.queue.slots import Slots
from pillarbox.store.api import QueueItem, QueueRecipient, Spool

log = Logger("queue")

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
    """Sleep while all that is due waits for busy destinations; nothing is longer at hand."""


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
        self._clock = clock
        self._options = options = options or Options()
        self._destination = destination
        self._owner = rng.token(12)
        self._wake = asyncio.Event()
        self._alarm: tuple[float, asyncio.Task[None]] | None = None
        self._slots = Slots(clock, options.per_destination, options.pace)
        self._crowded = min(options.crowded, options.pace or options.crowded)
        self._hand = Hand(clock, options.crowded)
        self._silent: set[str] = set()  # nothing ended there since something was given back
        self._passed: set[str] = set()  # destinations that the last look passed over
        self._short = False  # it took only part of what may be due
        self._leased: dict[tuple[int, str], QueueItem] = {}  # by number and lease
        self._renewed = clock.now()
        self._running = 0
        self._group: asyncio.TaskGroup | None = None
        self._means = Means(
            *(spool, transports, notify, clock, options.policy, options.lease),
            freed=self._freed,
            queued=self.wake,
            failed=failed,
            settled=settled,
        )

    def wake(self) -> None:
        """There may be due mail; look now."""
        self._wake.set()

    async def run(self) -> None:
        """Forever. A failing store is waited out; nothing is dropped."""
        async with asyncio.TaskGroup() as group, self._renewing():
            self._group = group
            try:
                await self._look_forever()
            finally:
                self._group = None

    async def run_due(self) -> int:
        """Work everything that is due now, then return how many items that was."""
        count = 0
        async with self._renewing():
            while items := await self._due(self._options.batch):
                for item in items:
                    planned = self._planned(item)
                    if planned is not None:
                        self._running += 1
                        await self._work(item, *planned)
                count += len(items)
        return count

    # ------------------------------------------------------------------ looking

    async def _look_forever(self) -> None:
        try:
            while True:
                self._wake.clear()
                try:
                    pause = await self._look()
                except Exception as error:
                    log.error("queue.store", error=repr(error))
                    pause = self._options.idle
                if pause > 0:
                    await self._sleep(pause)
        finally:
            if self._alarm is not None:
                self._alarm[1].cancel()

    async def _look(self) -> float:
        """Take what there is room for; seconds to sleep then."""
        options = self._options
        await self._give_back()
        room = min(options.concurrency - self._running, options.batch)
        if room <= 0:
            self._short = True
            return options.crowded if self._hand else options.idle
        items = await self._due(room)
        self._short = len(items) >= room
        for item in items:
            self._begin(item)
        return 0.0 if self._short else await self._pause(found=bool(items))

    async def _due(self, room: int) -> list[QueueItem]:
        now = self._clock.now()
        if now >= self._renewed + self._options.lease:  # the clock was set, or the machine slept
            await self._renew_all()
        self._passed = {name for name in self._slots.full() if self._is_served(name)}
        busy = self._slots.domains(self._passed)
        until = now + self._options.lease
        return await self._spool.lease(self._owner, now, until, room, busy=busy)

    def _is_served(self, destination: str) -> bool:
        """Whether enough is at hand for a destination that is full."""
        options = self._options
        enough = self._hand.count(destination) > options.per_destination
        return enough or options.pace > 0 or destination in self._silent

    async def _pause(self, *, found: bool) -> float:
        """Seconds until there may be something to do that nobody wakes us for. ``found``: the last
        look found something; what is due besides is perhaps for the next one."""
        options = self._options
        due = await self._spool.next_due()
        wait = options.idle if due is None else due - self._clock.now()
        if found and wait <= 0:
            return 0.0
        pause = min(options.idle, wait if wait > 0 else self._crowded)
        return min(pause, options.crowded) if self._hand else pause

    async def _sleep(self, seconds: float) -> None:
        """Until somebody wakes us, so long at most. An alarm that rings too early does no harm:
        one that is set for then or before stays."""
        at = self._clock.monotonic() + seconds
        if self._alarm is None or self._alarm[1].done() or self._alarm[0] > at:
            if self._alarm is not None:
                self._alarm[1].cancel()
            self._alarm = at, asyncio.ensure_future(self._ring(seconds))
        await self._wake.wait()

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.wake()

    # ------------------------------------------------------------------ one item

    def _begin(self, item: QueueItem, *, kept: bool = False) -> None:
        """Work an item, or keep it at hand until there is room for it. ``kept``: it was."""
        group = self._group
        planned = self._planned(item) if group is not None else None
        if planned is None or group is None:
            return
        todo = planned[0]
        if todo.waiting and not (todo.jobs or todo.decided) and self._may_wait(todo.waiting[0]):
            self._hand.put(todo.waiting[0], item)
            return
        self._running += 1
        group.create_task(self._work(item, *planned, kept=kept))

    def _may_wait(self, destination: str) -> bool:
        options = self._options
        return options.pace <= 0 and self._hand.count(destination) < options.concurrency

    def _planned(self, item: QueueItem) -> tuple[Plan, Times] | None:
        """What is to be done of an item now; None where that cannot be said."""
        policy = self._options.policy
        self._leased[_key(item)] = item
        try:
            limits = times(item.envelope, item.created, policy)
            now = self._clock.now()
            todo = plan(item, limits, now=now, policy=policy, way=self._way, slots=self._slots)
        except Exception as error:  # the lease ends by itself and another attempt follows
            log.error("queue.attempt", item=item.id, error=repr(error))
            del self._leased[_key(item)]
            return None
        return todo, limits

    def _way(self, item: QueueItem, row: QueueRecipient) -> Way:
        return type(route_of(item, row)), self._destination(item, row)

    async def _work(
        self, item: QueueItem, todo: Plan, limits: Times, *, kept: bool = False
    ) -> None:
        """One attempt at all due recipients of one item that have room."""
        left = True
        try:
            if not kept or await self._still_goes(item, todo):
                left = await Attempt(self._means, item, todo, limits).run()
        except Exception as error:  # the lease ends by itself and another attempt follows
            log.error("queue.attempt", item=item.id, error=repr(error))
        finally:
            del self._leased[_key(item)]
            self._running -= 1
            self._go_on()
            if left or self._short:
                self.wake()

    # ------------------------------------------------------------------ what is at hand

    def _freed(self, destination: str) -> None:
        """There is room for one more at a destination."""
        self._slots.free(destination)
        self._silent.discard(destination)
        self._go_on()
        if destination in self._passed and not self._is_served(destination):
            self.wake()

    def _go_on(self) -> None:
        """Begin what is at hand and has room."""
        if self._group is None:
            return
        for destination in self._hand.destinations():
            while self._running < self._options.concurrency and self._slots.room(destination):
                item = self._hand.take(destination)
                if item is None:
                    break
                self._begin(item, kept=True)

    async def _still_goes(self, item: QueueItem, todo: Plan) -> bool:
        """Whether what was at hand is as it was leased: nobody dropped it, put it on hold or took
        it over. What is not gives its room away."""
        same = False
        try:
            states = await self._spool.states(item.id, item.lease)
            same = states == tuple(row.state for row in item.recipients)
        finally:
            if not same:
                for job in todo.jobs:
                    self._freed(job.way[1])
        if not same:
            await self._spool.settle(item.id, item.lease, [], owing=True)
        return same

    async def _give_back(self) -> None:
        """Free what waits for a destination where nothing moves."""
        old = self._hand.old()
        for destination, item in old:
            self._silent.add(destination)
            del self._leased[_key(item)]
        await asyncio.gather(
            *(self._spool.settle(item.id, item.lease, [], owing=True) for _, item in old)
        )

    @asynccontextmanager
    async def _renewing(self) -> AsyncIterator[None]:
        """Meanwhile no lease of ours ends: a slow server is no reason to let another worker send
        the same again."""
        self._renewed = self._clock.now()
        task = asyncio.ensure_future(self._renew())
        try:
            yield
        finally:
            task.cancel()

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(self._options.lease / 3)
            await self._renew_all()

    async def _renew_all(self) -> None:
        self._renewed = self._clock.now()
        for item in list(self._leased.values()):
            until = self._clock.now() + self._options.lease
            try:
                refusal = await self._spool.settle(item.id, item.lease, [], keep_until=until)
            except Exception as error:
                log.error("queue.renew", item=item.id, error=repr(error))
                continue
            if refusal is not None and _key(item) in self._leased:
                log.warning("queue.lease-lost", item=item.id, text=refusal.text)


def _key(item: QueueItem) -> tuple[int, str]:
    """A lease that ended while we slept may be given to us once more: the number is not enough."""
    return item.id, item.lease
