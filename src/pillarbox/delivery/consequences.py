"""What follows from mail that finally failed: nothing more is sent there, and it is counted.

Written after the results, so a crash between may forget one: the next bounce brings it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.model.address import parse_address
from pillarbox.model.lists import Cause, Suppressed
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.model.transaction import Remote, Role
from pillarbox.queue.jobs import route_of
from pillarbox.queue.outcome import is_hard
from pillarbox.store.api import Directory, QueueItem, QueueRecipient
from pillarbox.store.lists import Senders, Suppressions

log = Logger("queue")

_LONGEST = 500
"""Characters of an answer that are remembered."""


class Book(Directory, Suppressions, Senders, Protocol):
    """What of the store is needed here."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What ``Runner`` calls as ``failed``."""

    book: Book
    clock: Clock

    async def __call__(
        self, item: QueueItem, failed: Sequence[tuple[QueueRecipient, Reply]]
    ) -> None:
        """Of recipients of one item that nobody will try again."""
        envelope = item.envelope
        user = envelope.peer.user if envelope.role is Role.SUBMISSION else ""
        owner = envelope.list or user
        if not owner:
            return
        now = self.clock.now()
        entries = [
            Suppressed(
                owner,
                envelope.recipients[row.envelope_index].address.normal(),
                Cause.BOUNCE,
                now,
                str(reply)[:_LONGEST],
            )
            for row, reply in failed
            if is_hard(reply.enhanced) and _was_it(item, row)
        ]
        if entries:
            await self.book.suppress(entries)
            for entry in entries:
                log.info("queue.suppressed", owner=owner, rcpt=entry.address, reply=entry.detail)
        account = await self.book.account_by_address(user) if user else None
        if account is not None:
            await self.book.count_sent(Sent(account.id, now, failures=len(failed)))


def _was_it(item: QueueItem, row: QueueRecipient) -> bool:
    """Whether the address that was written to is the one that refused, and not one that an alias
    or somebody's forwarding led to. Members of a list may be aliases: mail to them has one end."""
    route, recipient = route_of(item, row), item.envelope.recipients[row.envelope_index]
    if not isinstance(route, Remote) or len(recipient.routes) > 1:
        return False
    goal = parse_address(route.address)
    itself = goal is not None and goal.normal() == recipient.address.normal()
    return itself or bool(item.envelope.list)
