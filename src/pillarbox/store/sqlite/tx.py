"""One operation's view of the transaction it runs in.

An operation is a function of a ``Tx``: it looks, decides, and only then writes, and it may be
run twice (see ``writer``), so everything it remembers lives in the ``Tx`` it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw

from pillarbox.model.change import Change
from pillarbox.model.mailbox import SEPARATOR, Mailbox
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.sqlite.ids import Ids

_BOX = (
    "b.account, b.id, b.name, b.uidvalidity, b.uidnext, b.highest_modseq, b.created_modseq,"
    " b.recent_uid, b.messages, b.unseen, b.deleted, b.size, b.floor, b.special_use, b.keywords"
)
_HOME = (
    "SELECT id, modseq, used, quota, messages, max_messages, max_mailboxes FROM account"
    " WHERE id = ?"
)
_FIND = f"SELECT {_BOX} FROM mailbox b WHERE b.account = ? AND b.id = ?"
_ALL = f"SELECT {_BOX} FROM mailbox b WHERE b.account = ?"
_SAVE_HOME = "UPDATE account SET modseq = ?, used = ?, messages = ? WHERE id = ?"
_SAVE = """
    UPDATE mailbox SET uidnext = ?, highest_modseq = ?, recent_uid = ?, messages = ?, unseen = ?,
    deleted = ?, size = ?, floor = ?, keywords = ? WHERE account = ? AND id = ?
"""
_INSERT = "INSERT INTO mailbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INHERIT = (
    "INSERT INTO access SELECT a.account, ?, a.identifier, a.rights FROM mailbox b"
    " JOIN access a ON a.account = b.account AND a.mailbox = b.id"
    " WHERE b.account = ? AND b.name = ?"
)
_DROP = "DELETE FROM blob WHERE id = ? AND refs <= ? RETURNING size, file"
_SUBSCRIBED = "SELECT 1 FROM subscription WHERE account = ? AND name = ?"


@dataclass(slots=True)
class Home:
    """The numbers of an account's row that mail changes."""

    id: int
    modseq: int
    used: int
    quota: int
    messages: int
    max_messages: int
    max_mailboxes: int
    stamped: bool = False

    def stamp(self) -> int:
        """The account's modseq of this operation: one, however often it is asked for."""
        if not self.stamped:
            self.stamped = True
            self.modseq += 1
        return self.modseq

    def no_room(self, size: int, count: int) -> Refusal | None:
        """Why so many octets in so many messages do not fit."""
        return rules.no_room(self.quota, self.used + size, self.max_messages, self.messages + count)


@dataclass(slots=True)
class Box:
    """A mailbox's row, in the order of its columns."""

    account: int
    id: int
    name: str
    uidvalidity: int
    uidnext: int
    highest_modseq: int
    created_modseq: int
    recent_uid: int
    messages: int
    unseen: int
    deleted: int
    size: int
    floor: int
    special_use: str
    keywords: list[str]
    reserved: int = 0
    """UIDs promised within this operation and not given out yet; no column."""

    def value(self, subscribed: bool) -> Mailbox:
        """As the rest of the house knows it."""
        return Mailbox(
            account=self.account,
            id=self.id,
            name=self.name,
            uidvalidity=self.uidvalidity,
            uidnext=self.uidnext,
            highest_modseq=self.highest_modseq,
            created_modseq=self.created_modseq,
            recent_uid=self.recent_uid,
            messages=self.messages,
            unseen=self.unseen,
            deleted=self.deleted,
            size=self.size,
            subscribed=subscribed,
            special_use=self.special_use,
            keywords=tuple(self.keywords),
            object_id=rules.object_id(self.id),
        )


@dataclass(slots=True)
class Tx:
    """The open transaction and what is to happen once it is committed."""

    db: apsw.Connection
    ids: Ids
    now: float
    changes: list[Change] = field(default_factory=list)
    forget: set[int] = field(default_factory=set)
    """Accounts whose cached row is no longer true."""
    learned: set[int] = field(default_factory=set)
    """Accounts whose filter knows other words now."""
    forget_all: bool = False
    """The directory changed."""
    files: list[str] = field(default_factory=list)
    """Bodies to remove."""
    kept: list[object] = field(default_factory=list)
    """Bodies that rows name now."""
    _homes: dict[int, Home] = field(default_factory=dict)

    def all(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.db.execute(sql, values).fetchall()

    def one(self, sql: str, values: Any = ()) -> tuple[Any, ...] | None:
        """The first row of a query."""
        cursor = self.db.execute(sql, values)
        row = cursor.fetchone()
        cursor.close()
        return row

    def taken(self, address: str, *tables: str) -> bool:
        """Whether an account, alias or list, or a row of just these tables, has the address."""
        sql = "SELECT 1 FROM {} WHERE address = ?"
        names = tables or ("account", "alias", "list")
        return any(self.one(sql.format(name), (address,)) is not None for name in names)

    def home(self, account: int) -> Home | None:
        """The account's numbers, the same object for the whole operation."""
        home = self._homes.get(account)
        if home is None:
            row = self.one(_HOME, (account,))
            if row is None:
                return None
            home = self._homes[account] = Home(*row)
        return home

    def box(self, account: int, mailbox: int) -> Box | None:
        """A mailbox's row; the caller saves what it changes."""
        row = self.one(_FIND, (account, mailbox))
        return None if row is None else read_box(row)

    def boxes(self, account: int) -> list[Box]:
        """All of an account, by id."""
        return [read_box(row) for row in self.all(_ALL, (account,))]

    def new_box(self, home: Home, name: str, use: str = "") -> Box:
        """Make a mailbox; the name was checked."""
        number = self.ids.take(self.db, "mailbox")
        validity = self.ids.uidvalidity(self.db, self.now)
        modseq = home.stamp()
        box = Box(home.id, number, name, validity, 1, modseq, modseq, 1, 0, 0, 0, 0, 0, use, [])
        self.db.execute(
            _INSERT,
            (home.id, number, name, validity, 1, modseq, modseq, 1, 0, 0, 0, 0, 0, use, ""),
        )
        above = name.rpartition(SEPARATOR)[0]
        if above:  # RFC 4314 §4: a new mailbox has the access list of its parent
            self.db.execute(_INHERIT, (number, home.id, above))
        return box

    def subscribed(self, box: Box) -> bool:
        return self.one(_SUBSCRIBED, (box.account, box.name)) is not None

    def value(self, box: Box) -> Mailbox:
        return box.value(self.subscribed(box))

    def save(self, home: Home, *boxes: Box) -> None:
        """Write the numbers back."""
        self.db.execute(_SAVE_HOME, (home.modseq, home.used, home.messages, home.id))
        self.forget.add(home.id)
        for box in boxes:
            self.db.execute(_SAVE, _saved(box))

    def save_each(self, pairs: Sequence[tuple[Home | None, Box]]) -> None:
        """The same for a mailbox each of many accounts."""
        homes = {home.id: home for home, _ in pairs if home is not None}
        self.db.executemany(
            _SAVE_HOME, [(h.modseq, h.used, h.messages, h.id) for h in homes.values()]
        )
        self.db.executemany(_SAVE, [_saved(box) for _, box in pairs])
        self.forget.update(homes)

    def bury(self, box: Box, modseq: int, runs: Iterable[tuple[int, int]]) -> None:
        """Leave tombstones for runs of UIDs."""
        self.db.executemany(
            "INSERT INTO tombstone VALUES (?, ?, ?, ?, ?, ?)",
            [(box.account, box.id, modseq, low, high, self.now) for low, high in runs],
        )

    def release(self, ids: Sequence[int]) -> int:
        """Drop one reference for each entry of ``ids``; octets freed by the last ones."""
        dropped: dict[int, int] = {}
        for blob in ids:
            dropped[blob] = dropped.get(blob, 0) + 1
        freed = 0
        gone = []
        for blob, count in dropped.items():
            row = self.one(_DROP, (blob, count))
            if row is None:
                self.db.execute("UPDATE blob SET refs = refs - ? WHERE id = ?", (count, blob))
                continue
            freed += row[0]
            gone.append((blob,))
            if row[1]:
                self.files.append(row[1])
        if gone:
            self.db.executemany("DELETE FROM facts WHERE blob = ?", gone)
            self.db.executemany("DELETE FROM body WHERE blob = ?", gone)
        return freed


def _saved(box: Box) -> tuple[object, ...]:
    """The values of ``_SAVE``."""
    return (
        box.uidnext, box.highest_modseq, box.recent_uid, box.messages, box.unseen, box.deleted,
        box.size, box.floor, " ".join(box.keywords), box.account, box.id,
    )  # fmt: skip


def read_box(row: Sequence[Any]) -> Box:
    """From the columns of ``_BOX``."""
    *others, keywords = row
    return Box(*[*others, keywords.split()])


BOX_COLUMNS = _BOX
