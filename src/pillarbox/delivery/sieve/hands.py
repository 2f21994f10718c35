"""What making a plan takes from the house: places for mail, ways for letters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.delivery.sieve import letters
from pillarbox.delivery.sieve.answers import Known, by_id, by_use
from pillarbox.delivery.sieve.site import Site
from pillarbox.message.address import parse
from pillarbox.model.address import Address
from pillarbox.model.mailbox import Mailbox, canonical_name, name_defect
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.model.transaction import (
    Envelope,
    Local,
    Peer,
    Recipient,
    Remote,
    Role,
    Route,
    Sender,
)
from pillarbox.sieve.actions import FileInto
from pillarbox.store.api import NewItem, NewMessage

log = Logger("sieve")

RouteTo = Callable[[Address], Awaitable[tuple[Route, ...] | Reply]]
MakeMessage = Callable[[bytes], Awaitable[NewMessage]]


Onward = Callable[[str, int], Awaitable[Sent | Reply | None]]
"""Whether what a user submitted may go on to so many elsewhere, and how that is counted."""


async def uncounted(user: str, others: int) -> Sent | Reply | None:  # noqa: ARG001
    """Where nobody has limits."""
    return None


@dataclass(slots=True)
class Hands:
    """One for a house; ``site`` may be replaced while it runs."""

    store: Known
    site: Site
    route_to: RouteTo
    make: MakeMessage
    """A message that can be kept, of its octets."""
    clock: Clock
    rng: Rng
    onward: Onward = uncounted

    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock.now()

    def frame(self) -> letters.Frame:
        """For one letter."""
        return letters.Frame(self.site.hostname, self.clock.now(), self.rng.token(20))

    async def route(self, address: Address) -> tuple[Route, ...]:
        """Where mail to an address goes; nowhere if it is refused."""
        found = await self.route_to(address)
        if isinstance(found, Reply):
            log.info("sieve.no-route", address=str(address), reply=str(found))
            return ()
        return found

    async def author(self, given: str, account: int) -> str:
        """What a script says for From, or '' (the owner) where that is somebody else of this
        house, in whose name it would be signed (RFC 5230 §5.1, RFC 5436 §2.3)."""
        for one in parse(given.encode("utf-8", "replace"), 10):
            host = (one.host or b"").decode("utf-8", "replace")
            address = Address((one.mailbox or b"").decode("utf-8", "replace"), host)
            routes = await self.route(address)
            own = any(isinstance(way, Local) and way.account == account for way in routes)
            if not own and routes != (Remote(str(address)),):
                log.info("sieve.not-as", account=account, address=str(address))
                return ""
        return given

    def letter(
        self, to: Address, routes: tuple[Route, ...], octets: bytes, sender: Sender
    ) -> NewItem:
        """The queue item of something that the house wrote (RFC 5230 §5.1)."""
        now = self.clock.now()
        body = "7BIT" if octets.isascii() else "8BITMIME"
        envelope = Envelope(
            replace(sender, body=body, smtputf8=not to.is_ascii),
            (Recipient(to, routes, notify=frozenset({"NEVER"})),),
            Role.LOCAL,
            Peer("", helo=self.site.hostname, protocol="LOCAL"),
            now,
            id=self.rng.token(16),
        )
        return NewItem(envelope, [(0, r) for r in range(len(routes))], due=now)

    async def place(self, account: int, goal: FileInto, inbox: Mailbox | None) -> Mailbox | None:
        """The mailbox that a ``fileinto`` means; INBOX for one that is not there, so that no
        mail is lost for a name."""
        store = self.store
        if goal.mailbox_id and (box := await by_id(store, account, goal.mailbox_id)) is not None:
            return box
        if goal.special_use and (box := await by_use(store, account, goal.special_use)) is not None:
            return box
        name = canonical_name(goal.mailbox)
        box = await store.mailbox_by_name(account, name)
        if box is None and goal.create and not name_defect(name):
            made = await store.create_mailbox(account, name, goal.special_use)
            if isinstance(made, Mailbox):
                await store.subscribe(account, name, True)
                return made
            box = await store.mailbox_by_name(account, name)
        if box is None:
            log.info("sieve.no-mailbox", account=account, mailbox=goal.mailbox)
        return box or inbox
