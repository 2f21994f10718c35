"""The queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.api import NewItem, NewMessage, QueueItem, Settled, Target
from pillarbox.store.memory.accept import accept
from pillarbox.store.memory.state import Queued, State


class MemorySpool:
    """See ``api.Spool``."""

    state: State

    async def lease(self, owner: str, now: float, until: float, limit: int) -> list[QueueItem]:
        ready = []
        for row in self.state.queue.values():
            dues = [r.due for r in row.item.recipients if r.state == "due" and r.due <= now]
            if dues and row.until <= now:
                ready.append((min(dues), row.item.id))
        taken = []
        for _, number in sorted(ready)[: max(limit, 0)]:
            row = self.state.queue[number]
            row.leases += 1
            row.until = until
            row.item = replace(row.item, lease=rules.lease_name(owner, row.leases))
            taken.append(row.item)
        return taken

    async def settle(
        self,
        item: int,
        lease: str,
        results: Sequence[Settled],
        notice: NewMessage | None = None,
        notice_item: NewItem | None = None,
        notice_targets: Sequence[Target] = (),
    ) -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None or not lease or row.item.lease != lease:
            return rules.STALE_LEASE
        by_number = {result.number: result for result in results}
        recipients = tuple(
            rules.settled(r, by_number[r.number]) if r.number in by_number else r
            for r in row.item.recipients
        )
        row.item = replace(row.item, recipients=recipients, lease="")
        row.until = 0.0
        if not any(r.state in {"due", "held"} for r in recipients):
            self._remove(row)
        if notice is not None:
            _, changes = accept(self.state, notice, notice_targets, notice_item)
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

    async def queue_items(self, limit: int = 1000, after: int = 0) -> list[QueueItem]:
        items = [row.item for number, row in self.state.queue.items() if number > after]
        return items[:limit]

    async def hold(self, item: int, held: bool) -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None:
            return rules.NO_ITEM
        before, after = ("due", "held") if held else ("held", "due")
        recipients = tuple(
            replace(r, state=after) if r.state == before else r for r in row.item.recipients
        )
        row.item = replace(row.item, recipients=recipients)
        return None

    async def drop(self, item: int) -> Refusal | None:
        row = self.state.queue.get(item)
        if row is None:
            return rules.NO_ITEM
        self._remove(row)
        return None

    def _remove(self, row: Queued) -> None:
        del self.state.queue[row.item.id]
        self.state.release(row.item.blob)
