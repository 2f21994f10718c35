"""Which sender addresses an account may use (RFC 6409 §6.1).

Its own, with any ``+detail``; every alias that leads to it; what the configuration adds; and, for
whoever receives a domain's catch-all, the names in that domain that are nobody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pillarbox.model.account import Account
from pillarbox.model.address import Address, normal_domain, parse_address
from pillarbox.store.api import Directory


@dataclass(frozen=True, slots=True)
class Options:
    """``extra``: by account address, further addresses in normal form, or ``@domain`` for all of
    a domain."""

    extra: Mapping[str, frozenset[str]] = field(default_factory=dict)
    detail_separator: str = "+"
    max_lookups: int = 1000
    """Aliases followed for one question."""


class SendAs:
    """Asks the directory; changes nothing."""

    def __init__(self, directory: Directory, options: Options | None = None) -> None:
        self._directory = directory
        self._options = options or Options()

    def is_own(self, account: Account, sender: Address | None) -> bool:
        """Whether it is the account's own address, with any detail: nobody has to be asked. None,
        the null reverse-path, is everybody's: receipts and other automatic answers come so
        (RFC 8098 §3)."""
        return sender is None or account.address in self._names(sender)

    def _names(self, sender: Address) -> set[str]:
        """Normal forms with and without detail."""
        base, _ = sender.without_detail(self._options.detail_separator)
        return {sender.normal(), base.normal()}

    async def allows(self, account: Account, sender: Address | None) -> bool:
        """May ``account`` write as ``sender``?"""
        if sender is None or self.is_own(account, sender):
            return True
        base, _ = sender.without_detail(self._options.detail_separator)
        names = self._names(sender)
        extra = self._options.extra.get(account.address, frozenset())
        if names & extra or f"@{normal_domain(sender.domain)}" in extra:
            return True
        for name in names:
            if await self._leads_to(name, account.address):
                return True
        return await self._catches(account, base)

    async def _leads_to(self, name: str, goal: str) -> bool:
        """Does the alias ``name``, followed through further aliases, reach ``goal``?"""
        seen = {name}
        pending = [name]
        lookups = 0
        while pending and lookups < self._options.max_lookups:
            lookups += 1
            alias = await self._directory.alias(pending.pop())
            for target in alias.targets if alias else ():
                found = self._plain(target)
                if goal in found:
                    return True
                pending += found - seen
                seen |= found
        return False

    def _plain(self, target: str) -> set[str]:
        """An alias target with and without its detail, in normal form."""
        address = parse_address(target)
        if address is None:
            return set()
        base, _ = address.without_detail(self._options.detail_separator)
        return {address.normal(), base.normal()}

    async def _catches(self, account: Account, sender: Address) -> bool:
        """Is ``account`` the catch-all of the sender's domain, and the name free?"""
        domain = await self._directory.domain(normal_domain(sender.domain))
        if (
            domain is None
            or not domain.catchall
            or account.address not in self._plain(domain.catchall)
        ):
            return False
        name = sender.normal()
        return (
            await self._directory.account_by_address(name) is None
            and await self._directory.alias(name) is None
        )
