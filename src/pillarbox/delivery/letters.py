"""Letters of the house itself to people who run it: something waits for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.message import compose
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Peer, Recipient, Role, Route, Sender
from pillarbox.store.api import NewItem, NewMessage

log = Logger("delivery")

RouteTo = Callable[[Address], Awaitable[tuple[Route, ...] | Reply]]
MakeMessage = Callable[[bytes], Awaitable[NewMessage]]
Letter = tuple[NewMessage, NewItem]


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes them; keeping them is for the caller."""

    route: RouteTo
    make_message: MakeMessage
    clock: Clock
    rng: Rng
    hostname: str

    async def to(self, address: Address, subject: str, lines: Sequence[str]) -> list[Letter]:
        """One letter, or none where the address leads nowhere."""
        routes = await self.route(address)
        if isinstance(routes, Reply):
            log.warning("letter.nobody", to=str(address), subject=subject, reply=str(routes))
            return []
        now = self.clock.now()
        shown = str(address if address.domain else Address(address.local, self.hostname))
        fields = [
            compose.address_field("From", [("Pillarbox", f"postmaster@{self.hostname}")]),
            compose.address_field("To", [("", shown)]),
            compose.field("Subject", subject),
            compose.date_field(datetime.fromtimestamp(now, UTC)),
            compose.raw_field("Message-ID", f"<{self.rng.token(20)}@{self.hostname}>".encode()),
            compose.raw_field("Auto-Submitted", b"auto-generated"),  # RFC 3834 §5
        ]
        raw = compose.message(fields, compose.text("\r\n".join([*lines, ""])))
        envelope = Envelope(
            Sender(None, smtputf8=not raw.isascii()),
            (Recipient(address, routes, notify=frozenset({"NEVER"})),),
            Role.LOCAL,
            Peer("", helo=self.hostname, protocol="LOCAL"),
            now,
            id=self.rng.token(16),
        )
        item = NewItem(envelope, [(0, r) for r in range(len(routes))], due=now)
        return [(await self.make_message(raw), item)]
