"""What makes one recipient's copy of a queued message differ from the message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.message.trace import passed_on_by
from pillarbox.model.address import Address
from pillarbox.model.transaction import Remote
from pillarbox.queue.jobs import route_of
from pillarbox.store.api import QueueItem, QueueRecipient


@dataclass(frozen=True, slots=True)
class Mark:
    """``front``: header fields, each with its CRLF, in front of the copy. ``sender``: who sends it
    in the envelope, None for whoever sends the message."""

    front: bytes = b""
    sender: Address | None = None


Marks = Callable[[QueueItem, QueueRecipient], Mark]

PLAIN = Mark()


def forwarded(item: QueueItem, row: QueueRecipient) -> Mark:
    """A copy that an address of ours sends on says so: it shall not come round again
    (RFC 5321 §6.3)."""
    route = route_of(item, row)
    to = item.envelope.recipients[row.envelope_index].address
    if not isinstance(route, Remote) or not to.domain or route.address == str(to):
        return PLAIN
    return Mark(passed_on_by(to))
