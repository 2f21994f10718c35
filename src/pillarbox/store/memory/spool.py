"""The queue."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby

from pillarbox.model.refusal import Refusal
from pillarbox.model.story import Event, Handled
from pillarbox.store import rules
from pillarbox.store import telling as words
from pillarbox.store.api import (
    NewItem,
    NewMessage,
    QueueFilter,
    QueueItem,
    QueueRecipient,
    Settled,
    Target,
)
from pillarbox.store.journal import Telling
from pillarbox.store.memory.accept import accept
from pillarbox.store.memory.state import Queued, State


class MemorySpool:
    """See ``api.Spool``."""

    state: State

    async def lease(
        self, owner: str, now: float, until: float, limit: int, *, busy: Collection[str] = ()
    ) -> list[QueueItem]:
        ready: list[tuple[int, float, int, str]] = []
        for row in self.state.queue.values():
            item = row.item
            if row.until > now:
                continue
            dues = [r for r in item.recipients if r.state == "due" and r.due <= now]
            free = [r.due for r in dues if r.domain not in busy]
            if free or (not dues and any(r.owed for r in item.recipients)):
                sender = rules.queue_sender(item.envelope)
                ready.append((-item.priority, min(free, default=0.0), item.id, sender))
        taken: list[int] = []
        for _, group in groupby(sorted(ready), key=lambda one: one[0]):
            waiting: dict[str, list[int]] = {}
            for _, _, number, sender in group:
                waiting.setdefault(sender, []).append(number)
            taken += rules.in_turns(waiting, max(limit, 0) - len(taken))
        return [self._lease(self.state.queue[number], owner, until) for number in taken]

    def _lease(self, row: Queued, owner: str, until: float) -> QueueItem:
        row.leases += 1
        row.until = until
        row.item = replace(row.item, lease=rules.lease_name(owner, row.leases))
        return row.item

    async def reclaim(self) -> int:
        leased = [row for row in self.state.queue.values() if row.until]
        for row in leased:
            row.until, row.item = 0.0, replace(row.item, lease="")
        return len(leased)

    async def states(self, item: int, lease: str) -> tuple[str, ...] | None:
        row = self.state.queue.get(item)
        if row is None or not lease or row.item.lease != lease:
            return None
        return tuple(recipient.state for recipient in row.item.recipients)

    async def settle(
        self,
        item: int,
        lease: str,
        results: Sequence[Settled],
        notice: NewMessage | None = None,
        notice_item: NewItem | None = None,
        notice_targets: Sequence[Target] = (),
        *,
        keep_until: float | None = None,
        owing: bool = False,
    ) -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None or not lease or row.item.lease != lease:
            return rules.STALE_LEASE
        recipients = _settled(row.item, results)
        self._tell(row.item, words.attempts(_addresses(row.item), recipients, results))
        if keep_until is not None:
            row.item = replace(row.item, recipients=recipients)
            row.until = keep_until
        else:
            if not owing:
                told = words.reported(recipients, notice_item)
                self._tell(row.item, (told,) if told is not None else ())
                recipients = tuple(replace(r, owed="") if r.owed else r for r in recipients)
            row.item = replace(row.item, recipients=recipients, lease="")
            row.until = 0.0
            if rules.finished(recipients):
                self._remove(row)
        if notice is not None:
            telling = Telling(notice_item.envelope) if notice_item is not None else None
            _, changes = accept(self.state, notice, notice_targets, notice_item, telling)
            self.state.commit(changes)
        return None

    async def next_due(self) -> float | None:
        return min(
            (
                max(r.due, row.until)
                for row in self.state.queue.values()
                for r in row.item.recipients
                if r.state == "due"
            ),
            default=None,
        )

    async def queue_items(
        self, limit: int = 1000, after: int = 0, where: QueueFilter | None = None
    ) -> list[QueueItem]:
        items = [row.item for number, row in self.state.queue.items() if number > after]
        if where is not None:
            items = [item for item in items if rules.matches(item, where)]
        return items[: max(limit, 0)]

    async def hold(self, item: int, held: bool, by: str = "") -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None:
            return rules.NO_ITEM
        before, after = ("due", "held") if held else ("held", "due")
        recipients = tuple(
            replace(r, state=after) if r.state == before else r for r in row.item.recipients
        )
        row.item = replace(row.item, recipients=recipients)
        self._tell(row.item, (Handled("held" if held else "released", by, item),))
        return None

    async def retry(self, item: int, due: float, by: str = "") -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None:
            return rules.NO_ITEM
        recipients = tuple(
            replace(r, due=due) if r.state == "due" else r for r in row.item.recipients
        )
        row.item = replace(row.item, recipients=recipients)
        self._tell(row.item, (Handled("retried", by, item),))
        return None

    async def drop(self, item: int, by: str = "") -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None:
            return rules.NO_ITEM
        numbers = rules.waiting(row.item.recipients)
        self._tell(row.item, (Handled("dropped", by, item, numbers),))
        self._remove(row)
        return None

    async def expire(self, item: int, results: Sequence[Settled], by: str = "") -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None:
            return rules.NO_ITEM
        if row.until > self.state.clock.now():
            return rules.LEASED
        results = rules.still(row.item.recipients, results)
        numbers = tuple(result.number for result in results)
        recipients = _settled(row.item, results)
        told = words.attempts(_addresses(row.item), recipients, results)
        self._tell(row.item, (Handled("expired", by, item, numbers), *told))
        row.item = replace(row.item, recipients=recipients)
        if rules.finished(recipients):
            self._remove(row)
        return None

    def _tell(self, item: QueueItem, events: Sequence[Event]) -> None:
        self.state.book.add(item.story, events)

    def _remove(self, row: Queued) -> None:
        del self.state.queue[row.item.id]
        self.state.release(row.item.blob)


def _addresses(item: QueueItem) -> list[str]:
    return [str(recipient.address) for recipient in item.envelope.recipients]


def _settled(item: QueueItem, results: Sequence[Settled]) -> tuple[QueueRecipient, ...]:
    by_number = {result.number: result for result in results}
    return tuple(
        rules.settled(r, by_number[r.number]) if r.number in by_number else r
        for r in item.recipients
    )
