"""The queue's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.api import (
    NewItem,
    NewMessage,
    QueueItem,
    QueueRecipient,
    Settled,
    Target,
)
from pillarbox.store.sqlite.accept import Body, accept
from pillarbox.store.sqlite.envelope import freeze_reply, thaw, thaw_reply
from pillarbox.store.sqlite.intake import Intake
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_SLICE = 50
"""Items read in one turn of the loop."""
_ITEM = "id, envelope, blob, size, created, lease"
_RECIPIENTS = (
    "SELECT number, envelope_index, route_index, attempts, due, state, reply FROM recipient"
    " WHERE item = ? ORDER BY number"
)
_READY = (
    "SELECT r.item FROM recipient r CROSS JOIN queue q ON q.id = r.item"
    " WHERE r.state = 'due' AND r.due <= ? AND q.lease_until <= ? ORDER BY r.due, r.item"
)
_BY_DUE = (
    "SELECT r.due, q.lease_until FROM recipient r CROSS JOIN queue q ON q.id = r.item"
    " WHERE r.state = 'due' ORDER BY r.due"
)


class SqliteSpool:
    """See ``api.Spool``."""

    reader: Reader
    writer: WriteLane
    intake: Intake

    async def lease(self, owner: str, now: float, until: float, limit: int) -> list[QueueItem]:
        # Most wake-ups find nothing, and looking costs no transaction.
        if limit <= 0 or self.reader.row(f"{_READY} LIMIT 1", (now, now)) is None:
            return []
        return await self.writer.do(lambda tx: _lease(tx, owner, now, until, limit))

    async def settle(
        self,
        item: int,
        lease: str,
        results: Sequence[Settled],
        notice: NewMessage | None = None,
        notice_item: NewItem | None = None,
        notice_targets: Sequence[Target] = (),
    ) -> Refusal | None:
        if notice is None:
            return await self.writer.do(lambda tx: _settle(tx, item, lease, results))
        facts = notice.facts

        def run(tx: Tx, bodies: Sequence[Body]) -> Refusal | None:
            refused = _settle(tx, item, lease, results)
            if refused is None:
                accept(tx, bodies[0], facts, notice_targets, notice_item)
            return refused

        return await self.intake.run([notice], run)

    async def next_due(self) -> float | None:
        next_: float | None = None
        async with self.reader.snapshot() as db:
            rows: Iterable[Any] = db.execute(_BY_DUE)
            for due, until in rows:
                if next_ is not None and due >= next_:
                    break  # later ones cannot be earlier: a long queue is not read through
                free = max(due, until)
                next_ = free if next_ is None else min(next_, free)
        return next_

    async def queue_items(self, limit: int = 1000, after: int = 0) -> list[QueueItem]:
        async with self.reader.snapshot() as db:
            rows = db.execute(
                f"SELECT {_ITEM} FROM queue WHERE id > ? ORDER BY id LIMIT ?",
                (after, max(limit, 0)),
            ).fetchall()
            items: list[QueueItem] = []
            for at in range(0, len(rows), _SLICE):
                items += [_item(db, row) for row in rows[at : at + _SLICE]]
                await self.reader.breathe()
        return items

    async def hold(self, item: int, held: bool) -> Refusal | None:
        return await self.writer.do(lambda tx: _hold(tx, item, held))

    async def drop(self, item: int) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            row = tx.one("SELECT blob FROM queue WHERE id = ?", (item,))
            if row is None:
                return rules.NO_ITEM
            _remove(tx, item, row[0])
            return None

        return await self.writer.do(run)


def _item(db: apsw.Connection, row: Sequence[Any]) -> QueueItem:
    number, envelope, blob, size, created, lease = row
    rows: list[tuple[Any, ...]] = db.execute(_RECIPIENTS, (number,)).fetchall()
    recipients = tuple(map(_recipient, rows))
    return QueueItem(number, thaw(envelope), blob, size, created, recipients, lease)


def _recipient(row: Sequence[Any]) -> QueueRecipient:
    number, recipient, route, attempts, due, state, reply = row
    return QueueRecipient(number, recipient, route, attempts, due, state, thaw_reply(reply))


def _lease(tx: Tx, owner: str, now: float, until: float, limit: int) -> list[QueueItem]:
    chosen: dict[int, None] = {}
    cursor = tx.db.execute(_READY, (now, now))
    for (item,) in cursor:
        chosen[item] = None
        if len(chosen) == limit:
            break
    cursor.close()
    taken = []
    for item in chosen:
        (leases,) = tx.all("SELECT leases + 1 FROM queue WHERE id = ?", (item,))[0]
        row = tx.all(
            "UPDATE queue SET leases = ?, lease_until = ?, lease = ? WHERE id = ?"
            f" RETURNING {_ITEM}",
            (leases, until, rules.lease_name(owner, leases), item),
        )[0]
        taken.append(_item(tx.db, row))
    return taken


def _settle(tx: Tx, item: int, lease: str, results: Sequence[Settled]) -> Refusal | None:
    found = tx.one("SELECT lease, blob FROM queue WHERE id = ?", (item,))
    if found is None or not lease or found[0] != lease:
        return rules.STALE_LEASE
    by_number = {result.number: result for result in results}
    open_ones = 0
    for row in tx.all(_RECIPIENTS, (item,)):
        recipient = _recipient(row)
        result = by_number.get(recipient.number)
        if result is not None:
            recipient = rules.settled(recipient, result)
            tx.db.execute(
                "UPDATE recipient SET attempts = ?, due = ?, state = ?, reply = ?"
                " WHERE item = ? AND number = ?",
                (
                    recipient.attempts,
                    recipient.due,
                    recipient.state,
                    freeze_reply(recipient.last),
                    item,
                    recipient.number,
                ),
            )
        open_ones += recipient.state in {"due", "held"}
    if open_ones:
        tx.db.execute("UPDATE queue SET lease = '', lease_until = 0 WHERE id = ?", (item,))
    else:
        _remove(tx, item, found[1])
    return None


def _remove(tx: Tx, item: int, blob: int) -> None:
    tx.db.execute("DELETE FROM queue WHERE id = ?", (item,))
    tx.db.execute("DELETE FROM recipient WHERE item = ?", (item,))
    tx.release([blob])


def _hold(tx: Tx, item: int, held: bool) -> Refusal | None:
    if tx.one("SELECT 1 FROM queue WHERE id = ?", (item,)) is None:
        return rules.NO_ITEM
    before, after = ("due", "held") if held else ("held", "due")
    tx.db.execute(
        "UPDATE recipient SET state = ? WHERE item = ? AND state = ?", (after, item, before)
    )
    return None
