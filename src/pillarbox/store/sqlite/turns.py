"""Whose mail is worked next: by priority, senders in turn, each sender's oldest first.

Where little is due, all of it is looked at. Else the index ``recipient_turn`` is walked by hops,
a seek for each priority and sender, so the cost is that of the senders who wait, not of what they
wait for; but what they have for busy domains is walked over, however much that is, so the walk is
for a thread. A bounded number of senders is looked at; where the last look ended the next begins,
so everybody's turn comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pillarbox.store import rules

_LOOK = 400
"""Senders looked at for one lease."""

_PRIORITY = (
    "SELECT max(priority) FROM recipient INDEXED BY recipient_turn"
    " WHERE state = 'due' AND priority < ?"
)
_SENDER = (
    "SELECT min(sender) FROM recipient INDEXED BY recipient_turn"
    " WHERE state = 'due' AND priority = ? AND sender > ?"
)
_FIRST = (
    "SELECT min(sender) FROM recipient INDEXED BY recipient_turn"
    " WHERE state = 'due' AND priority = ?"
)
_ITEMS = (
    "SELECT DISTINCT r.item FROM recipient r INDEXED BY recipient_turn"
    " CROSS JOIN queue q ON q.id = r.item"
    " WHERE r.state = 'due' AND r.priority = ? AND r.sender = ? AND r.due <= ?"
    " AND q.lease_until <= ? AND r.domain NOT IN (SELECT value FROM json_each(?))"
    " ORDER BY r.due, r.item LIMIT ?"
)
_OWED = (
    "SELECT DISTINCT r.item FROM recipient r CROSS JOIN queue q ON q.id = r.item"
    " WHERE r.owed <> '' AND q.lease_until <= ?"
    " AND NOT EXISTS (SELECT 1 FROM recipient o WHERE o.item = r.item"
    " AND o.state = 'due' AND o.due <= ?) LIMIT ?"
)

_DUE = (
    "SELECT r.item, r.priority, r.sender, r.domain, q.lease_until"
    " FROM recipient r INDEXED BY recipient_due CROSS JOIN queue q ON q.id = r.item"
    " WHERE r.state = 'due' AND r.due <= ? ORDER BY r.due, r.item LIMIT ?"
)

Read = Callable[[str, Sequence[Any]], Sequence[tuple[Any, ...]]]
"""All rows of a statement."""


class Turns:
    """Remembers where the last look ended, by priority."""

    def __init__(self, little: int) -> None:
        """``little``: see ``Options.little_due``."""
        self._little = little
        self._after: dict[int, str] = {}

    def few(self, db: Read, now: float, limit: int, busy: Collection[str]) -> list[int] | None:
        """Numbers of items to lease, at most ``limit``, at little cost; None where more is due than
        that allows."""
        rows = db(_DUE, (now, self._little))
        if len(rows) == self._little:
            return None
        levels: dict[int, dict[str, dict[int, None]]] = {}
        for item, priority, sender, domain, until in rows:
            if until <= now and domain not in busy:
                levels.setdefault(priority, {}).setdefault(sender, {})[item] = None
        found = _owed(db, now, limit)
        for priority in sorted(levels, reverse=True):
            waiting = {sender: list(items) for sender, items in levels[priority].items()}
            found += rules.in_turns(waiting, limit - len(found))
        return found

    def next(self, db: Read, now: float, limit: int, busy: Collection[str]) -> list[int]:
        """Numbers of items to lease, at most ``limit``, however much is due."""
        found = _owed(db, now, limit)
        words = json.dumps(sorted(busy))
        priority = _one(db, _PRIORITY, (1 << 30,))
        while priority is not None and len(found) < limit:
            chosen = self._level(db, priority, now, limit - len(found), words)
            found += [item for item in chosen if item not in found]
            priority = _one(db, _PRIORITY, (priority,))
        return found

    def _level(self, db: Read, priority: int, now: float, limit: int, busy: str) -> list[int]:
        """Items of one priority."""
        senders = self._senders(db, priority)
        share = -(-limit // max(1, len(senders)))
        while True:  # one round is enough unless some have less than their share
            waiting: dict[str, list[int]] = {}
            for sender in senders:
                values = (priority, sender, now, now, busy, share)
                items = [row[0] for row in db(_ITEMS, values)]
                if items:
                    waiting[sender] = items
                if sum(map(len, waiting.values())) >= limit and share == 1:
                    self._after[priority] = sender
                    return rules.in_turns(waiting, limit)
            chosen = rules.in_turns(waiting, limit)
            if len(chosen) >= limit or share >= limit:
                return chosen
            senders = [sender for sender in senders if sender in waiting]
            share = limit

    def _senders(self, db: Read, priority: int) -> list[str]:
        """Those who wait, from where the last look ended, round the end of the alphabet."""
        start = self._after.get(priority)
        sender = _one(db, _SENDER, (priority, start)) if start is not None else None
        if sender is None:
            sender = _one(db, _FIRST, (priority,))
        seen: list[str] = []
        while sender is not None and len(seen) < _LOOK:
            seen.append(sender)
            sender = _one(db, _SENDER, (priority, sender))
            if sender is None and start is not None:
                sender = _one(db, _FIRST, (priority,))
            if sender in seen[:1]:
                break
        self._after[priority] = seen[-1] if len(seen) == _LOOK else ""
        return seen


def _owed(db: Read, now: float, limit: int) -> list[int]:
    """Items of which only a notice is owed."""
    return [row[0] for row in db(_OWED, (now, now, limit))]


def _one(db: Read, sql: str, values: tuple[Any, ...]) -> Any:
    return db(sql, values)[0][0]
