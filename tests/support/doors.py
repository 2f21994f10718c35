"""Doors on free loopback ports over a memory store: rooms together, without configuration."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from pillarbox.auth.login import Authenticator
from pillarbox.auth.login import Options as LoginOptions
from pillarbox.auth.passwords import CHEAP, Passwords
from pillarbox.auth.sendas import SendAs
from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import ConnectionIds, Rng, SystemRng
from pillarbox.base.lanes import Lane
from pillarbox.bus.local import LocalBus
from pillarbox.delivery.accept import Acceptor
from pillarbox.delivery.route import Router
from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.filtering import Filtering
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.site import Site
from pillarbox.mailbox.intake import Intake, whole
from pillarbox.mailbox.ops import Ops
from pillarbox.mailbox.pop3 import Maildrops
from pillarbox.mailbox.views import Views
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Role, Route
from pillarbox.net.certs import make_demo_ca
from pillarbox.net.contexts import KeyPair, ServerTls
from pillarbox.net.listen import Door, Handler, Listener
from pillarbox.net.sockets import bind_tcp
from pillarbox.serve.imap.door import imap_door
from pillarbox.serve.imap.options import Needs as ImapNeeds
from pillarbox.serve.imap.options import Options as ImapOptions
from pillarbox.serve.pop3.door import pop3_door
from pillarbox.serve.pop3.options import Needs as Pop3Needs
from pillarbox.serve.pop3.options import Options as Pop3Options
from pillarbox.serve.smtp.options import Needs, Options
from pillarbox.serve.smtp.session import Session
from pillarbox.store.api import NewMessage, Store
from pillarbox.store.memory import MemoryStore
from pillarbox.wire.smtp.options import Options as EngineOptions
from support.apart import open_apart, processes

PASSWORD = "correct horse"


@dataclass
class Rooms:
    """What all doors share."""

    store: Store
    bus: LocalBus
    lane: Lane
    passwords: Passwords
    authenticator: Authenticator
    tls: ServerTls
    ca: Path
    domain: str = "example.test"
    clock: SystemClock = field(default_factory=SystemClock)
    rng: SystemRng = field(default_factory=SystemRng)
    listeners: list[Listener] = field(default_factory=list)
    maildrops: Maildrops = field(init=False)

    def __post_init__(self) -> None:
        self.maildrops = Maildrops(self.store)

    async def account(self, name: str, password: str = PASSWORD, **more: object) -> Account:
        """A new account ``name``@``domain``."""
        made = await self.passwords.make(password)
        assert isinstance(made, Credentials)
        account = await self.store.add_account(f"{name}@{self.domain}", made, **more)  # type: ignore[arg-type]
        assert isinstance(account, Account)
        return account

    async def open(
        self, name: str, handler: Handler, *, implicit: bool = False, tls: bool = True
    ) -> int:
        """Open a door; its port. ``tls`` False: it has no certificate."""
        door = Door(name, handler, self.tls if tls else None, implicit)
        sockets = bind_tcp("127.0.0.1", 0)
        listener = Listener(door, sockets, ids=ConnectionIds(self.clock, self.rng))
        await listener.start()
        self.listeners.append(listener)
        return listener.addresses[0].port

    async def smtp(
        self, role: Role, *, implicit: bool = False, login_timeout: float = 60.0, **more: object
    ) -> int:
        """Open an SMTP door of a role; ``more`` are engine options."""
        engine = EngineOptions("mail.example.test", role, **more)  # type: ignore[arg-type]
        options = Options(engine, login_timeout=login_timeout)
        needs = Needs(
            Router(self.store),
            Acceptor(self.store, self.clock),
            self.authenticator,
            SendAs(self.store),
            lambda expected, binary: Intake(self.store, expected=expected, binary=binary),
            self.clock,
            self.rng,
            queued=lambda: None,
        )
        return await self.open(
            role.value, lambda conn: Session(conn, options, needs).run(), implicit=implicit
        )

    async def imap(
        self, *, implicit: bool = False, tls: bool = True, options: ImapOptions | None = None
    ) -> int:
        """Open an IMAP door."""
        needs = ImapNeeds(
            self.store,
            Ops(self.store),
            Views(self.store, self.bus),
            self.authenticator,
            lambda expected, binary: Intake(self.store, expected=expected, binary=binary),
            self.clock,
            options or ImapOptions(),
            filtering=self._filtering(),
        )
        return await self.open("imap", imap_door(needs), implicit=implicit, tls=tls)

    def _filtering(self) -> Filtering:
        """FILTER's scripts; ``global`` has one named ``seen``."""
        router = Router(self.store)

        async def route(address: Address) -> tuple[Route, ...] | Reply:
            return await router.route(address, Role.LOCAL)

        async def message(octets: bytes) -> NewMessage:
            return await whole(self.store, octets)

        shared = {"seen": b'require "imap4flags"; addflag "\\\\Seen";'}
        hands = Hands(self.store, Site(shared=shared), route, message, self.clock, self.rng)
        return Filtering(self.store, Chain(self.store, self.clock), hands)

    async def pop3(self, *, implicit: bool = False, tls: bool = True, **more: object) -> int:
        """Open a POP3 door; ``more`` are its options."""
        options = Pop3Options(hostname=f"mail.{self.domain}", **more)  # type: ignore[arg-type]
        needs = Pop3Needs(self.maildrops, self.authenticator, self.clock, options)
        return await self.open("pop3", pop3_door(needs), implicit=implicit, tls=tls)


@contextlib.asynccontextmanager
async def rooms(
    directory: Path,
    *people: str,
    store: Store | None = None,
    bus: LocalBus | None = None,
    domain: str = "example.test",
    rng: Rng | None = None,
    login: LoginOptions | None = None,
) -> AsyncIterator[Rooms]:
    """Rooms with a domain and these accounts; everything is stopped afterwards.

    ``bus``: what a given store publishes to. ``rng`` and ``login`` are for log-in alone. Where
    houses are to have several processes, these are the rooms of one that does not write.
    """
    clock = SystemClock()
    rng = rng or SystemRng()
    bus = bus or LocalBus()
    if store is None and processes() > 1:
        store = await open_apart(Path(tempfile.mkdtemp(dir=directory)), bus.publish, clock)
    store = store or MemoryStore(bus.publish, clock)
    lane = Lane("crypto")
    passwords = Passwords(lane, rng, CHEAP)
    ca, certificate, key = make_demo_ca(["localhost", "127.0.0.1", "mail.example.test"])
    for name, text in (("ca.pem", ca), ("cert.pem", certificate), ("key.pem", key)):
        (directory / name).write_bytes(text)
    tls = ServerTls([KeyPair(directory / "cert.pem", directory / "key.pem")])
    authenticator = Authenticator(
        store, passwords, clock=clock, rng=rng, secret=rng.bytes(32), options=login
    )
    made = Rooms(store, bus, lane, passwords, authenticator, tls, directory / "ca.pem", domain)
    try:
        await store.set_domain(Domain(domain))
        for name in people:
            await made.account(name)
        yield made
    finally:
        for listener in made.listeners:
            await listener.close(grace=1)
        await lane.close()
        await store.close()
