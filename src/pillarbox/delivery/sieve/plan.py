"""What the delivery of one message to one recipient is to be, once scripts have decided.

Whatever leaves (a redirected copy, an answer, a notice, a refusal) is a parcel that goes with the
message itself: either all of it is on the disk or nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.model.mailbox import Mailbox
from pillarbox.model.reply import Reply
from pillarbox.model.story import Event
from pillarbox.model.transaction import Envelope, Local
from pillarbox.sieve.actions import Reject
from pillarbox.store.api import NewMessage, Parcel, Target
from pillarbox.store.scripts import Mark


@dataclass(slots=True)
class Plan:
    """``targets``: copies of the message as it came. ``parcels``: all else. ``ended``: what is
    told where there are no targets. ``refuse``: makes the message that says no, where the
    dialogue did not; None in the end where nobody can be told."""

    targets: list[Target] = field(default_factory=list)
    parcels: list[Parcel] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    notes: list[Event] = field(default_factory=list)
    ended: str = "discarded by a Sieve script"
    refused: Reject | None = None
    refuse: Callable[[], Awaitable[Parcel | None]] | None = None
    by: str = "a Sieve script"
    """Who refuses it."""

    def reply(self) -> Reply:
        """The refusal as a reply (RFC 5429 §2.1.1: ASCII, or words of ours)."""
        reason = self.refused.reason.strip() if self.refused else ""
        if not reason or not reason.isascii():
            reason = "The recipient's mail filter refuses this message"
        return Reply(550, "5.7.1", reason.replace("\r\n", "\n")[:2000])

    def in_dialogue(self, *, again: bool = False) -> bool:
        """Whether the refusal may be a reply (RFC 5429 §2.2: of ``reject``, if it is ASCII and
        somebody is there to hear it)."""
        if self.refused is None:
            return False
        return self.refused.early or (self.refused.reason.isascii() and not again)


class Scripted(Protocol):
    """What the acceptor asks at each local recipient."""

    async def plan(
        self, envelope: Envelope, n: int, route: Local, message: NewMessage, inbox: Mailbox | None
    ) -> Plan | None:
        """What scripts make of it; None where there are none."""
        ...
