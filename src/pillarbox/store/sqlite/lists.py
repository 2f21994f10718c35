"""Lists, suppressions and how much each account sends: rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from pillarbox.model.lists import Cause, MailingList, Member, Others, Post, RewriteFrom, Suppressed
from pillarbox.model.refusal import Refusal
from pillarbox.model.sending import Hour, Sending, Sent
from pillarbox.store import rules
from pillarbox.store.lists import MAX_MEMBERS
from pillarbox.store.sqlite.cache import Cache
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_LIST = "id, address, title, post, others, rewrite_from"
_MEMBER = "id, list, address, owner"
_SUPPRESSED = "owner, address, cause, at, detail"
_COUNT = """
    UPDATE sent_hour SET recipients = recipients + ?, failures = failures + ?
    WHERE account = ? AND start = ? RETURNING 1
"""
_HOUR_ROW = "INSERT INTO sent_hour (recipients, failures, account, start) VALUES (?, ?, ?, ?)"
_SEEN = """
    INSERT INTO sent_network VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last
"""
_HOUR, _NETWORK, _ALARM = range(3)
_SENDING = f"""
    SELECT {_HOUR}, start, recipients, failures FROM sent_hour WHERE account = ?1
    UNION ALL SELECT {_NETWORK}, network, first, last FROM sent_network WHERE account = ?1
    UNION ALL SELECT {_ALARM}, at, 0, 0 FROM sent_alarm WHERE account = ?1
"""
_start = attrgetter("start")
_LIGHT = 50
"""Members that are written in one turn of the loop."""


class SqliteLists:
    """See ``lists.Lists``, ``lists.Suppressions`` and ``lists.Senders``."""

    reader: Reader
    writer: WriteLane
    cache: Cache

    async def lists(self) -> list[MailingList]:
        rows = self.reader.all(f"SELECT {_LIST} FROM list ORDER BY address")
        return [_list(row) for row in rows]

    async def list_at(self, address: str) -> MailingList | None:
        return self.cache.lists.of(address, self._list_at)

    def _list_at(self, address: str) -> MailingList | None:
        try:
            row = self.reader.row(f"SELECT {_LIST} FROM list WHERE address = ?", (address,))
        except UnicodeEncodeError:  # lone surrogates: bytes that were no text
            return None
        return _list(row) if row else None

    async def add_list(self, new: MailingList) -> MailingList | Refusal:
        domain = rules.domain_of(new.address)

        def run(tx: Tx) -> MailingList | Refusal:
            tx.forget_all = True
            if not domain:
                return rules.NOT_AN_ADDRESS
            if tx.one("SELECT 1 FROM domain WHERE name = ?", (domain,)) is None:
                return rules.NO_DOMAIN
            if tx.taken(new.address):
                return rules.ADDRESS_TAKEN
            row = (tx.ids.take(tx.db, "list"), new.address, *_settings(new))
            tx.db.execute("INSERT INTO list VALUES (?, ?, ?, ?, ?, ?)", row)
            return _list(row)

        return await self.writer.do(run)

    async def change_list(self, changed: MailingList) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            tx.forget_all = True
            if not _exists(tx, changed.id):
                return rules.NO_LIST
            tx.db.execute(
                "UPDATE list SET title = ?, post = ?, others = ?, rewrite_from = ? WHERE id = ?",
                (*_settings(changed), changed.id),
            )
            return None

        return await self.writer.do(run)

    async def remove_list(self, number: int) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            tx.forget_all = True
            row = tx.one("SELECT address FROM list WHERE id = ?", (number,))
            if row is None:
                return rules.NO_LIST
            tx.db.execute("DELETE FROM list WHERE id = ?", (number,))
            tx.db.execute("DELETE FROM member WHERE list = ?", (number,))
            tx.db.execute("DELETE FROM suppression WHERE owner = ?", row)
            return None

        return await self.writer.do(run)

    async def members(self, number: int) -> list[Member]:
        async with self.reader.snapshot() as db:
            sql = f"SELECT {_MEMBER} FROM member WHERE list = ? ORDER BY address"
            rows: list[Any] = await self.reader.slice(lambda: db.execute(sql, (number,)).fetchall())
        return [_member(row) for row in rows]

    async def member(self, member: int) -> tuple[MailingList, Member] | None:
        row = self.reader.row(f"SELECT {_MEMBER} FROM member WHERE id = ?", (member,))
        if row is None:
            return None
        found = self.reader.row(f"SELECT {_LIST} FROM list WHERE id = ?", (row[1],))
        return (_list(found), _member(row)) if found else None

    async def set_members(
        self, number: int, members: Iterable[tuple[str, bool]]
    ) -> list[Member] | Refusal:
        wanted = dict(members)

        def run(tx: Tx) -> list[Member] | Refusal:
            tx.forget_all = True
            if not _exists(tx, number):
                return rules.NO_LIST
            if not all(map(rules.domain_of, wanted)):
                return rules.NOT_AN_ADDRESS
            there = dict(tx.all("SELECT address, id FROM member WHERE list = ?", (number,)))
            if len(there.keys() | wanted.keys()) > MAX_MEMBERS:
                return rules.TOO_MANY_MEMBERS
            done = []
            for address, owner in wanted.items():
                member = there.get(address) or tx.ids.take(tx.db, "member")
                done.append(Member(member, number, address, owner))
                tx.db.execute(
                    "INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?)",
                    (number, address, member, owner),
                )
            return done

        return await self.writer.do(run, aside=len(wanted) > _LIGHT)

    async def remove_member(self, number: int, address: str) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            tx.forget_all = True
            key = (number, address)
            if tx.one("SELECT 1 FROM member WHERE list = ? AND address = ?", key) is None:
                return rules.NO_MEMBER
            tx.db.execute("DELETE FROM member WHERE list = ? AND address = ?", key)
            return None

        return await self.writer.do(run)

    async def suppressed(self, owner: str, address: str) -> Suppressed | None:
        sql = f"SELECT {_SUPPRESSED} FROM suppression WHERE owner = ? AND address = ?"
        row = self.reader.row(sql, (owner, address))
        return _suppressed(row) if row else None

    async def suppressions(self, owner: str = "") -> list[Suppressed]:
        sql = (
            f"SELECT {_SUPPRESSED} FROM suppression WHERE :o = '' OR owner = :o"
            " ORDER BY owner, address"
        )
        async with self.reader.snapshot() as db:
            rows: list[Any] = await self.reader.slice(
                lambda: db.execute(sql, {"o": owner}).fetchall()
            )
        return [_suppressed(row) for row in rows]

    async def suppress(self, entries: Sequence[Suppressed]) -> None:
        def run(tx: Tx) -> None:
            for new in entries:
                key = (new.owner, new.address)
                sql = f"SELECT {_SUPPRESSED} FROM suppression WHERE owner = ? AND address = ?"
                row = tx.one(sql, key)
                kept = rules.suppression(_suppressed(row) if row else None, new)
                tx.db.execute(
                    "INSERT OR REPLACE INTO suppression VALUES (?, ?, ?, ?, ?)",
                    (*key, kept.cause.value, kept.at, kept.detail),
                )

        await self.writer.do(run, aside=len(entries) > _LIGHT)

    async def unsuppress(self, owner: str, address: str) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            key = (owner, address)
            if tx.one("SELECT 1 FROM suppression WHERE owner = ? AND address = ?", key) is None:
                return rules.NOT_SUPPRESSED
            tx.db.execute("DELETE FROM suppression WHERE owner = ? AND address = ?", key)
            return None

        return await self.writer.do(run)

    async def sending(self, account: int) -> Sending:
        hours: list[Hour] = []
        networks: list[tuple[str, float, float]] = []
        alarmed = 0.0
        for kind, first, second, third in self.reader.all(_SENDING, (account,)):
            if kind == _HOUR:
                hours.append(Hour(first, second, third))
            elif kind == _NETWORK:
                networks.append((first, second, third))
            else:
                alarmed = first
        return Sending(tuple(sorted(hours, key=_start)), tuple(sorted(networks)), alarmed)

    async def count_sent(self, sent: Sent) -> None:
        await self.writer.do(lambda tx: count_sent(tx, sent))

    async def set_alarmed(self, account: int, at: float) -> None:
        def run(tx: Tx) -> None:
            if tx.home(account) is not None:
                tx.db.execute("INSERT OR REPLACE INTO sent_alarm VALUES (?, ?)", (account, at))

        await self.writer.do(run)


def count_sent(tx: Tx, sent: Sent) -> None:
    """``Senders.count_sent`` inside a transaction. What is too old goes with each new hour."""
    start = rules.hour_of(sent.at)
    counts = (sent.recipients, sent.failures, sent.account, start)
    if tx.one(_COUNT, counts) is None and not _begin_hour(tx, sent, counts):
        return
    if sent.network:
        tx.db.execute(_SEEN, (sent.account, sent.network, sent.at, sent.at))


def _begin_hour(tx: Tx, sent: Sent, counts: tuple[int, int, int, float]) -> bool:
    """The row of an hour that has none; False where the account has gone."""
    if tx.home(sent.account) is None:
        return False
    old = (sent.account, rules.forgotten(sent.at))
    tx.db.execute("DELETE FROM sent_hour WHERE account = ? AND start <= ?", old)
    tx.db.execute("DELETE FROM sent_network WHERE account = ? AND last <= ?", old)
    if sent.recipients or sent.failures:
        tx.db.execute(_HOUR_ROW, counts)
    return True


def _exists(tx: Tx, number: int) -> bool:
    return tx.one("SELECT 1 FROM list WHERE id = ?", (number,)) is not None


def _settings(one: MailingList) -> tuple[str, str, str, str]:
    return one.title, one.post.value, one.others.value, one.rewrite_from.value


def _list(row: Sequence[Any]) -> MailingList:
    number, address, title, post, others, rewrite = row
    return MailingList(number, address, title, Post(post), Others(others), RewriteFrom(rewrite))


def _member(row: Sequence[Any]) -> Member:
    number, list_, address, owner = row
    return Member(number, list_, address, bool(owner))


def _suppressed(row: Sequence[Any]) -> Suppressed:
    owner, address, cause, at, detail = row
    return Suppressed(owner, address, Cause(cause), at, detail)
