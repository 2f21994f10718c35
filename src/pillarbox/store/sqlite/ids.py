"""Numbers that are never given out twice, not even after a crash.

Hot ones are reserved in blocks, so that a new message need not write the counter: a crash skips
the rest of a block, an orderly close gives it back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apsw

from pillarbox.store import rules

BLOCKS = {
    "account": 1,
    "mailbox": 1,
    "item": 64,
    "list": 1,
    "member": 64,
    "blob": 4096,
    "story": 4096,
}
_UIDVALIDITY = "uidvalidity"
_WRITE = "INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)"


class Ids:
    """Counters of one database. Reservations become certain with ``committed``."""

    def __init__(self, connection: apsw.Connection) -> None:
        rows: Iterable[tuple[Any, ...]] = connection.execute("SELECT name, value FROM counter")
        self._top: dict[str, int] = dict(rows)
        self._next = {name: self._top.get(name, 0) + 1 for name in BLOCKS}
        self._pending: dict[str, int] = {}

    def take(self, connection: apsw.Connection, name: str) -> int:
        """The next number of ``name``, inside the open transaction."""
        number = self._next[name]
        if number > self._pending.get(name, self._top.get(name, 0)):
            self._write(connection, name, number + BLOCKS[name] - 1)
        self._next[name] = number + 1
        return number

    def uidvalidity(self, connection: apsw.Connection, now: float) -> int:
        """A UIDVALIDITY that no mailbox of this database had."""
        last = self._pending.get(_UIDVALIDITY, self._top.get(_UIDVALIDITY, 0))
        value = rules.next_uidvalidity(last, now)
        self._write(connection, _UIDVALIDITY, value)
        return value

    def committed(self) -> None:
        """The transaction's reservations hold."""
        self._top.update(self._pending)
        self._pending.clear()

    def rolled_back(self) -> None:
        """They do not; numbers taken meanwhile stay unused."""
        self._pending.clear()

    def mark(self) -> dict[str, int]:
        """What this transaction reserved so far, for ``back_to``."""
        return dict(self._pending)

    def back_to(self, mark: dict[str, int]) -> None:
        """A savepoint was rolled back."""
        self._pending = mark

    def give_back(self, connection: apsw.Connection) -> None:
        """At an orderly close: what was reserved and not used."""
        for name, number in self._next.items():
            if self._top.get(name, 0) > number - 1:
                self._write(connection, name, number - 1)
        self.committed()

    def _write(self, connection: apsw.Connection, name: str, value: int) -> None:
        connection.execute(_WRITE, (name, value))
        self._pending[name] = value
