"""A memory house whose people have scripts, and what becomes of their mail."""

from __future__ import annotations

from dataclasses import dataclass, field

from pillarbox.base.ids import SeededRng
from pillarbox.delivery.accept import Acceptor, Result
from pillarbox.delivery.local import LocalTransport
from pillarbox.delivery.route import Options as RouteOptions
from pillarbox.delivery.route import Router
from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.planner import Planner
from pillarbox.delivery.sieve.site import Site
from pillarbox.mailbox.intake import whole
from pillarbox.model.address import Address
from pillarbox.model.flags import flag_names
from pillarbox.model.numset import NumSet
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Recipient, Role, Route
from pillarbox.model.verdict import UNJUDGED, Verdict
from pillarbox.store.api import Column, NewMessage, QueueItem
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from support.people import account, envelope, house

MAIL = (
    b"From: Wile <wile@desert.test>\r\nTo: ann@example.test\r\nSubject: Beep\r\n"
    b"Message-ID: <m1@desert.test>\r\n\r\nMeep.\r\n"
)


@dataclass
class SieveHouse:
    """People of example.test. ``run`` works off local queue items."""

    store: MemoryStore
    clock: FakeClock
    planner: Planner
    acceptor: Acceptor
    router: Router
    traces: int = 0
    replies: list[Reply] = field(default_factory=list)

    async def script(self, who: str, source: str, name: str = "main") -> None:
        """Make a script active."""
        person = await account(self.store, who)
        assert await self.store.put_script(person.id, name, source.encode()) is None
        assert await self.store.activate_script(person.id, name) is None

    async def message(self, octets: bytes) -> NewMessage:
        return await whole(self.store, octets)

    async def recipient(self, address: str, **more: object) -> Recipient:
        """As RCPT would route it."""
        local, _, domain = address.rpartition("@")
        found = await self.router.route(Address(local, domain), Role.LOCAL)
        assert not isinstance(found, Reply), found
        return Recipient(Address(local, domain), found, **more)  # type: ignore[arg-type]

    async def send(
        self,
        *to: str,
        mail: bytes = MAIL,
        sender: str = "wile@desert.test",
        queue: bool = True,
        trace: str = "",
        verdict: Verdict = UNJUDGED,
    ) -> Result:
        """One transaction from outside."""
        self.traces += 1
        recipients = [await self.recipient(one) for one in to]
        made = envelope(*recipients, sender=sender, at=self.clock.now())
        made = Envelope(
            *(made.sender, made.recipients, made.role, made.peer, made.received_at),
            id=trace or f"trace{self.traces}",
            verdict=verdict,
        )
        return await self.acceptor.accept(made, await self.message(mail), queue=queue)

    async def boxes(self, who: str) -> dict[str, int]:
        """Messages by mailbox, empty ones left out."""
        person = await account(self.store, who)
        found = await self.store.mailboxes(person.id)
        return {box.name: box.messages for box in found if box.messages}

    async def mail(self, who: str, name: str = "INBOX") -> list[bytes]:
        """The messages of a mailbox."""
        person = await account(self.store, who)
        box = await self.store.mailbox_by_name(person.id, name)
        assert box is not None
        rows = self.store.rows(person.id, box.id, NumSet([(1, 2**32 - 1)]), [Column.BLOB])
        return [await self.store.read(blob) async for batch in rows for (blob,) in batch]  # type: ignore[arg-type]

    async def flags(self, who: str, name: str = "INBOX") -> list[list[str]]:
        """Their flags."""
        person = await account(self.store, who)
        box = await self.store.mailbox_by_name(person.id, name)
        assert box is not None
        loaded = await self.store.load(person.id, box.id)
        assert loaded is not None
        words = loaded.box.keywords
        return [sorted(flag_names(bits, words)) for bits in loaded.flags]

    async def queued(self) -> list[tuple[QueueItem, bytes]]:
        """What waits, with its octets."""
        items = await self.store.queue_items()
        return [(item, await self.store.read(item.blob)) for item in items]

    async def goals(self) -> list[tuple[str, str]]:
        """Sender and goal of all that waits."""
        return [
            (str(item.envelope.sender.address or ""), route.address)
            for item, _ in await self.queued()
            for one in item.envelope.recipients
            for route in one.routes
        ]

    def transport(self) -> LocalTransport:
        return LocalTransport(self.store, self.acceptor, self.message)


async def sieve_house(*names: str, site: Site | None = None, quota: int = 0) -> SieveHouse:
    """With accounts of these names."""
    clock = FakeClock()
    store = await house(*names, clock=clock, quota=quota)
    router = Router(store, RouteOptions(remote=True))

    async def route(address: Address) -> tuple[Route, ...] | Reply:
        return await router.route(address, Role.LOCAL)

    async def message(octets: bytes) -> NewMessage:
        return await whole(store, octets)

    hands = Hands(store, site or Site(), route, message, clock, SeededRng())
    planner = Planner(Chain(store, clock), hands)
    return SieveHouse(store, clock, planner, Acceptor(store, clock, scripted=planner), router)
