"""Who is told about a recipient that failed for good, and through which door.

A DSN goes to the envelope sender under the null reverse-path and is queued like any message; the
null sender itself is never answered (RFC 5321 §4.5.5), so reports cannot breed reports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.base.log import Logger
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Peer, Recipient, Role, Route, Sender
from pillarbox.queue.dsn import Failure, failure_report
from pillarbox.queue.runner import route_of
from pillarbox.store.api import Blobs, NewItem, NewMessage, QueueItem, QueueRecipient

log = Logger("queue")

_MOST_RETURNED = 64 * 1024
"""Octets of the original that a report may carry; beyond, only the header goes back."""

RouteSender = Callable[[Address], Awaitable[tuple[Route, ...] | Reply]]
MakeMessage = Callable[[bytes], Awaitable[NewMessage]]


@dataclass(frozen=True, slots=True)
class Notifier:
    """Makes the failure report of a queue item: what ``Runner`` calls as ``notify``."""

    blobs: Blobs
    route: RouteSender
    make_message: MakeMessage
    clock: Clock
    rng: Rng
    hostname: str

    async def __call__(
        self, item: QueueItem, failed: Sequence[tuple[QueueRecipient, Reply]]
    ) -> tuple[NewMessage, NewItem] | None:
        """None where nobody wants or can get a report; why is in the log."""
        sender = item.envelope.sender.address
        failures = [_failure(item, recipient, reply) for recipient, reply in failed]
        # RFC 3461 §4.1: no NOTIFY means FAILURE; NEVER and lists without FAILURE stay silent
        wanted = [f for f in failures if not (n := f.recipient.notify) or "FAILURE" in n]
        if sender is None or not wanted:
            log.info("queue.no-report", item=item.id, sender=str(sender or "<>"))
            return None
        routes = await self.route(sender)
        if isinstance(routes, Reply):
            log.warning("queue.no-report", item=item.id, sender=str(sender), reply=str(routes))
            return None
        now = self.clock.now()
        original = await self.blobs.read(item.blob, 0, min(item.size, _MOST_RETURNED))
        envelope = Envelope(
            Sender(None),
            (Recipient(sender, routes),),
            Role.LOCAL,
            Peer("", helo=self.hostname, protocol="LOCAL"),
            now,
            id=self.rng.token(16),
        )
        report = failure_report(
            item.envelope,
            wanted,
            original,
            whole=len(original) == item.size,
            hostname=self.hostname,
            now=now,
            message_id=f"{self.rng.token(20)}@{self.hostname}",
            boundary=f"report-{self.rng.token(20)}",
        )
        pairs = [(0, r) for r in range(len(routes))]
        return await self.make_message(report), NewItem(envelope, pairs, due=now)


def _failure(item: QueueItem, recipient: QueueRecipient, reply: Reply) -> Failure:
    original = item.envelope.recipients[recipient.envelope_index]
    final = getattr(route_of(item, recipient), "address", "") or str(original.address)
    return Failure(original, reply, final)
