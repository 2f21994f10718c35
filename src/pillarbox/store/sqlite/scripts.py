"""Scripts and marks: rows."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.scripts import Mark, StoredScript
from pillarbox.store.sqlite.cache import Cache
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

_MARK = """
    INSERT INTO mark VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET until = max(until, excluded.until)
"""


class SqliteScripts:
    """See ``scripts.Scripts``."""

    reader: Reader
    writer: WriteLane
    cache: Cache

    async def scripts(self, account: int) -> list[StoredScript]:
        rows = self.reader.all(
            "SELECT name, length(source), active FROM script WHERE account = ? ORDER BY name",
            (account,),
        )
        return [StoredScript(name, size, bool(active)) for name, size, active in rows]

    async def script(self, account: int, name: str) -> bytes | None:
        sql = "SELECT source FROM script WHERE account = ? AND name = ?"
        row = self.reader.row(sql, (account, name))
        return row[0] if row else None

    async def active_script(self, account: int) -> tuple[str, bytes] | None:
        return self.cache.scripts.of(account, self._active)

    def _active(self, account: int) -> tuple[str, bytes] | None:
        sql = "SELECT name, source FROM script WHERE account = ? AND active = 1"
        row = self.reader.row(sql, (account,))
        return (row[0], row[1]) if row else None

    async def put_script(self, account: int, name: str, source: bytes) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            if (refused := _room(tx, account, name, len(source))) is not None:
                return refused
            tx.db.execute(
                "INSERT INTO script VALUES (?, ?, ?, 0)"
                " ON CONFLICT DO UPDATE SET source = excluded.source",
                (account, name, source),
            )
            return None

        return await self._rewrite(run)

    async def script_room(self, account: int, name: str, size: int) -> Refusal | None:
        return await self.writer.do(lambda tx: _room(tx, account, name, size))

    async def rename_script(self, account: int, name: str, new: str) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            if not _exists(tx, account, name):
                return rules.NO_SCRIPT
            if _exists(tx, account, new):
                return rules.SCRIPT_EXISTS
            tx.db.execute(
                "UPDATE script SET name = ? WHERE account = ? AND name = ?", (new, account, name)
            )
            return None

        return await self._rewrite(run)

    async def remove_script(self, account: int, name: str) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            key = (account, name)
            row = tx.one("SELECT active FROM script WHERE account = ? AND name = ?", key)
            if row is None:
                return rules.NO_SCRIPT
            if row[0]:
                return rules.SCRIPT_ACTIVE
            tx.db.execute("DELETE FROM script WHERE account = ? AND name = ?", key)
            return None

        return await self.writer.do(run)

    async def activate_script(self, account: int, name: str) -> Refusal | None:
        def run(tx: Tx) -> Refusal | None:
            if name and not _exists(tx, account, name):
                return rules.NO_SCRIPT
            tx.db.execute("UPDATE script SET active = name = ? WHERE account = ?", (name, account))
            return None

        return await self._rewrite(run)

    async def _rewrite(self, run: Callable[[Tx], Refusal | None]) -> Refusal | None:
        """Write, and have every process forget the account's active script."""

        def change(tx: Tx) -> Refusal | None:
            tx.forget_all = True
            return run(tx)

        return await self.writer.do(change)

    async def marked(self, account: int, keys: Collection[bytes], now: float) -> set[bytes]:
        sql = "SELECT 1 FROM mark WHERE account = ? AND key = ? AND until > ?"
        return {key for key in keys if self.reader.row(sql, (account, key, now))}


def _exists(tx: Tx, account: int, name: str) -> bool:
    sql = "SELECT 1 FROM script WHERE account = ? AND name = ?"
    return tx.one(sql, (account, name)) is not None


def _room(tx: Tx, account: int, name: str, size: int) -> Refusal | None:
    if tx.home(account) is None:
        return rules.NO_ACCOUNT
    rows = tx.all("SELECT name, length(source) FROM script WHERE account = ?", (account,))
    return rules.script_room(dict(rows), name, size)


def is_marked(tx: Tx, one: Mark) -> bool:
    """Whether it is remembered at the time of this transaction."""
    sql = "SELECT 1 FROM mark WHERE account = ? AND key = ? AND until > ?"
    return tx.one(sql, (one.account, one.key, tx.now)) is not None


def mark(tx: Tx, one: Mark) -> None:
    """Remember; for the longer of two times."""
    if tx.home(one.account) is not None:
        tx.db.execute(_MARK, (one.account, one.key, one.until))
