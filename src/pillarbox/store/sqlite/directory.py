"""Domains, accounts, aliases: rows, with the answers SMTP asks for again and again in memory.

There is one writer, in this process, so what is remembered is forgotten exactly when it changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from pillarbox.base.errors import Permanent
from pillarbox.model.account import Account, Alias, Credentials, Domain, DomainKind, Pop3Mode
from pillarbox.model.change import BoxCreated, BoxDeleted
from pillarbox.model.mailbox import DEFAULT_MAILBOXES
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.sqlite import journal
from pillarbox.store.sqlite.cache import Cache
from pillarbox.store.sqlite.reader import Reader
from pillarbox.store.sqlite.retention import clear_account
from pillarbox.store.sqlite.tx import Tx
from pillarbox.store.sqlite.writer import WriteLane

T = TypeVar("T")
_ACCOUNT = (
    "id, address, quota, used, pop3, enabled, masked, display_name, max_messages, messages,"
    " max_mailboxes, admin, forward, keep_copy, hour_limit, day_limit"
)
_SET_ACCOUNT = """
    UPDATE account SET quota = ?, pop3 = ?, enabled = ?, masked = ?, display_name = ?,
    max_messages = ?, max_mailboxes = ?, admin = ?, forward = ?, keep_copy = ?, hour_limit = ?,
    day_limit = ? WHERE id = ?
"""
_BESIDE_MAIL = (
    "credential", "mailbox", "subscription", "tombstone", "thread", "annotation", "access",
    "sent_hour", "sent_network", "sent_alarm", "script", "mark", "packed", "noted",
    "lore", "lore_word", "lesson",
)  # fmt: skip
_LIGHT_ACCOUNTS = 8


class SqliteDirectory:
    """See ``api.Directory``."""

    reader: Reader
    writer: WriteLane
    cache: Cache

    def edition(self) -> int:
        return self.cache.edition

    async def domains(self) -> list[Domain]:
        return [_domain(row) for row in self.reader.all("SELECT * FROM domain ORDER BY name")]

    async def set_domain(self, domain: Domain) -> None:
        def change(tx: Tx) -> None:
            row = (domain.name, domain.catchall, domain.kind.value, domain.hop)
            tx.db.execute("INSERT OR REPLACE INTO domain VALUES (?, ?, ?, ?)", row)

        await self._change(change)

    async def remove_domain(self, name: str) -> Refusal | None:
        def change(tx: Tx) -> Refusal | None:
            if not _exists(tx, "SELECT 1 FROM domain WHERE name = ?", name):
                return rules.NO_DOMAIN
            lives = "SELECT 1 FROM {} WHERE substr(address, -length(:end)) = :end"
            end = {"end": "@" + name}
            for table in ("account", "alias", "list"):
                if tx.one(lives.format(table), end) is not None:
                    return rules.DOMAIN_IN_USE
            tx.db.execute("DELETE FROM domain WHERE name = ?", (name,))
            return None

        return await self._change(change)

    async def domain(self, name: str) -> Domain | None:
        return self.cache.domains.of(name, self._domain)

    def _domain(self, name: str) -> Domain | None:
        row = self._look("SELECT * FROM domain WHERE name = ?", name)
        return _domain(row) if row else None

    async def accounts(self, after: str = "", limit: int | None = None) -> list[Account]:
        page = "WHERE address > ? ORDER BY address LIMIT ?"
        most = -1 if limit is None else limit  # SQLite's word for all
        rows = self.reader.all(f"SELECT {_ACCOUNT} FROM account {page}", (after, most))
        return [_account(row) for row in rows]

    async def account(self, account: int) -> Account | None:
        return self.cache.accounts.of(account, self._account)

    def _account(self, account: int) -> Account | None:
        row = self.reader.row(f"SELECT {_ACCOUNT} FROM account WHERE id = ?", (account,))
        return _account(row) if row else None

    async def account_by_address(self, address: str) -> Account | None:
        number = self.cache.addresses.of(address, self._address)
        return None if number is None else await self.account(number)

    def _address(self, address: str) -> int | None:
        row = self._look("SELECT id FROM account WHERE address = ?", address)
        return row[0] if row else None

    async def add_account(
        self,
        address: str,
        credentials: Credentials,
        *,
        quota: int = 0,
        pop3: Pop3Mode = Pop3Mode.DELETE,
        display_name: str = "",
    ) -> Account | Refusal:
        account = Account(0, address, quota=quota, pop3=pop3, display_name=display_name)
        return await self._change(lambda tx: _add(tx, account, credentials))

    async def add_accounts(
        self, accounts: Iterable[tuple[str, Credentials]]
    ) -> list[Account | Refusal]:
        wanted = list(accounts)
        return await self._change(
            lambda tx: [_add(tx, Account(0, address), c) for address, c in wanted],
            aside=len(wanted) > _LIGHT_ACCOUNTS,
        )

    async def change_account(self, account: Account) -> Refusal | None:
        def change(tx: Tx) -> Refusal | None:
            if tx.home(account.id) is None:
                return rules.NO_ACCOUNT
            tx.db.execute(_SET_ACCOUNT, (*_settings(account), account.id))
            return None

        return await self._change(change)

    async def remove_account(self, account: int) -> Refusal | None:
        def change(tx: Tx) -> Refusal | None:
            home = tx.home(account)
            if home is None:
                return rules.NO_ACCOUNT
            modseq = home.stamp()
            for box in tx.boxes(account):
                tx.changes.append(BoxDeleted(account, modseq, box.id, box.name))
            address = tx.all("SELECT address FROM account WHERE id = ?", (account,))[0][0]
            journal.account_removed(tx, account, address)
            _forget(tx, account)
            tx.db.execute("INSERT INTO leaving VALUES (?)", (account,))
            return None

        refused = await self._change(change, aside=True)
        if refused is None:
            await clear_account(self.writer, account)
        return refused

    async def credentials(self, account: int) -> Credentials | None:
        return self.cache.credentials.of(account, self._credentials)

    def _credentials(self, account: int) -> Credentials | None:
        row = self.reader.row("SELECT * FROM credential WHERE account = ?", (account,))
        return Credentials(*row[1:]) if row else None

    async def set_credentials(self, account: int, credentials: Credentials) -> None:
        def change(tx: Tx) -> None:
            if tx.home(account) is None:
                raise Permanent(f"there is no account {account}")
            _write_credentials(tx, account, credentials)
            tx.forget.add(account)

        await self.writer.do(change)

    async def aliases(self) -> list[Alias]:
        return [_alias(row) for row in self.reader.all("SELECT * FROM alias ORDER BY address")]

    async def alias(self, address: str) -> Alias | None:
        return self.cache.aliases.of(address, self._alias)

    def _alias(self, address: str) -> Alias | None:
        row = self._look("SELECT * FROM alias WHERE address = ?", address)
        return _alias(row) if row else None

    async def set_alias(self, alias: Alias) -> Refusal | None:
        def change(tx: Tx) -> Refusal | None:
            domain = rules.domain_of(alias.address)
            if not domain:
                return rules.NOT_AN_ADDRESS
            if not alias.targets:
                return rules.NO_ALIAS_TARGET
            if not _exists(tx, "SELECT 1 FROM domain WHERE name = ?", domain):
                return rules.NO_DOMAIN
            if tx.taken(alias.address, "account", "list"):
                return rules.ADDRESS_TAKEN
            tx.db.execute(
                "INSERT OR REPLACE INTO alias VALUES (?, ?)",
                (alias.address, json.dumps(alias.targets)),
            )
            return None

        return await self._change(change)

    async def remove_alias(self, address: str) -> Refusal | None:
        def change(tx: Tx) -> Refusal | None:
            if not _exists(tx, "SELECT 1 FROM alias WHERE address = ?", address):
                return rules.NO_ALIAS
            tx.db.execute("DELETE FROM alias WHERE address = ?", (address,))
            return None

        return await self._change(change)

    async def _change(self, change: Callable[[Tx], T], aside: bool = False) -> T:
        """A change of the directory: all that is remembered may be wrong after it."""

        def run(tx: Tx) -> T:
            tx.forget_all = True
            return change(tx)

        return await self.writer.do(run, aside=aside)

    def _look(self, sql: str, name: str) -> tuple[Any, ...] | None:
        """By a name that a stranger chose: what cannot be stored cannot be there."""
        try:
            return self.reader.row(sql, (name,))
        except UnicodeEncodeError:  # lone surrogates: bytes that were no text
            return None


def _exists(tx: Tx, sql: str, name: str) -> bool:
    return tx.one(sql, (name,)) is not None


def _account(row: Sequence[Any]) -> Account:
    number, address, quota, used, pop3, enabled, masked, name, *rest = row
    max_messages, messages, max_mailboxes, admin, forward, keep_copy, hour, day = rest
    return Account(
        id=number,
        address=address,
        quota=quota,
        used=used,
        pop3=Pop3Mode(pop3),
        enabled=bool(enabled),
        masked=frozenset(masked.split()),
        display_name=name,
        max_messages=max_messages,
        messages=messages,
        max_mailboxes=max_mailboxes,
        admin=bool(admin),
        forward=tuple(json.loads(forward)),
        keep_copy=bool(keep_copy),
        hour_limit=hour,
        day_limit=day,
    )


def _domain(row: tuple[Any, ...]) -> Domain:
    name, catchall, kind, hop = row
    return Domain(name, catchall, DomainKind(kind), hop)


def _settings(account: Account) -> tuple[int | str | bool, ...]:
    masked = " ".join(sorted(account.masked))
    return (
        account.quota,
        account.pop3.value,
        account.enabled,
        masked,
        account.display_name,
        account.max_messages,
        account.max_mailboxes,
        account.admin,
        json.dumps(account.forward),
        account.keep_copy,
        account.hour_limit,
        account.day_limit,
    )


def _alias(row: Sequence[Any]) -> Alias:
    return Alias(row[0], tuple(json.loads(row[1])))


def _add(tx: Tx, account: Account, credentials: Credentials) -> Account | Refusal:
    domain = rules.domain_of(account.address)
    if not domain:
        return rules.NOT_AN_ADDRESS
    if not _exists(tx, "SELECT 1 FROM domain WHERE name = ?", domain):
        return rules.NO_DOMAIN
    if tx.taken(account.address):
        return rules.ADDRESS_TAKEN
    number = tx.ids.take(tx.db, "account")
    tx.db.execute(
        "INSERT INTO account (id, address, modseq, used, quota, pop3, enabled, masked,"
        " display_name, max_messages, max_mailboxes, admin, forward, keep_copy, hour_limit,"
        " day_limit) VALUES (?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, account.address, *_settings(account)),
    )
    _write_credentials(tx, number, credentials)
    home = tx.home(number)
    assert home is not None  # noqa: S101  (inserted above)
    for name, use in DEFAULT_MAILBOXES:
        tx.db.execute("INSERT INTO subscription VALUES (?, ?)", (number, name))
        box = tx.new_box(home, name, use)
        tx.changes.append(BoxCreated(number, home.modseq, box.value(True)))
    tx.save(home)
    row = tx.one(f"SELECT {_ACCOUNT} FROM account WHERE id = ?", (number,))
    assert row is not None  # noqa: S101
    return _account(row)


def _forget(tx: Tx, account: int) -> None:
    """All rows of an account but its mail, and its name in the lists of others."""
    row = tx.one("SELECT address FROM account WHERE id = ?", (account,))
    for identifier in (row[0], "-" + row[0]) if row else ():
        tx.db.execute("DELETE FROM access WHERE identifier = ?", (identifier,))
        tx.db.execute("DELETE FROM suppression WHERE owner = ?", (identifier,))
    tx.db.execute("DELETE FROM account WHERE id = ?", (account,))
    tx.db.execute("DELETE FROM annotation WHERE user = ?", (account,))
    for table in _BESIDE_MAIL:
        tx.db.execute(f"DELETE FROM {table} WHERE account = ?", (account,))


def _write_credentials(tx: Tx, account: int, c: Credentials) -> None:
    tx.db.execute(
        "INSERT OR REPLACE INTO credential VALUES (?, ?, ?, ?, ?, ?)",
        (
            account,
            c.argon2,
            c.scram_salt,
            c.scram_iterations,
            c.scram_stored_key,
            c.scram_server_key,
        ),
    )
