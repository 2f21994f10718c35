"""What the operations work on, and how they say no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pillarbox.app.channel import Body, Sink
from pillarbox.app.internet import THE_INTERNET, Internet
from pillarbox.auth.passwords import Defect, Passwords
from pillarbox.base.clock import Clock
from pillarbox.base.errors import Misuse
from pillarbox.base.lanes import Lane
from pillarbox.config.schema import Config
from pillarbox.mailbox.indexer import Indexer
from pillarbox.model.account import Account, Credentials
from pillarbox.model.address import Address, normal_domain, parse_address
from pillarbox.model.mailbox import Mailbox, canonical_name, name_defect
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.outbound.dmarcreports import DmarcReports
from pillarbox.outbound.tlsreports import TlsReports
from pillarbox.policy.dkim.ring import KeyRing
from pillarbox.store.api import Store

Value = dict[str, Any]
T = TypeVar("T")

_HINTS = {
    Kind.OVER_QUOTA: "give the account more room: pillarbox account set ADDRESS --quota SIZE",
    Kind.IN_USE: "remove its accounts and aliases first",
}


async def _nobody_is_here(account: int) -> None:
    """Without server there is no session to end."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms behind the operations."""

    store: Store
    passwords: Passwords
    lane: Lane
    """For what would block the loop: scanning, hashing."""
    indexer: Indexer
    clock: Clock
    about: Callable[[], Awaitable[Value]]
    """What the process knows about itself; nothing where no server runs."""
    wake_queue: Callable[[], None]
    keys: KeyRing
    """That mail is signed with."""
    config: Config
    internet: Internet = THE_INTERNET
    tls_reports: TlsReports | None = None
    """None where no mail leaves."""
    dmarc_reports: DmarcReports | None = None
    """None where nobody is told."""

    end_sessions: Callable[[int], Awaitable[None]] = _nobody_is_here
    """Cuts every connection that an account is logged in over."""

    @property
    def hostname(self) -> str:
        """Under which this server is known to others."""
        return self.config.server.hostname


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: the rooms, and the octets that go along."""

    rooms: Rooms
    body: Body
    sink: Sink

    @property
    def store(self) -> Store:
        return self.rooms.store


def granted(value: T | Refusal | None, what: str) -> T:
    """The result of a store's method; a refusal becomes Misuse, saying ``what`` was asked."""
    if isinstance(value, Refusal):
        raise Misuse(f"{what}: {value.text}", hint=_HINTS.get(value.kind, ""))
    return value  # type: ignore[return-value]  # None only where T is None


def address_of(text: str) -> Address:
    """An address as typed. Raises Misuse."""
    parsed = parse_address(text)
    if parsed is None:
        raise Misuse(f"{text!r} is not a mail address", hint="write it as ann@example.org")
    return parsed


def domain_of(text: str) -> str:
    """A domain's normal form. Raises Misuse."""
    name = normal_domain(text.strip().removeprefix("@"))
    if not name or "@" in name or any(c.isspace() for c in name) or len(name) > 253:
        raise Misuse(f"{text!r} is not a domain", hint="write it as example.org")
    return name


async def account_of(store: Store, text: str) -> Account:
    """The account with this address. Raises Misuse."""
    name = address_of(text).normal()
    account = await store.account_by_address(name)
    if account is None:
        raise Misuse(f"there is no account {name}", hint="see: pillarbox account list")
    return account


async def mailbox_of(store: Store, account: Account, name: str) -> Mailbox:
    """The mailbox with this name. Raises Misuse."""
    box = await store.mailbox_by_name(account.id, canonical_name(name))
    if box is None:
        raise Misuse(f"{account.address} has no mailbox {name}")
    return box


async def mailbox_made(store: Store, account: Account, name: str) -> Mailbox:
    """The mailbox with this name, made and subscribed if need be. Raises Misuse."""
    name = canonical_name(name)
    defect = name_defect(name)
    if defect is not None:
        raise Misuse(f"{name!r} cannot be a mailbox: {defect}")
    box = await store.mailbox_by_name(account.id, name)
    if box is None:
        box = granted(await store.create_mailbox(account.id, name), f"mailbox {name}")
        await store.subscribe(account.id, name, True)
    return box


async def credentials_for(rooms: Rooms, password: str) -> Credentials:
    """What is kept for a password. Raises Misuse for what cannot be one."""
    made = await rooms.passwords.make(password)
    if isinstance(made, Defect):
        raise Misuse(made.value)
    return made
