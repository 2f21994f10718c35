"""What is asked about a whole message before it is accepted: may it go where its recipients lead,
does somebody have to look at it first, does it count against a limit.

Each rule sees the envelope, may ask for the header, and gives a ``Ruling``; what one refuses or
holds is refused or held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.delivery.letters import Letter, Letters
from pillarbox.delivery.lists import posting
from pillarbox.message import header
from pillarbox.model.address import Address
from pillarbox.model.lists import Others
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.model.transaction import Envelope, Listed, Part
from pillarbox.store.api import Content, NewMessage
from pillarbox.store.lists import Lists


class Head(Protocol):
    """The header of the message, or as much of it as is looked at."""

    def __call__(self) -> bytes:
        """Its octets."""
        ...

    def fields(self) -> Sequence[header.Field]:
        """Where its fields are, however many."""
        ...


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
    letters: Sequence[Letter] = ()


NOTHING = Ruling()
TOLD_FOR = 3600.0
"""Seconds for which one letter about a list is enough."""


class Rule(Protocol):
    """One thing to be asked."""

    async def __call__(self, envelope: Envelope, head: Head) -> Ruling:
        """The answer for one message."""
        ...


@dataclass(frozen=True, slots=True)
class Gate:
    """All rules together."""

    rules: Sequence[Rule] = ()

    async def __call__(self, envelope: Envelope, message: NewMessage) -> Ruling:
        """The rulings of all rules as one."""
        if not self.rules:
            return NOTHING

        head = Top(message.content)
        refused: dict[Pair, Reply] = {}
        held: set[Pair] = set()
        whys: list[str] = []
        letters: list[Letter] = []
        sent: Sent | None = None
        for rule in self.rules:
            ruling = await rule(envelope, head)
            if ruling is NOTHING:
                continue
            refused |= ruling.refused
            held |= set(ruling.held)
            whys += [ruling.why] if ruling.why else []
            letters += ruling.letters
            sent = ruling.sent or sent
        if not (refused or held or sent or letters):
            return NOTHING
        return Ruling(refused, held - refused.keys(), "; ".join(whys), sent, letters)


class Top:
    """A ``Head`` of a content, cut out when somebody asks for it, and once."""

    __slots__ = ("_content", "_cut", "_section")

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cut: bytes | None = None
        self._section = header.Section([], 0, False, True)

    def __call__(self) -> bytes:
        if self._cut is None:
            top = bytes(self._content.view()[: header.TOP])
            self._section = header.section(top, 0, len(top), header.NO_LIMIT, header.NO_LIMIT)
            self._cut = top[: self._section.body_start]
        return self._cut

    def fields(self) -> Sequence[header.Field]:
        self()
        return self._section.fields


@dataclass(frozen=True, slots=True)
class ListRule:
    """Who may write to a list is told so before the message is accepted: a refusal later would be
    a report to whoever the sender pretended to be."""

    book: Lists
    letters: Letters
    told: dict[str, float] = field(default_factory=dict)
    """When the owners of each list last heard that mail waits for them."""

    async def __call__(self, envelope: Envelope, head: Head) -> Ruling:
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
                found = found or posting.facts(head())
                members = await self.book.members(one.id)
                verdict = posting.judge(
                    one, members, envelope.sender.address, found, envelope.verdict
                )
                if isinstance(verdict, Reply):
                    refused[n, r] = verdict
                elif verdict is Others.HOLD:
                    held.append((n, r))
                    names[one.address] = None
        if not (refused or held):
            return NOTHING
        why = f"somebody has to look at mail to {' '.join(names)}" if names else ""
        letters = [one for name in names for one in await self._told(name, envelope)]
        return Ruling(refused, held, why, letters=letters)

    async def _told(self, name: str, envelope: Envelope) -> list[Letter]:
        """A letter to the owners, one in a while however much there is."""
        now = self.letters.clock.now()
        if self.told.get(name, 0.0) > now - TOLD_FOR:
            return []
        self.told[name] = now
        local, _, domain = name.rpartition("@")
        lines = [
            f"Mail to {name} from {envelope.sender.address} waits until somebody looks at it.",
            "You are told once an hour, however much waits. Whoever runs the server sees it with",
            "",
            f"    pillarbox queue list --state held --recipient {name}",
            "",
            "and lets it go with pillarbox queue release, or not, with pillarbox queue drop.",
        ]
        owners = Address(local + Part.OWNER.value, domain)
        return await self.letters.to(owners, f"Mail to {name} waits", lines)
