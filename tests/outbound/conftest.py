"""A sender, other people's servers on 127.0.0.x, and a DNS from a table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import SystemRng
from pillarbox.dns.answers import Mx, Record
from pillarbox.model.address import Address
from pillarbox.model.transaction import Envelope, Recipient, Remote, Role, Sender
from pillarbox.model.transaction import Peer as From
from pillarbox.model.verdict import UNJUDGED, Verdict
from pillarbox.net.certs import DemoCa
from pillarbox.net.contexts import ClientTls, KeyPair, ServerTls
from pillarbox.outbound.connect import Tools
from pillarbox.outbound.letter import unsigned
from pillarbox.outbound.options import Options
from pillarbox.outbound.paths import Finder
from pillarbox.outbound.pool import Pool
from pillarbox.outbound.remote import RemoteTransport, nowhere
from pillarbox.policy.tlsrpt import TlsResult
from pillarbox.queue.report import Report
from pillarbox.store.api import NewItem
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.dns import FakeResolver
from pillarbox.wire.smtp.options import DEFAULT_EXTENSIONS, Extension
from pillarbox.wire.smtp.options import Options as EngineOptions
from support.peers import Peer, peers
from support.people import new_message

BODY = b"Return-Path: <x@y>\r\nSubject: hi\r\n\r\nhello\r\n.dot\r\n"


@dataclass
class World:
    """``peers[n]`` listens on 127.0.0.(n+1), host mx(n+1).far.test."""

    peers: list[Peer]
    resolver: FakeResolver
    ca: DemoCa
    options: Options
    store: MemoryStore
    chain: list[bytes] = field(default_factory=list)
    """What the servers show: their certificate, and their authority's."""
    results: list[TlsResult] = field(default_factory=list)
    policies: Any = None
    sign: Any = unsigned
    role: Role = Role.SUBMISSION
    onward: Any = nowhere
    forward: Any = lambda sender, here: sender  # noqa: ARG005
    verdict: Verdict = UNJUDGED
    clock: Any = field(default_factory=SystemClock)
    _pool: Pool | None = None

    @property
    def transport(self) -> RemoteTransport:
        if self._pool is None:
            tools = Tools(self.options, ClientTls(ca=self.ca.pem), self.clock, SystemRng())
            self._pool = Pool(tools)
        finder = Finder(self.options, self.resolver, SystemRng(), self.policies)
        return RemoteTransport(
            self.store,
            finder,
            self._pool,
            sign=self.sign,
            tally=self.results.append,
            forward=self.forward,
            onward=self.onward,
        )

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def send(
        self,
        *to: str,
        body: bytes = BODY,
        sender: Sender | None = None,
        notify: Sequence[str] = (),
        via: str = "",
    ) -> list[Report]:
        """One attempt at one message; ``via``: an address of ours that leads to all of ``to``."""
        people = tuple(
            Recipient(Address(*(via or one).rsplit("@", 1)), (Remote(one),), frozenset(notify))
            for one in to
        )
        sender = sender or Sender(Address("ann", "example.test"))
        env = Envelope(sender, people, self.role, From("192.0.2.1"), 0.0, "trace", self.verdict)
        message = await new_message(self.store, body)
        item = NewItem(env, [(n, 0) for n in range(len(to))], due=0.0)
        await self.store.accept(message, [], item)
        queued = (await self.store.queue_items())[-1]
        return list(await self.transport.attempt(queued, queued.recipients))


Make = Callable[..., Any]


@pytest.fixture
def far(tmp_path: Path) -> Make:
    """``async with far(zone) as world``; more words are engine options of the servers."""

    @asynccontextmanager
    async def make(
        extra: dict[tuple[str, str], Sequence[Record]] | None = None,
        *,
        servers: int = 2,
        tls: bool = False,
        without: Sequence[Extension] = (),
        secure: Sequence[str] = (),
        names: Sequence[str] | None = None,
        **engine: Any,
    ) -> AsyncIterator[World]:
        ca = DemoCa()
        pair, chain = None, []
        hosts = [f"mx{n + 1}.far.test" for n in range(servers)]
        if tls:
            certificate, key = ca.issue(names or hosts)
            # DANE-TA wants the anchor in the chain (RFC 7672 §3.1.2)
            chain = [certificate.partition(b"-----END CERTIFICATE-----\n")[0], ca.pem]
            chain[0] += b"-----END CERTIFICATE-----\n"
            (tmp_path / "c.pem").write_bytes(b"".join(chain))
            (tmp_path / "k.pem").write_bytes(key)
            pair = ServerTls([KeyPair(tmp_path / "c.pem", tmp_path / "k.pem")])
        extensions = (DEFAULT_EXTENSIONS | ({Extension.STARTTLS} if tls else set())) - set(without)
        wire = EngineOptions("mx.far.test", extensions=frozenset(extensions))
        wire = replace(wire, **engine)
        zone: dict[tuple[str, str], Sequence[Record]] = {
            ("far.test", "MX"): [Mx(10 * n, host) for n, host in enumerate(hosts, 1)],
            **{(host, "A"): [f"127.0.0.{n}"] for n, host in enumerate(hosts, 1)},
            **(extra or {}),
        }
        async with peers([f"127.0.0.{n + 1}" for n in range(servers)], wire, pair) as up:
            options = Options("mail.example.test", port=up[0].port, loopback=True, idle=5.0)
            resolver = FakeResolver(zone, secure=secure)
            world = World(up, resolver, ca, options, MemoryStore(), chain)
            try:
                yield world
            finally:
                await world.close()

    return make
