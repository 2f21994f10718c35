"""The transport that ends in this house: queued mail tried again at a local mailbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from pillarbox.delivery.accept import Acceptor, Again
from pillarbox.delivery.sieve.keys import key
from pillarbox.message import compose
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Local
from pillarbox.queue.jobs import route_of
from pillarbox.queue.marks import Marks, forwarded
from pillarbox.store.api import Blobs, NewMessage, QueueItem, QueueRecipient
from pillarbox.store.scripts import Mark

_REMEMBER = 60 * 86_400.0
"""Seconds from when a message was queued: longer than any waits."""


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Implements ``queue.attempt.Transport`` for ``Local`` routes.

    ``make_message`` scans bytes into a message (``mailbox.intake``). Each recipient is delivered
    to by itself and remembered with it, so that a crash between the delivery and its settling
    does not repeat it.
    """

    blobs: Blobs
    acceptor: Acceptor
    make_message: Callable[[bytes], Awaitable[NewMessage]]
    marks: Marks = forwarded

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply]:
        """Deliver to exactly the routes these queue rows stand for."""
        octets = await self.blobs.read(item.blob)
        return [await self._one(item, recipient, octets) for recipient in recipients]

    async def _one(self, item: QueueItem, row: QueueRecipient, octets: bytes) -> Reply:
        route = route_of(item, row)
        recipient = replace(item.envelope.recipients[row.envelope_index], routes=(route,))
        envelope = replace(item.envelope, recipients=(recipient,))
        once = None
        if isinstance(route, Local):
            done = key("queue", item.envelope.id, str(item.id), str(row.number))
            once = Mark(route.account, done, item.created + _REMEMBER)
        again = Again(item.story, [row.number], once)
        mark = self.marks(item, row)
        front = compose.return_path(str(mark.sender)) if mark.sender is not None else b""
        message = await self.make_message(front + mark.front + octets)
        result = await self.acceptor.accept(envelope, message, queue=False, again=again)
        return result.replies[0]
