"""Operations on domains, accounts and aliases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pillarbox.app.admin.rooms import (
    Call,
    Value,
    account_of,
    address_of,
    credentials_for,
    domain_of,
    granted,
)
from pillarbox.base.errors import Misuse
from pillarbox.delivery.circles import circle
from pillarbox.model.account import Account, Alias, Domain, DomainKind, Pop3Mode
from pillarbox.outbound.relays import read_relay
from pillarbox.wire.imap.capability import ROWS


async def domain_add(
    call: Call, name: str, catchall: str = "", relay: str = "", backup: bool = False
) -> Value:
    """Serve a domain, or change who gets what nobody else does and where its mail ends: here, at
    ``relay``, or with ``backup`` at its better mail hosts."""
    target = address_of(catchall).normal() if catchall else ""
    if sum(map(bool, (target, relay, backup))) > 1:
        raise Misuse("a domain has a catch-all here, or a relay, or is backed up")
    if relay:
        try:
            read_relay(relay)
        except ValueError as error:
            hint = "write host:port, smtps://host or lmtp://host:port"
            raise Misuse(str(error), hint=hint) from None
    kind = DomainKind.RELAY if relay else DomainKind.BACKUP if backup else DomainKind.LOCAL
    domain = Domain(domain_of(name), target, kind, relay)
    await call.store.set_domain(domain)
    return _domain(domain)


async def domain_list(call: Call) -> Value:
    """Every domain with how many accounts and aliases it has."""
    domains = await call.store.domains()
    names = [account.address for account in await call.store.accounts()]
    aliases = [alias.address for alias in await call.store.aliases()]
    return {
        "domains": [
            _domain(domain)
            | {
                "accounts": sum(name.endswith("@" + domain.name) for name in names),
                "aliases": sum(name.endswith("@" + domain.name) for name in aliases),
            }
            for domain in domains
        ]
    }


async def domain_remove(call: Call, name: str) -> Value:
    """Stop serving a domain that nobody lives in."""
    domain = domain_of(name)
    granted(await call.store.remove_domain(domain), f"domain {domain}")
    return {"name": domain}


def _domain(domain: Domain) -> Value:
    return {
        "name": domain.name,
        "catchall": domain.catchall,
        "kind": domain.kind.value,
        "relay": domain.hop,
    }


async def account_add(
    call: Call,
    address: str,
    password: str,
    quota: int = 0,
    pop3: str = "delete",
    display_name: str = "",
) -> Value:
    """A new account with the usual mailboxes."""
    name = address_of(address).normal()
    domain = name.rpartition("@")[2]
    if await call.store.domain(domain) is None:
        raise Misuse(
            f"the domain {domain} is not served here", hint=f"first: pillarbox domain add {domain}"
        )
    made = await call.store.add_account(
        name,
        await credentials_for(call.rooms, password),
        quota=quota,
        pop3=_pop3(pop3),
        display_name=display_name,
    )
    return _account(granted(made, name))


_PAGE = 500
"""Accounts of one answer: a few milliseconds, in which nobody else is served."""


async def account_list(call: Call, domain: str = "", after: str = "") -> Value:
    """Accounts behind ``after``, or those of them in a domain; ``next`` is where to go on, empty at
    the end."""
    accounts = await call.store.accounts(after, _PAGE)
    following = accounts[-1].address if len(accounts) == _PAGE else ""
    if domain:
        end = "@" + domain_of(domain)
        accounts = [account for account in accounts if account.address.endswith(end)]
    return {"accounts": [_account(account) for account in accounts], "next": following}


async def account_passwd(call: Call, address: str, password: str) -> Value:
    """Another password. Whoever is logged in by the old one is cut off."""
    account = await account_of(call.store, address)
    await call.store.set_credentials(account.id, await credentials_for(call.rooms, password))
    await call.rooms.end_sessions(account.id)
    return {"address": account.address}


async def account_set(
    call: Call,
    address: str,
    quota: int | None = None,
    pop3: str | None = None,
    enabled: bool | None = None,
    display_name: str | None = None,
    max_messages: int | None = None,
    max_mailboxes: int | None = None,
    admin: bool | None = None,
    hour_limit: int | None = None,
    day_limit: int | None = None,
    imap_mask: list[str] | None = None,
) -> Value:
    """Change what is given, leave the rest."""
    account = await account_of(call.store, address)
    changed = replace(
        account,
        max_messages=account.max_messages if max_messages is None else max_messages,
        max_mailboxes=account.max_mailboxes if max_mailboxes is None else max_mailboxes,
        admin=account.admin if admin is None else admin,
        hour_limit=account.hour_limit if hour_limit is None else hour_limit,
        day_limit=account.day_limit if day_limit is None else day_limit,
        quota=account.quota if quota is None else quota,
        pop3=account.pop3 if pop3 is None else _pop3(pop3),
        enabled=account.enabled if enabled is None else enabled,
        masked=account.masked if imap_mask is None else _mask(imap_mask),
        display_name=account.display_name if display_name is None else display_name,
    )
    granted(await call.store.change_account(changed), account.address)
    if not changed.enabled:
        await call.rooms.end_sessions(account.id)
    return _account(changed)


async def account_remove(call: Call, address: str) -> Value:
    """The account with all its mail, for good."""
    account = await account_of(call.store, address)
    granted(await call.store.remove_account(account.id), account.address)
    await call.rooms.end_sessions(account.id)
    return {"address": account.address}


def _account(account: Account) -> Value:
    return {
        "address": account.address,
        "enabled": account.enabled,
        "used": account.used,
        "quota": account.quota,
        "messages": account.messages,
        "max_messages": account.max_messages,
        "max_mailboxes": account.max_mailboxes,
        "admin": account.admin,
        "pop3": account.pop3.value,
        "imap_mask": sorted(account.masked),
        "display_name": account.display_name,
        "forward": list(account.forward),
        "keep_copy": account.keep_copy,
        "hour_limit": account.hour_limit,
        "day_limit": account.day_limit,
    }


def _mask(names: list[str]) -> frozenset[str]:
    """IMAP capabilities that an account is not offered."""
    unknown = [name for name in names if name not in ROWS or name == "IMAP4rev1"]
    if unknown:
        raise Misuse(
            f"no capabilities that can be masked: {', '.join(unknown)}",
            hint="docs/imap-capabilities.md lists them",
        )
    return frozenset(names)


def _pop3(word: str) -> Pop3Mode:
    try:
        return Pop3Mode(word)
    except ValueError:
        words = ", ".join(mode.value for mode in Pop3Mode)
        raise Misuse(f"pop3 must be one of {words}, not {word!r}") from None


async def alias_add(call: Call, address: str, targets: list[str]) -> Value:
    """Lead an address to others; replaces where it led before."""
    name = address_of(address).normal()
    if not targets:
        raise Misuse(f"where does {name} lead?", hint="name one or more addresses")
    alias = Alias(name, tuple(dict.fromkeys(address_of(target).normal() for target in targets)))
    await _no_circle(call, name, alias.targets)
    granted(await call.store.set_alias(alias), name)
    return _alias(alias)


async def _no_circle(call: Call, name: str, targets: Sequence[str]) -> None:
    way = await circle(call.store, name, targets)
    if way:
        raise Misuse(f"that would be a circle: {' leads to '.join(way)}")


async def account_forward(
    call: Call,
    address: str,
    targets: list[str] | None = None,
    keep_copy: bool | None = None,
) -> Value:
    """Send an account's mail on to ``targets``, none for no more; show it when nothing is given."""
    account = await account_of(call.store, address)
    changed = account
    if targets is not None:
        goals = tuple(dict.fromkeys(address_of(target).normal() for target in targets))
        await _no_circle(call, account.address, goals)
        changed = replace(account, forward=goals)
    if keep_copy is not None:
        changed = replace(changed, keep_copy=keep_copy)
    if changed != account:
        granted(await call.store.change_account(changed), account.address)
    return {
        "address": account.address,
        "forward": list(changed.forward),
        "keep_copy": changed.keep_copy,
    }


async def alias_list(call: Call) -> Value:
    """Every alias and where it leads."""
    return {"aliases": [_alias(alias) for alias in await call.store.aliases()]}


async def alias_remove(call: Call, address: str) -> Value:
    """Forget an alias."""
    name = address_of(address).normal()
    granted(await call.store.remove_alias(name), name)
    return {"address": name}


def _alias(alias: Alias) -> Value:
    return {"address": alias.address, "targets": list(alias.targets)}
