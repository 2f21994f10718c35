"""A memory store with people in it, and messages to give them."""

from __future__ import annotations

from pillarbox.base.clock import Clock
from pillarbox.model.account import Account, Alias, Credentials, Domain
from pillarbox.model.address import Address
from pillarbox.model.transaction import Envelope, Local, Peer, Recipient, Role, Route, Sender
from pillarbox.store.api import Content, Facts, NewMessage, Store
from pillarbox.store.memory import MemoryStore

NOBODY_LOGS_IN = Credentials("")


async def house(*names: str, clock: Clock | None = None, quota: int = 0) -> MemoryStore:
    """A store with the domain example.test and an account for each name."""
    store = MemoryStore(clock=clock)
    await store.set_domain(Domain("example.test"))
    for name in names:
        made = await store.add_account(f"{name}@example.test", NOBODY_LOGS_IN, quota=quota)
        assert isinstance(made, Account)
    return store


async def account(store: Store, name: str) -> Account:
    """The account of ``name``@example.test, as it is now."""
    found = await store.account_by_address(f"{name}@example.test")
    assert found is not None
    return found


async def alias(store: Store, name: str, *targets: str) -> None:
    """``name``@example.test leads to ``targets`` (names, or whole addresses)."""
    full = tuple(one if "@" in one else f"{one}@example.test" for one in targets)
    assert await store.set_alias(Alias(f"{name}@example.test", full)) is None


async def new_message(store: Store, text: bytes = b"Subject: x\r\n\r\nhello\r\n") -> NewMessage:
    """A message with made-up facts: for rooms that only pass it on."""
    staging = store.stage(len(text))
    staging.write(text)
    return NewMessage(await staging.finish(), Facts(b"(E)", b"(B)", b"", b""))


def envelope(
    *recipients: Recipient,
    sender: str = "ann@elsewhere.test",
    role: Role = Role.MX,
    at: float = 1_700_000_000.0,
) -> Envelope:
    """An envelope as a door makes it; ``sender`` '' is the null reverse-path."""
    local, _, domain = sender.rpartition("@")
    return Envelope(
        Sender(Address(local, domain) if sender else None),
        recipients,
        role,
        Peer("192.0.2.1", helo="mx.elsewhere.test"),
        at,
        id="trace",
    )


def recipient(name: str, *routes: Route) -> Recipient:
    """``name``@example.test with its routes."""
    return Recipient(Address(name, "example.test"), routes)


def local(account: Account, **more: str) -> Local:
    """The route into an account."""
    return Local(account.id, account.address, **more)


class Counted:
    """A content that knows how often it was given up."""

    def __init__(self, inner: Content) -> None:
        self._inner = inner
        self.given_up = 0

    @property
    def size(self) -> int:
        return self._inner.size

    def view(self) -> memoryview:
        return self._inner.view()

    def discard(self) -> None:
        self.given_up += 1
