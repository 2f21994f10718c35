"""Expunged mail that can be brought back, and the end of mail, in bounded steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pillarbox.model.change import Added, Arrived
from pillarbox.model.flags import (
    DELETED,
    SEEN,
    SYSTEM_MASK,
    flag_names,
    intern_keywords,
    keyword_bit,
)
from pillarbox.model.numset import MAX_NUMBER
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.api import Copied, Retained
from pillarbox.store.sqlite import journal
from pillarbox.store.sqlite.accept import MSG
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_STEP = 1000
"""Rows a transaction removes, so that deliveries get their turn between two."""
_RETAINED = """
    SELECT v.account, v.mailbox, v.name, r.uid, v.at, r.size, r.blob, f.envelope, v.by
    FROM removal v CROSS JOIN retained r ON r.removal = v.id CROSS JOIN facts f ON f.blob = r.blob
    WHERE v.account = :account AND (:mailbox IS NULL OR v.mailbox = :mailbox)
    ORDER BY v.at, v.mailbox, r.uid
"""
# The plus: one walk through what was expunged from the mailbox, not a look for each UID in each.
_KEPT = """
    SELECT r.uid, r.flags, v.keywords, r.internaldate, r.zone, r.size, r.blob, v.id
    FROM removal v CROSS JOIN retained r ON r.removal = v.id
    WHERE v.account = ? AND v.mailbox = ? AND +r.uid IN (SELECT value FROM json_each(?))
"""
_OLDEST = """
    SELECT v.account, v.mailbox, v.id, r.uid, r.blob
    FROM removal v CROSS JOIN retained r ON r.removal = v.id WHERE v.at < ? LIMIT ?
"""
_OF_ACCOUNT = _OLDEST.replace("v.at < ?", "v.account = ?")
_EMPTIED = (
    "DELETE FROM removal WHERE (account, mailbox, id) = (?, ?, ?)"
    " AND NOT EXISTS (SELECT 1 FROM retained WHERE removal = removal.id)"
)


class SqliteRetention:
    """The part of ``api.Mail`` about what was expunged."""

    reader: Reader
    writer: WriteLane

    async def retained(self, account: int, mailbox: int | None = None) -> list[Retained]:
        async with self.reader.snapshot() as db:
            rows: list[Any] = await self.reader.slice(
                lambda: db.execute(_RETAINED, {"account": account, "mailbox": mailbox}).fetchall()
            )
        return [Retained(*row) for row in rows]

    async def undelete(
        self, account: int, entries: Sequence[Retained], to_mailbox: int, by: str = ""
    ) -> Copied | Refusal:
        wanted = list(dict.fromkeys((e.mailbox, e.uid) for e in entries if e.account == account))
        # However few are wanted, all that was expunged from their mailboxes is walked through.
        return await self.writer.do(
            lambda tx: _undelete(tx, account, wanted, to_mailbox, by), aside=True
        )

    async def purge(self, before: float, tombstones_before: float) -> int:
        freed = 0
        while True:
            some, octets = await self.writer.do(lambda tx: _purge(tx, before), aside=True)
            freed += octets
            if some < _STEP:
                break
        await self.writer.do(lambda tx: _prune(tx, tombstones_before), aside=True)
        await self.writer.do(_forget_marks, aside=True)
        return freed


def _undelete(
    tx: Tx, account: int, wanted: Sequence[tuple[int, int]], to_mailbox: int, by: str
) -> Copied | Refusal:
    home, box = tx.home(account), tx.box(account, to_mailbox)
    if home is None or box is None:
        return rules.NO_TARGET
    found = _kept(tx, account, wanted)
    if not found:
        return Copied(box.uidvalidity, (), (), 0)
    size = sum(row[6] for row in found)
    if (refused := home.no_room(size, len(found))) is not None:
        return refused
    if box.uidnext + len(found) - 1 > MAX_NUMBER:
        return rules.NO_UIDS
    names = {name for row in found for name in flag_names(row[2] & ~SYSTEM_MASK, row[3].split())}
    intern_keywords(names, box.keywords)
    modseq = home.stamp()
    arrived: list[Arrived] = []
    for _, _, old, keywords, internaldate, zone, octets, blob, _ in found:
        flags = old & SYSTEM_MASK & ~DELETED
        for name in flag_names(old & ~SYSTEM_MASK, keywords.split()):
            flags |= keyword_bit(name, box.keywords)
        uid = box.uidnext + len(arrived)
        saved = int(tx.now)
        row = (account, box.id, uid, modseq, flags, internaldate, zone, saved, octets, blob)
        tx.db.execute(MSG, row)
        arrived.append(Arrived(uid, flags))
    _let_go(tx, [(account, row[0], row[8], row[1]) for row in found])
    box.uidnext += len(arrived)
    box.highest_modseq = modseq
    box.messages += len(arrived)
    box.unseen += sum(not new.flags & SEEN for new in arrived)
    box.size += size
    home.used += size
    home.messages += len(arrived)
    tx.save(home, box)
    tx.changes.append(Added(account, box.id, modseq, arrived, tuple(box.keywords)))
    targets = [new.uid for new in arrived]
    journal.restored(tx, account, [row[:2] for row in found], box, targets, by)
    return Copied(box.uidvalidity, [row[1] for row in found], targets, modseq)


def _kept(
    tx: Tx, account: int, wanted: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int, str, int, int, int, int, int]]:
    """What there is of (mailbox, UID) pairs, in their order: these, flags under keywords, date,
    zone, size, blob, and the removal it is of."""
    boxes: dict[int, list[int]] = {}
    for mailbox, uid in wanted:
        boxes.setdefault(mailbox, []).append(uid)
    rows = {
        (mailbox, row[0]): (mailbox, *row)
        for mailbox, uids in boxes.items()
        for row in tx.all(_KEPT, (account, mailbox, json.dumps(uids)))
    }
    return [rows[place] for place in wanted if place in rows]


def _let_go(tx: Tx, rows: Sequence[tuple[int, int, int, int]]) -> None:
    """Rows by account, mailbox, removal and UID, and removals of which nothing is left."""
    tx.db.executemany(
        "DELETE FROM retained WHERE removal = ? AND uid = ?", [row[2:] for row in rows]
    )
    tx.db.executemany(_EMPTIED, list(dict.fromkeys(row[:3] for row in rows)))


def _purge(tx: Tx, before: float) -> tuple[int, int]:
    rows = tx.all(_OLDEST, (before, _STEP))
    _let_go(tx, [row[:4] for row in rows])
    return len(rows), tx.release([row[4] for row in rows])


def _prune(tx: Tx, before: float) -> None:
    """Tombstones go; up to where, the mailbox remembers (QRESYNC needs to know)."""
    tx.db.execute(
        "UPDATE mailbox SET floor = max(floor, old.top) FROM"
        " (SELECT account, mailbox, max(modseq) AS top FROM tombstone WHERE at < ?"
        "  GROUP BY account, mailbox) AS old"
        " WHERE mailbox.account = old.account AND mailbox.id = old.mailbox",
        (before,),
    )
    tx.db.execute("DELETE FROM tombstone WHERE at < ?", (before,))


def _forget_marks(tx: Tx) -> None:
    tx.db.execute("DELETE FROM mark WHERE until <= ?", (tx.now,))


async def clear_account(writer: WriteLane, account: int) -> None:
    """Remove the mail of an account that is gone, in steps; safe to begin again."""
    while await writer.do(lambda tx: _clear(tx, account), aside=True):
        pass


def _clear(tx: Tx, account: int) -> bool:
    rows = tx.all("SELECT mailbox, uid, blob FROM msg WHERE account = ? LIMIT ?", (account, _STEP))
    if rows:
        tx.db.executemany(
            "DELETE FROM msg WHERE account = ? AND mailbox = ? AND uid = ?",
            [(account, mailbox, uid) for mailbox, uid, _ in rows],
        )
        tx.release([row[2] for row in rows])
        return True
    rows = tx.all(_OF_ACCOUNT, (account, _STEP))
    if rows:
        _let_go(tx, [row[:4] for row in rows])
        tx.release([row[4] for row in rows])
        return True
    tx.db.execute("DELETE FROM leaving WHERE account = ?", (account,))
    return False
