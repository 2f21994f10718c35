"""Domains, accounts and aliases in dicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pillarbox.model.account import Account, Alias, Credentials, Domain, Pop3Mode
from pillarbox.model.change import BoxCreated, BoxDeleted, Change
from pillarbox.model.mailbox import DEFAULT_MAILBOXES
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.memory.state import Home, State
from pillarbox.store.telling import GONE_WITH_ACCOUNT


class MemoryDirectory:
    """See ``api.Directory``."""

    state: State

    def edition(self) -> int:
        return self.state.edition

    async def domains(self) -> list[Domain]:
        return [self.state.domains[name] for name in sorted(self.state.domains)]

    async def set_domain(self, domain: Domain) -> None:
        self.state.edition += 1
        self.state.domains[domain.name] = domain

    async def remove_domain(self, name: str) -> Refusal | None:
        if name not in self.state.domains:
            return rules.NO_DOMAIN
        living = [home.account.address for home in self.state.homes.values()]
        living += [one.address for one in self.state.lists.values()]
        if any(rules.domain_of(a) == name for a in [*living, *self.state.aliases]):
            return rules.DOMAIN_IN_USE
        self.state.edition += 1
        del self.state.domains[name]
        return None

    async def domain(self, name: str) -> Domain | None:
        return self.state.domains.get(name)

    async def accounts(self, after: str = "", limit: int | None = None) -> list[Account]:
        every = (_account(home) for home in self.state.homes.values())
        found = [account for account in every if account.address > after]
        return sorted(found, key=lambda account: account.address)[:limit]

    async def account(self, account: int) -> Account | None:
        home = self.state.homes.get(account)
        return _account(home) if home else None

    async def account_by_address(self, address: str) -> Account | None:
        for home in self.state.homes.values():
            if home.account.address == address:
                return _account(home)
        return None

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
        changes: list[Change] = []
        added = await self._add(account, credentials, changes)
        self.state.commit(changes)
        return added

    async def add_accounts(
        self, accounts: Iterable[tuple[str, Credentials]]
    ) -> list[Account | Refusal]:
        changes: list[Change] = []
        added = [await self._add(Account(0, a), c, changes) for a, c in accounts]
        self.state.commit(changes)
        return added

    async def _add(
        self, account: Account, credentials: Credentials, changes: list[Change]
    ) -> Account | Refusal:
        domain = rules.domain_of(account.address)
        if not domain:
            return rules.NOT_AN_ADDRESS
        if domain not in self.state.domains:
            return rules.NO_DOMAIN
        if self.state.taken(account.address):
            return rules.ADDRESS_TAKEN
        self.state.edition += 1
        self.state.last_account += 1
        home = Home(replace(account, id=self.state.last_account), credentials)
        self.state.homes[home.account.id] = home
        modseq = home.next_modseq()
        for name, use in DEFAULT_MAILBOXES:
            home.subscriptions.add(name)
            box = self.state.new_box(home, name, modseq, use)
            changes.append(BoxCreated(home.account.id, modseq, home.row(box)))
        return home.account

    async def change_account(self, account: Account) -> Refusal | None:
        home = self.state.homes.get(account.id)
        if home is None:
            return rules.NO_ACCOUNT
        self.state.edition += 1
        home.account = replace(account, address=home.account.address)
        return None

    async def remove_account(self, account: int) -> Refusal | None:
        home = self.state.homes.pop(account, None)
        if home is None:
            return rules.NO_ACCOUNT
        self.state.edition += 1
        modseq = home.next_modseq()
        changes: list[Change] = []
        for box in sorted(home.boxes.values(), key=lambda box: box.id):
            changes.append(BoxDeleted(account, modseq, box.id, box.name))
            for message in box.messages.values():
                self.state.release(message.blob)
        for kept in home.kept.values():
            self.state.release(kept.message.blob)
        gone = (account, GONE_WITH_ACCOUNT, home.account.address)
        self.state.book.deed("deleted", gone, NumSet(), "")
        self.state.forget_account(account, home.account.address)
        self.state.commit(changes)
        return None

    async def credentials(self, account: int) -> Credentials | None:
        home = self.state.homes.get(account)
        return home.credentials if home else None

    async def set_credentials(self, account: int, credentials: Credentials) -> None:
        self.state.home(account).credentials = credentials

    async def aliases(self) -> list[Alias]:
        return [self.state.aliases[address] for address in sorted(self.state.aliases)]

    async def alias(self, address: str) -> Alias | None:
        return self.state.aliases.get(address)

    async def set_alias(self, alias: Alias) -> Refusal | None:
        domain = rules.domain_of(alias.address)
        if not domain:
            return rules.NOT_AN_ADDRESS
        if not alias.targets:
            return rules.NO_ALIAS_TARGET
        if domain not in self.state.domains:
            return rules.NO_DOMAIN
        if alias.address not in self.state.aliases and self.state.taken(alias.address):
            return rules.ADDRESS_TAKEN
        self.state.edition += 1
        self.state.aliases[alias.address] = alias
        return None

    async def remove_alias(self, address: str) -> Refusal | None:
        self.state.edition += 1
        return None if self.state.aliases.pop(address, None) else rules.NO_ALIAS


def _account(home: Home) -> Account:
    return replace(home.account, used=home.used, messages=home.messages)
