"""Where does this recipient lead? Asked once, at RCPT; the answer rides on the recipient.

The order is: a domain that is not ours; the account of that very address; an alias; a list; the
same without the ``+detail``; postmaster; the domain's catch-all. Aliases, and accounts that forward
their mail, lead on to further addresses. Each is visited once, so a loop ends by itself; one in
which nobody keeps the mail is refused.

Where it led before is remembered until the directory changes: most mail goes to few addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pillarbox.model.account import Account, DomainKind
from pillarbox.model.address import Address, normal_domain, normal_local, parse_address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Listed, Local, Part, Remote, Role, Route
from pillarbox.policy.srs import is_rewritten
from pillarbox.store.api import Directory
from pillarbox.store.lists import Lists


@dataclass(frozen=True, slots=True)
class Options:
    """How recipients are routed."""

    postmaster: str = ""
    """Address that gets mail for postmaster where no account or alias has that name; when empty,
    the oldest account of the domain, else of the house."""
    hostname: str = ""
    """The server's own name, which has a postmaster too: our reports come from there."""
    detail_separator: str = "+"
    """What sets off the detail of ``local+detail`` (RFC 5233)."""
    remote: bool = False
    """The house can send to other servers."""
    max_expansion: int = 1000
    """Most routes that one recipient may lead to through aliases."""


UNKNOWN = Reply(550, "5.1.1", "No such recipient here")
NO_SUCH_DOMAIN_HERE = Reply(550, "5.7.1", "Relaying denied: that domain is not served here")
BOUNCES_ONLY = Reply(550, "5.7.1", "That address takes bounces only, from the null sender")
NO_REMOTE_YET = Reply(
    550, "5.3.2", "This server does not send mail to other servers; only local recipients work"
)
DISABLED = Reply(550, "5.2.1", "That mailbox is disabled")
OVER_QUOTA = Reply(452, "4.2.2", "That mailbox is full; try again later")
IN_A_CIRCLE = Reply(550, "5.4.6", "That address leads back to itself and to nobody else")
NO_OWNER = Reply(550, "5.1.1", "That list has no owner who could be asked")
TOO_MANY_TARGETS = Reply(550, "5.4.6", "That alias leads to too many addresses")
NO_POSTMASTER = Reply(451, "4.3.5", "No account has been created here yet; try again later")

_WITH_TOKEN = frozenset({Part.UNSUBSCRIBE, Part.BOUNCES})
_MAY_RELAY = frozenset({Role.SUBMISSION, Role.LOCAL})

_REMEMBERED = 50_000
"""Routes of all addresses together; strangers choose the details behind the +."""

Found = tuple[Account | None, Route]
"""A route, with its account where it leads into this house."""


class Book(Directory, Lists, Protocol):
    """What of the store is asked."""


@dataclass(frozen=True, slots=True)
class _Hit:
    """Who has an address of ours: an account, what it or an alias leads to, a list."""

    account: Account | None = None
    targets: tuple[str, ...] = ()
    listed: Listed | None = None
    detail: str = ""
    """What was cut off the address."""


class Router:
    """Answers RCPT from the directory."""

    def __init__(
        self,
        directory: Book,
        options: Options | None = None,
        back: Callable[[Address], Address | None] = lambda address: None,  # noqa: ARG005
    ) -> None:
        """``back``: where mail to a sender that we rewrote goes (``policy.srs``)."""
        self._back = back
        self._directory = directory
        self._options = options or Options()
        self._edition = -1
        self._remembered: dict[tuple[str, str], tuple[Route, ...]] = {}
        self._weight = 0
        """Routes in ``_remembered``."""

    def known(self, address: Address) -> tuple[Route, ...] | None:
        """What ``route`` says of an address for whoever asks, where nothing has to be asked for
        it: it leads to people here or to others, none of them with a quota."""
        if self._edition != self._directory.edition():
            return None
        return self._remembered.get((address.local, address.domain))

    async def route(
        self, address: Address, role: Role, *, size: int | None = None, bounce: bool = True
    ) -> tuple[Route, ...] | Reply:
        """The routes of ``address``, or the reply that refuses it.

        ``size`` is what MAIL announced (octets) and lets a full mailbox refuse early. Only
        Role.SUBMISSION, which is authenticated, and Role.LOCAL, the house itself, may reach
        other servers. ``bounce``: the mail comes from the null sender. A sender that we rewrote
        takes no other: whoever gets forwarded mail has such addresses, for any goal they named
        as the sender, and could send through us.
        """
        found: list[Found] | Reply
        known = self.known(address)
        if known is not None:
            return known
        edition = self._directory.edition()
        if not address.domain:  # RFC 5321 §4.5.1: <postmaster> without a domain
            return await self._postmaster("")
        if not await self._is_ours(address):
            if self._is_host_postmaster(address):
                return await self._postmaster("")
            if role not in _MAY_RELAY:
                return NO_SUCH_DOMAIN_HERE
            return (Remote(str(address)),) if self._options.remote else NO_REMOTE_YET
        found = await self._expand(address)
        if found == []:
            original = self._back(address) if is_rewritten(address) else None
            if original is not None and not bounce:
                return BOUNCES_ONLY
            found = await self._fallback(address, original)
        elif not isinstance(found, Reply) and all(map(_lasting, found)):
            self._remember(address, tuple(route for _, route in found), edition)
        if isinstance(found, Reply):
            return found
        if not bounce and any(_takes_bounces(route) for _, route in found):
            return BOUNCES_ONLY
        return _usable(found, size)

    def _remember(self, address: Address, routes: tuple[Route, ...], edition: int) -> None:
        """``edition``: of the directory before it was asked."""
        if self._edition != edition or self._weight + len(routes) > _REMEMBERED:
            self._remembered.clear()
            self._weight = 0
            self._edition = edition
        key = address.local, address.domain
        self._weight += len(routes) - len(self._remembered.get(key, ()))
        self._remembered[key] = routes

    def _is_host_postmaster(self, address: Address) -> bool:
        """RFC 5321 §4.5.1: wherever this server is named."""
        named = bool(self._options.hostname) and address.local.lower() == "postmaster"
        return named and normal_domain(address.domain) == normal_domain(self._options.hostname)

    async def _is_ours(self, address: Address) -> bool:
        return await self._directory.domain(normal_domain(address.domain)) is not None

    async def _ends_elsewhere(self, address: Address) -> bool:
        """A domain that we stand in front of; who is nobody here is somebody there."""
        domain = await self._directory.domain(normal_domain(address.domain))
        return domain is not None and domain.kind is not DomainKind.LOCAL and self._options.remote

    async def _expand(self, address: Address) -> list[Found] | Reply:
        """Follow aliases and forwarding from ``address``; empty when nobody has that name."""
        out: list[Found] = []
        circle = False
        seen: set[str] = set()
        pending = [(address, "")]
        while pending:
            current, detail = pending.pop(0)
            if current.normal() in seen:
                circle = True
                continue
            seen.add(current.normal())
            if not await self._is_ours(current):
                if not self._options.remote:
                    return NO_REMOTE_YET
                out.append((None, Remote(str(current))))
                continue
            hit = await self._find(current)
            if hit == _Hit() and await self._ends_elsewhere(current):
                out.append((None, Remote(str(current))))
                continue
            detail = hit.detail or detail
            account, targets = hit.account, hit.targets
            if account is not None and (account.keep_copy or not targets):
                out.append((account, Local(account.id, account.address, detail=detail)))
            if hit.listed is not None:
                owners = await self._owners(hit.listed)
                if isinstance(owners, Reply):
                    return owners
                targets = owners
                if not owners:
                    out.append((None, hit.listed))
            pending += [(target, detail) for target in map(parse_address, targets) if target]
            if len(out) + len(pending) > self._options.max_expansion:
                return TOO_MANY_TARGETS
        return IN_A_CIRCLE if circle and not out else out

    async def _find(self, address: Address) -> _Hit:
        """Who has one address of ours."""
        base, detail = address.without_detail(self._options.detail_separator)
        for candidate, cut in ((address, ""), (base, detail)):
            name = candidate.normal()
            account = await self._directory.account_by_address(name)
            if account is not None:
                leads_on = account.forward if account.enabled else ()
                return _Hit(account, leads_on, detail=cut)
            alias = await self._directory.alias(name)
            if alias is not None:
                return _Hit(targets=alias.targets, detail=cut)
            if not detail:
                break
        return _Hit(listed=await self._listed(address))

    async def _listed(self, address: Address) -> Listed | None:
        """The list, and what of it, that an address means."""
        for listed in list_addresses(address):
            if await self._directory.list_at(listed.address) is not None:
                return listed
        return None

    async def _owners(self, listed: Listed) -> tuple[str, ...] | Reply:
        """Where mail to those who run a list goes; nobody for other mail to it."""
        if listed.part not in {Part.OWNER, Part.REQUEST}:
            return ()
        found = await self._directory.list_at(listed.address)
        members = await self._directory.members(found.id) if found else []
        return tuple(member.address for member in members if member.owner) or NO_OWNER

    async def _fallback(self, address: Address, original: Address | None) -> list[Found] | Reply:
        """A sender that was rewritten here, postmaster, the domain's catch-all, nobody."""
        if original is not None and self._options.remote:
            return await self._expand(original) or UNKNOWN
        base, _ = address.without_detail(self._options.detail_separator)
        name = normal_domain(address.domain)
        if base.local.lower() == "postmaster":  # RFC 5321 §4.5.1: in any case of letters
            return await self._postmaster_of(name)
        domain = await self._directory.domain(name)
        catchall = parse_address(domain.catchall) if domain and domain.catchall else None
        found = await self._expand(catchall) if catchall else []
        return found or UNKNOWN

    async def _postmaster(self, domain: str) -> tuple[Route, ...] | Reply:
        found = await self._postmaster_of(domain)
        return found if isinstance(found, Reply) else tuple(route for _, route in found)

    async def _postmaster_of(self, domain: str) -> list[Found] | Reply:
        """The configured postmaster, else the oldest account of the domain or the house."""
        configured = parse_address(self._options.postmaster)
        found = await self._expand(configured) if configured else []
        if found and not isinstance(found, Reply):
            return found
        accounts = sorted(await self._directory.accounts(), key=lambda account: account.id)
        usable = [account for account in accounts if account.enabled]
        there = [account for account in usable if account.address.endswith(f"@{domain}")]
        for account in (there or usable)[:1]:
            return [(account, Local(account.id, account.address))]
        return NO_POSTMASTER


def list_addresses(address: Address) -> Iterator[Listed]:
    """What an address would mean if there were lists: each, its list to be looked for."""
    local, plus, token = normal_local(address.local).partition("+")
    domain = normal_domain(address.domain)
    for part in Part:
        name = local.removesuffix(part.value)
        if name and local.endswith(part.value) and (not plus or part in _WITH_TOKEN):
            yield Listed(f"{name}@{domain}", part, token)


def _usable(found: list[Found], size: int | None) -> tuple[Route, ...] | Reply:
    """The routes that can take mail, or why none can.

    A full mailbox among several stays in: its copy waits in the queue, and the others are not
    refused because of it.
    """
    open_ones = [(account, route) for account, route in found if account is None or account.enabled]
    if not open_ones:
        return DISABLED
    if all(account is not None and _is_full(account, size) for account, _ in open_ones):
        return OVER_QUOTA
    return tuple(route for _, route in open_ones)


def _lasting(found: Found) -> bool:
    """It stays so until the directory changes, whoever asks: an account may be full tomorrow, and
    some addresses of a list take bounces only."""
    account, route = found
    if account is None:
        return isinstance(route, Remote)
    return account.enabled and not account.quota


def _takes_bounces(route: Route) -> bool:
    return isinstance(route, Listed) and route.part is Part.BOUNCES


def _is_full(account: Account, size: int | None) -> bool:
    return bool(account.quota) and account.used + (size or 1) > account.quota
