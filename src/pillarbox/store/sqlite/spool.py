"""The queue's rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import apsw

from pillarbox.model.refusal import Refusal
from pillarbox.model.story import Handled
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
from pillarbox.store.sqlite import journal
from pillarbox.store.sqlite.accept import Body, accept
from pillarbox.store.sqlite.envelope import freeze_reply, thaw, thaw_addresses, thaw_reply
from pillarbox.store.sqlite.intake import Intake
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.turns import Turns
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_SLICE = 50
"""Items read in one turn of the loop."""
_ITEM = "id, envelope, blob, size, created, lease, priority, held, story"
_RECIPIENTS = (
    "SELECT number, envelope_index, route_index, attempts, due, state, reply, domain, owed, warned"
    " FROM recipient WHERE item = ? ORDER BY number"
)
_LEASE = (
    "UPDATE queue SET leases = leases + 1, lease_until = ?, lease = ? || (leases + 1)"
    f" WHERE id = ? AND lease_until <= ? RETURNING {_ITEM}"
)
_STATES = (
    "SELECT r.state FROM queue q CROSS JOIN recipient r ON r.item = q.id"
    " WHERE q.id = ? AND q.lease = ? AND q.lease <> '' ORDER BY r.number"
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
        # Many looks find nothing, and looking costs no transaction. What a snapshot shows may be
        # another's by now: _LEASE sees to that.
        chosen = self.turns.few(self.reader.all, now, limit, busy) if limit > 0 else []
        if chosen is None:
            async with self.reader.snapshot() as db:
                read = partial(_all, db)
                chosen = await self.reader.aside(self.turns.next, read, now, limit, busy)
        if not chosen:
            return []

        def run(tx: Tx) -> list[QueueItem]:
            leased = [_lease(tx, item, owner, now, until) for item in chosen]
            return [item for item in leased if item is not None]

        return await self.writer.do(run)

    async def reclaim(self) -> int:
        def run(tx: Tx) -> int:
            tx.db.execute("UPDATE queue SET lease = '', lease_until = 0 WHERE lease_until > 0")
            return tx.db.changes()

        return await self.writer.do(run)

    async def states(self, item: int, lease: str) -> tuple[str, ...] | None:
        return tuple(row[0] for row in self.reader.all(_STATES, (item, lease))) or None

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
            return _settle(tx, item, lease, results, keep_until, owing, notice_item)

        if notice is None:
            return await self.writer.do(settle)
        facts = notice.facts
        telling = Telling(notice_item.envelope) if notice_item is not None else None

        def run(tx: Tx, bodies: Sequence[Body]) -> Refusal | None:
            refused = settle(tx)
            if refused is None:
                accept(tx, bodies[0], facts, notice_targets, notice_item, telling)
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

    async def queue_items(
        self, limit: int = 1000, after: int = 0, where: QueueFilter | None = None
    ) -> list[QueueItem]:
        items: list[QueueItem] = []
        sql, values = _likely(where)
        async with self.reader.snapshot() as db:
            while len(items) < limit:
                rows = db.execute(sql, (after, *values, _SLICE)).fetchall()
                found = [_item(db, row) for row in rows]
                items += [one for one in found if where is None or rules.matches(one, where)]
                if len(rows) < _SLICE:
                    break
                after = found[-1].id
                await self.reader.breathe()
        return items[: max(limit, 0)]

    async def hold(self, item: int, held: bool, by: str = "") -> Refusal | None:
        return await self.writer.do(lambda tx: _hold(tx, item, held, by))

    async def retry(self, item: int, due: float, by: str = "") -> Refusal | None:
        return await self.writer.do(lambda tx: _retry(tx, item, due, by))

    async def expire(self, item: int, results: Sequence[Settled], by: str = "") -> Refusal | None:
        return await self.writer.do(lambda tx: _expire(tx, item, results, by))

    async def drop(self, item: int, by: str = "") -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            row = tx.one("SELECT blob, story FROM queue WHERE id = ?", (item,))
            if row is None:
                return rules.NO_ITEM
            numbers = rules.waiting(map(_recipient, tx.all(_RECIPIENTS, (item,))))
            journal.add(tx, row[1], (Handled("dropped", by, item, numbers),))
            _remove(tx, item, row[0])
            return None

        return await self.writer.do(run)


def _all(db: apsw.Connection, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = db.execute(sql, values).fetchall()
    return rows


def _likely(where: QueueFilter | None) -> tuple[str, list[object]]:
    """Items that may pass a filter: what SQL can tell cheaply; the rest is for ``rules``."""
    parts, values = ["id > ?"], list[object]()
    if where is not None and where.before is not None:
        parts.append("created < ?")
        values.append(where.before)
    for address in (where.sender, where.recipient) if where is not None else ():
        if address:  # addresses lie in the envelope as JSON
            domain = address.lower().rpartition("@")[2]
            parts.append("instr(lower(envelope), ?)")
            values.append(json.dumps(domain)[1:-1])
    if where is not None and (where.domain or where.state):
        parts.append(
            "EXISTS (SELECT 1 FROM recipient r WHERE r.item = queue.id"
            " AND (r.domain = ? OR ? = '') AND (r.state = ? OR ? = ''))"
        )
        values += [where.domain] * 2 + [where.state] * 2
    sql = f"SELECT {_ITEM} FROM queue WHERE {' AND '.join(parts)} ORDER BY id LIMIT ?"
    return sql, values


def _item(db: apsw.Connection, row: Sequence[Any]) -> QueueItem:
    number, envelope, blob, size, created, lease, priority, held, story = row
    rows: list[tuple[Any, ...]] = db.execute(_RECIPIENTS, (number,)).fetchall()
    recipients = tuple(map(_recipient, rows))
    return QueueItem(
        *(number, thaw(envelope), blob, size, created, recipients, lease, priority, held, story)
    )


def _recipient(row: Sequence[Any]) -> QueueRecipient:
    number, recipient, route, attempts, due, state, reply, domain, owed, warned = row
    last = thaw_reply(reply)
    return QueueRecipient(
        *(number, recipient, route, attempts, due, state, last, domain, owed), bool(warned)
    )


def _lease(tx: Tx, item: int, owner: str, now: float, until: float) -> QueueItem | None:
    """None where somebody else was quicker."""
    row = tx.one(_LEASE, (until, rules.lease_name(owner, ""), item, now))
    return None if row is None else _item(tx.db, row)


def _settle(
    tx: Tx,
    item: int,
    lease: str,
    results: Sequence[Settled],
    keep_until: float | None,
    owing: bool,
    notice: NewItem | None,
) -> Refusal | None:
    row = tx.one("SELECT lease, blob, story, envelope FROM queue WHERE id = ?", (item,))
    if row is None or not lease or row[0] != lease:
        return rules.STALE_LEASE
    _, blob, story, envelope = row
    if keep_until is not None and not results:  # nothing but the lease
        tx.db.execute("UPDATE queue SET lease_until = ? WHERE id = ?", (keep_until, item))
        return None
    recipients = _told(tx, item, story, envelope, results)
    over = keep_until is None
    if over and not owing:
        told = words.reported(recipients, notice)
        if told is not None:
            journal.add(tx, story, (told,))
            recipients = [replace(one, owed="") if one.owed else one for one in recipients]
    if over and rules.finished(recipients):
        _remove(tx, item, blob)
        return None
    _write(tx, item, recipients, results)
    if not over:
        tx.db.execute("UPDATE queue SET lease_until = ? WHERE id = ?", (keep_until, item))
        return None
    tx.db.execute("UPDATE queue SET lease = '', lease_until = 0 WHERE id = ?", (item,))
    if not owing:
        tx.db.execute("UPDATE recipient SET owed = '' WHERE item = ? AND owed <> ''", (item,))
    return None


def _told(
    tx: Tx, item: int, story: int, envelope: str, results: Sequence[Settled]
) -> list[QueueRecipient]:
    """Tell of results; the item's recipients as they are to be then."""
    recipients = list(map(_recipient, tx.all(_RECIPIENTS, (item,))))
    if not results:
        return recipients
    numbers = {result.number: result for result in results}
    for place, recipient in enumerate(recipients):
        result = numbers.get(recipient.number)
        if result is not None:
            recipients[place] = rules.settled(recipient, result)
    if story:
        journal.add(tx, story, words.attempts(thaw_addresses(envelope), recipients, results))
    return recipients


def _write(
    tx: Tx, item: int, recipients: Sequence[QueueRecipient], results: Sequence[Settled]
) -> None:
    """Those that there are results of."""
    numbers = {result.number for result in results}
    tx.db.executemany(
        "UPDATE recipient SET attempts = ?, due = ?, state = ?, reply = ?, owed = ?, warned = ?"
        " WHERE item = ? AND number = ?",
        [
            (
                *(one.attempts, one.due, one.state, freeze_reply(one.last)),
                *(one.owed, one.warned, item, one.number),
            )
            for one in recipients
            if one.number in numbers
        ],
    )


def _remove(tx: Tx, item: int, blob: int) -> None:
    tx.db.execute("DELETE FROM queue WHERE id = ?", (item,))
    tx.db.execute("DELETE FROM recipient WHERE item = ?", (item,))
    tx.release([blob])


def _hold(tx: Tx, item: int, held: bool, by: str) -> Refusal | None:
    row = tx.one("SELECT story FROM queue WHERE id = ?", (item,))
    if row is None:
        return rules.NO_ITEM
    before, after = ("due", "held") if held else ("held", "due")
    tx.db.execute(
        "UPDATE recipient SET state = ? WHERE item = ? AND state = ?", (after, item, before)
    )
    journal.add(tx, row[0], (Handled("held" if held else "released", by, item),))
    return None


def _retry(tx: Tx, item: int, due: float, by: str) -> Refusal | None:
    row = tx.one("SELECT story FROM queue WHERE id = ?", (item,))
    if row is None:
        return rules.NO_ITEM
    tx.db.execute("UPDATE recipient SET due = ? WHERE item = ? AND state = 'due'", (due, item))
    journal.add(tx, row[0], (Handled("retried", by, item),))
    return None


def _expire(tx: Tx, item: int, results: Sequence[Settled], by: str) -> Refusal | None:
    row = tx.one("SELECT blob, story, envelope, lease_until FROM queue WHERE id = ?", (item,))
    if row is None:
        return rules.NO_ITEM
    blob, story, envelope, until = row
    if until > tx.now:
        return rules.LEASED
    results = rules.still(map(_recipient, tx.all(_RECIPIENTS, (item,))), results)
    numbers = tuple(result.number for result in results)
    journal.add(tx, story, (Handled("expired", by, item, numbers),))
    recipients = _told(tx, item, story, envelope, results)
    if rules.finished(recipients):
        _remove(tx, item, blob)
    else:
        _write(tx, item, recipients, results)
    return None
