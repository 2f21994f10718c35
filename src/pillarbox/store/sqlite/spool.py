"""The queue's rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
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
from pillarbox.store.sqlite.turns import Turns
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_SLICE = 50
"""Items read in one turn of the loop."""
_ITEM = "id, envelope, blob, size, created, lease, priority, held"
_RECIPIENTS = (
    "SELECT number, envelope_index, route_index, attempts, due, state, reply, domain, owed, warned"
    " FROM recipient WHERE item = ? ORDER BY number"
)
_ANY = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM recipient WHERE state = 'due' AND due <= ?)"
    " OR EXISTS (SELECT 1 FROM recipient WHERE owed <> '')"
)
_BY_DUE = (
    "SELECT r.due, q.lease_until FROM recipient r INDEXED BY recipient_due"
    " CROSS JOIN queue q ON q.id = r.item WHERE r.state = 'due' ORDER BY r.due"
)


class SqliteSpool:
    """See ``api.Spool``."""

    reader: Reader
    writer: WriteLane
    intake: Intake
    turns: Turns

    async def lease(
        self, owner: str, now: float, until: float, limit: int, *, busy: Collection[str] = ()
    ) -> list[QueueItem]:
        # Most wake-ups find nothing, and looking costs no transaction.
        if limit <= 0 or self.reader.row(_ANY, (now,)) is None:
            return []

        def run(tx: Tx) -> list[QueueItem]:
            chosen = self.turns.next(tx.db, now, limit, busy)
            return [_lease(tx, item, owner, until) for item in chosen]

        return await self.writer.do(run)

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
        def settle(tx: Tx) -> Refusal | None:
            return _settle(tx, item, lease, results, keep_until, owing)

        if notice is None:
            return await self.writer.do(settle)
        facts = notice.facts

        def run(tx: Tx, bodies: Sequence[Body]) -> Refusal | None:
            refused = settle(tx)
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

    async def retry(self, item: int, due: float) -> Refusal | None:
        return await self.writer.do(lambda tx: _retry(tx, item, due))

    async def drop(self, item: int) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            row = tx.one("SELECT blob FROM queue WHERE id = ?", (item,))
            if row is None:
                return rules.NO_ITEM
            _remove(tx, item, row[0])
            return None

        return await self.writer.do(run)


def _item(db: apsw.Connection, row: Sequence[Any]) -> QueueItem:
    number, envelope, blob, size, created, lease, priority, held = row
    rows: list[tuple[Any, ...]] = db.execute(_RECIPIENTS, (number,)).fetchall()
    recipients = tuple(map(_recipient, rows))
    return QueueItem(number, thaw(envelope), blob, size, created, recipients, lease, priority, held)


def _recipient(row: Sequence[Any]) -> QueueRecipient:
    number, recipient, route, attempts, due, state, reply, domain, owed, warned = row
    last = thaw_reply(reply)
    return QueueRecipient(
        *(number, recipient, route, attempts, due, state, last, domain, owed), bool(warned)
    )


def _lease(tx: Tx, item: int, owner: str, until: float) -> QueueItem:
    (leases,) = tx.all("SELECT leases + 1 FROM queue WHERE id = ?", (item,))[0]
    row = tx.all(
        f"UPDATE queue SET leases = ?, lease_until = ?, lease = ? WHERE id = ? RETURNING {_ITEM}",
        (leases, until, rules.lease_name(owner, leases), item),
    )[0]
    return _item(tx.db, row)


def _settle(
    tx: Tx,
    item: int,
    lease: str,
    results: Sequence[Settled],
    keep_until: float | None,
    owing: bool,
) -> Refusal | None:
    row = tx.one("SELECT lease, blob FROM queue WHERE id = ?", (item,))
    if row is None or not lease or row[0] != lease:
        return rules.STALE_LEASE
    numbers = {result.number: result for result in results}
    recipients = []
    for recipient in map(_recipient, tx.all(_RECIPIENTS, (item,))):
        if recipient.number in numbers:
            recipient = rules.settled(recipient, numbers[recipient.number])
            _write(tx, item, recipient)
        recipients.append(recipient if owing else replace(recipient, owed=""))
    if keep_until is not None:
        tx.db.execute("UPDATE queue SET lease_until = ? WHERE id = ?", (keep_until, item))
    elif rules.finished(recipients):
        _remove(tx, item, row[1])
    else:
        tx.db.execute("UPDATE queue SET lease = '', lease_until = 0 WHERE id = ?", (item,))
        if not owing:
            tx.db.execute("UPDATE recipient SET owed = '' WHERE item = ? AND owed <> ''", (item,))
    return None


def _write(tx: Tx, item: int, recipient: QueueRecipient) -> None:
    tx.db.execute(
        "UPDATE recipient SET attempts = ?, due = ?, state = ?, reply = ?, owed = ?, warned = ?"
        " WHERE item = ? AND number = ?",
        (
            *(recipient.attempts, recipient.due, recipient.state, freeze_reply(recipient.last)),
            *(recipient.owed, recipient.warned, item, recipient.number),
        ),
    )


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


def _retry(tx: Tx, item: int, due: float) -> Refusal | None:
    if tx.one("SELECT 1 FROM queue WHERE id = ?", (item,)) is None:
        return rules.NO_ITEM
    tx.db.execute("UPDATE recipient SET due = ? WHERE item = ? AND state = 'due'", (due, item))
    return None
