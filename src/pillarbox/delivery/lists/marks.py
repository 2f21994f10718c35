"""What each member's copy has of its own: the way out, and the address that its bounces come to."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.delivery.lists import copies
from pillarbox.delivery.lists.subscriptions import BOUNCE, LEAVE
from pillarbox.delivery.lists.tokens import Tokens
from pillarbox.model.lists import MailingList
from pillarbox.model.transaction import Part
from pillarbox.queue.marks import Mark, forwarded
from pillarbox.store.api import QueueItem, QueueRecipient


@dataclass(frozen=True, slots=True)
class ListMarks:
    """A ``queue.marks.Marks`` for all mail. ``url``: of the web pages, '' without."""

    tokens: Tokens
    url: str = ""

    def __call__(self, item: QueueItem, row: QueueRecipient) -> Mark:
        """Mail that no list sends has the marks of mail that is passed on."""
        member = item.envelope.recipients[row.envelope_index].member
        if not item.envelope.list or not member:
            return forwarded(item, row)
        one = MailingList(0, item.envelope.list)
        sender = copies.part_address(one, Part.BOUNCES, self.tokens.make(BOUNCE, member))
        return Mark(copies.way_out(one, self.tokens.make(LEAVE, member), self.url), sender)
