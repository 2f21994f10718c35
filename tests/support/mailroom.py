"""A memory store on a bus with open mailboxes: what tests of ``mailbox`` and the doors stand on."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.bus.local import LocalBus
from pillarbox.mailbox.intake import whole
from pillarbox.mailbox.ops import Ops
from pillarbox.mailbox.view import View
from pillarbox.mailbox.views import Views
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.flags import NO_FLAGS, FlagSet
from pillarbox.model.mailbox import Mailbox
from pillarbox.store.api import Appended, Target
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock

MIDSUMMER = 1_718_888_400
"""2024-06-20 13:00:00 UTC."""


@dataclass
class Room:
    """Everything wired together, with one account."""

    store: MemoryStore
    bus: LocalBus
    views: Views
    ops: Ops
    account: int
    clock: FakeClock

    async def box(self, name: str = "INBOX") -> Mailbox:
        found = await self.store.mailbox_by_name(self.account, name)
        assert found is not None
        return found

    async def put(
        self,
        data: bytes,
        name: str = "INBOX",
        flags: FlagSet = NO_FLAGS,
        internaldate: int = MIDSUMMER,
        zone: int = 0,
    ) -> int:
        """Deliver a message; its UID."""
        box = await self.box(name)
        message = await whole(self.store, data)
        target = Target(self.account, box.id, flags, internaldate, zone)
        (result,) = await self.store.accept(message, [target])
        assert isinstance(result, Appended)
        return result.uid

    async def fill(self, n: int, name: str = "INBOX", flags: FlagSet = NO_FLAGS) -> list[int]:
        return [await self.put(simple(number), name, flags) for number in range(1, n + 1)]

    async def view(
        self, name: str = "INBOX", session: str = "s", *, read_only: bool = False
    ) -> View:
        box = await self.box(name)
        view = await self.views.open(self.account, box.id, session=session, read_only=read_only)
        assert view is not None
        return view


async def room(*, inline_limit: int = 128 * 1024) -> Room:
    bus = LocalBus()
    clock = FakeClock(float(MIDSUMMER))
    store = MemoryStore(bus.publish, clock, inline_limit=inline_limit)
    await store.set_domain(Domain("example.test"))
    made = await store.add_account("ann@example.test", Credentials(""))
    assert isinstance(made, Account)
    return Room(store, bus, Views(store, bus), Ops(store), made.id, clock)


def simple(number: int) -> bytes:
    """A small message that says its number."""
    return (
        f"From: Sender {number} <s{number}@example.test>\r\nTo: ann@example.test\r\n"
        f"Subject: Message {number}\r\nDate: Thu, 20 Jun 2024 12:00:00 +0000\r\n"
        f"Message-ID: <m{number}@example.test>\r\n\r\nText of message {number}.\r\n"
    ).encode("ascii")
