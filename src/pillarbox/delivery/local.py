"""The transport that ends in this house: queued mail tried again at a local mailbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from pillarbox.delivery.accept import Acceptor, Again
from pillarbox.model.reply import Reply
from pillarbox.queue.runner import route_of
from pillarbox.store.api import Blobs, NewMessage, QueueItem, QueueRecipient


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Implements ``queue.runner.Transport`` for ``Local`` routes.

    ``make_message`` scans bytes into a message (``mailbox.intake``). Between the delivery and
    its settling a crash can repeat the delivery; it can never lose it.
    """

    blobs: Blobs
    acceptor: Acceptor
    make_message: Callable[[bytes], Awaitable[NewMessage]]

    async def attempt(
        self, item: QueueItem, recipients: Sequence[QueueRecipient]
    ) -> Sequence[Reply]:
        """Deliver to exactly the routes these queue rows stand for."""
        envelope = replace(
            item.envelope,
            recipients=tuple(
                replace(
                    item.envelope.recipients[recipient.envelope_index],
                    routes=(route_of(item, recipient),),
                )
                for recipient in recipients
            ),
        )
        message = await self.make_message(await self.blobs.read(item.blob))
        again = Again(item.story, [recipient.number for recipient in recipients])
        result = await self.acceptor.accept(envelope, message, queue=False, again=again)
        return result.replies
