"""Who is told what became of a message, and through which door.

A DSN goes to the envelope sender under the null reverse-path and is queued like any message; the
null sender itself is never answered (RFC 5321 §4.5.5), so reports cannot breed reports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Listed, Peer, Recipient, Role, Route, Sender
from pillarbox.queue.dsn import Fate, Frame, is_international, report
from pillarbox.queue.jobs import route_of
from pillarbox.queue.outcome import Policy, times
from pillarbox.queue.report import Debt
from pillarbox.queue.wishes import priority
from pillarbox.store.api import Blobs, NewItem, NewMessage, QueueItem

log = Logger("queue")

_MOST_RETURNED = 64 * 1024
"""Octets of the original that a report may carry; beyond, only the header goes back."""

RouteSender = Callable[[Address], Awaitable[tuple[Route, ...] | Reply]]
MakeMessage = Callable[[bytes], Awaitable[NewMessage]]


@dataclass(frozen=True, slots=True)
class Notifier:
    """Makes the reports of a queue item: what ``Runner`` calls as ``notify``."""

    blobs: Blobs
    route: RouteSender
    make_message: MakeMessage
    clock: Clock
    rng: Rng
    hostname: str
    policy: Policy = field(default_factory=Policy)

    async def __call__(
        self, item: QueueItem, debts: Sequence[Debt]
    ) -> tuple[NewMessage, NewItem] | None:
        """None where nobody wants or can get a report; why is in the log."""
        sender = item.envelope.sender.address
        if sender is None or not debts:
            log.info("queue.no-report", item=item.id, sender=str(sender or "<>"))
            return None
        routes = await self.route(sender)
        if isinstance(routes, Reply):
            log.warning("queue.no-report", item=item.id, sender=str(sender), reply=str(routes))
            return None
        now = self.clock.now()
        until = times(item.envelope, item.created, self.policy).expire
        # As the sender wrote them, whichever destination answered first.
        ordered = sorted(debts, key=lambda debt: debt.recipient.number)
        fates = [_fate(item, debt, until) for debt in ordered]
        original = await self.blobs.read(item.blob, 0, min(item.size, _MOST_RETURNED))
        frame = Frame(
            self.hostname,
            now,
            f"{self.rng.token(20)}@{self.hostname}",
            f"report-{self.rng.token(20)}",
        )
        raw = report(item.envelope, fates, original, whole=len(original) == item.size, frame=frame)
        envelope = Envelope(
            Sender(
                None,
                body="7BIT" if raw.isascii() else "8BITMIME",
                smtputf8=is_international(item.envelope, fates),
                params=_inherited(item.envelope),
            ),
            (Recipient(sender, routes),),
            Role.LOCAL,
            Peer("", helo=self.hostname, protocol="LOCAL"),
            now,
            id=self.rng.token(16),
        )
        log.info(
            "queue.report",
            item=item.id,
            id=item.envelope.id,
            sender=str(sender),
            report=envelope.id,
            recipients=len(fates),
        )
        pairs = [(0, r) for r in range(len(routes))]
        return await self.make_message(raw), NewItem(
            envelope, pairs, due=now, priority=priority(envelope)
        )


_INHERITED = frozenset({"REQUIRETLS", "MT-PRIORITY"})
"""Parameters that a report takes over of its message (RFC 8689 §5, RFC 6710 §4.6)."""


def _inherited(envelope: Envelope) -> dict[str, str | None]:
    params = envelope.sender.params
    return {name: value for name, value in params.items() if name in _INHERITED}


def _fate(item: QueueItem, debt: Debt, until: float) -> Fate:
    recipient = item.envelope.recipients[debt.recipient.envelope_index]
    if debt.action == "expanded":  # of the alias itself, whatever it leads to
        return Fate(recipient, debt.action, debt.reply, str(recipient.address))
    route = route_of(item, debt.recipient)
    final = str(recipient.address) if isinstance(route, Listed) else route.address
    return Fate(recipient, debt.action, debt.reply, final, debt.by, until)
