"""What is asked about a whole message before it is accepted: may it go where its recipients lead,
does somebody have to look at it first, does it count against a limit.

Each rule sees the envelope and the beginning of the message and gives a ``Ruling``; what one
refuses or holds is refused or held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.delivery.lists import posting
from pillarbox.message import header
from pillarbox.model.lists import Others
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.model.transaction import Envelope, Listed, Part
from pillarbox.store.api import NewItem, NewMessage
from pillarbox.store.lists import Lists

Pair = tuple[int, int]
"""(recipient, route) within the envelope."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """``held`` pairs wait in the queue until they are released; ``why`` is for people. ``letters``
    tell somebody of it, once the message is accepted."""

    refused: Mapping[Pair, Reply] = field(default_factory=dict)
    held: Collection[Pair] = ()
    why: str = ""
    sent: Sent | None = None
    letters: Sequence[tuple[NewMessage, NewItem]] = ()


NOTHING = Ruling()


class Rule(Protocol):
    """One thing to be asked."""

    async def __call__(self, envelope: Envelope, head: bytes) -> Ruling:
        """``head``: the header of the message, or as much of it as is looked at."""
        ...


@dataclass(frozen=True, slots=True)
class Gate:
    """All rules together."""

    rules: Sequence[Rule] = ()

    async def __call__(self, envelope: Envelope, message: NewMessage) -> Ruling:
        """The rulings of all rules as one."""
        if not self.rules:
            return NOTHING
        head = header.top(bytes(message.content.view()[: header.TOP]))
        refused: dict[Pair, Reply] = {}
        held: set[Pair] = set()
        whys: list[str] = []
        letters: list[tuple[NewMessage, NewItem]] = []
        sent: Sent | None = None
        for rule in self.rules:
            ruling = await rule(envelope, head)
            refused |= ruling.refused
            held |= set(ruling.held)
            whys += [ruling.why] if ruling.why else []
            letters += ruling.letters
            sent = ruling.sent or sent
        return Ruling(refused, held - refused.keys(), "; ".join(whys), sent, letters)


@dataclass(frozen=True, slots=True)
class ListRule:
    """Who may write to a list is told so before the message is accepted: a refusal later would be
    a report to whoever the sender pretended to be."""

    book: Lists

    async def __call__(self, envelope: Envelope, head: bytes) -> Ruling:
        """See ``Rule``."""
        refused: dict[Pair, Reply] = {}
        held: list[Pair] = []
        names: dict[str, None] = {}
        found: posting.Facts | None = None
        for n, recipient in enumerate(envelope.recipients):
            for r, route in enumerate(recipient.routes):
                if not isinstance(route, Listed) or route.part is not Part.POST:
                    continue
                one = await self.book.list_at(route.address)
                if one is None:
                    continue  # the queue says so
                found = found or posting.facts(head)
                members = await self.book.members(one.id)
                verdict = posting.judge(one, members, envelope.sender.address, found)
                if isinstance(verdict, Reply):
                    refused[n, r] = verdict
                elif verdict is Others.HOLD:
                    held.append((n, r))
                    names[one.address] = None
        why = f"somebody has to look at mail to {' '.join(names)}" if names else ""
        return Ruling(refused, held, why)
