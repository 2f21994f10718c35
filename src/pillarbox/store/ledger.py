"""The ledger: has every message that was answered 250 come to its end? Part of ``store.api``.

A promise is made for each route of each recipient. It is kept by a message in a mailbox (or what a
user did to it there), by a row of the queue, by another server's answer, by a report to the sender,
or by a discard with a name. Whatever is none of these was lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.model.story import (
    DISCARDED,
    MAILBOX,
    QUEUE,
    Accepted,
    Appended,
    Attempted,
    Delivered,
    Handled,
    Reported,
    Story,
    Way,
)

Place = tuple[int, int, int]
"""Account, mailbox, UID."""

MOST = 1000
"""Findings that are described; more are only counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be."""

    kind: str
    """lost, content, references, retained, counters, queue, database."""
    text: str
    repaired: bool = False


@dataclass(slots=True)
class Audited:
    """What an audit saw."""

    ends: Counter[str] = field(default_factory=Counter)
    """How the promises were kept."""
    findings: list[Finding] = field(default_factory=list)
    messages: int = 0
    """Stories of messages that were taken."""
    broken: int = 0
    """Findings that were not repaired."""

    def found(self, kind: str, text: str, repaired: bool = False) -> None:
        """Remember something, as long as there is room."""
        self.broken += not repaired
        if len(self.findings) < MOST:
            self.findings.append(Finding(kind, text, repaired))


class Auditor(Protocol):
    """A store that can be held to what it promised."""

    async def audit(self, repair: bool = False) -> Audited:
        """Check the ledger, and that references, counters, contents and queue agree with each
        other; with ``repair`` put right what can be. A running store goes on meanwhile."""
        ...


class Facts(Protocol):
    """What the store knows of the present, for one audit."""

    def lies(self, place: Place) -> bool:
        """A message is there, or can be brought back."""
        ...

    def left(self, place: Place) -> bool:
        """There was one, and somebody moved or deleted it."""
        ...

    def waits(self, item: int, number: int) -> bool:
        """That recipient still waits, or its sender is about to be told."""
        ...

    def known(self, trace: str, after: int) -> bool:
        """A message of that name was taken, its story begun after that one."""
        ...


@dataclass(frozen=True, slots=True)
class Lost:
    """A promise that nothing keeps."""

    text: str
    place: Place | None = None
    """Where the message should be."""
    blob: int = 0


def check(story: Story, facts: Facts) -> Iterator[str | Lost]:
    """How each promise of a story was kept, in a word or two, or that it was not."""
    opening = next((e.event for e in story.entries if isinstance(e.event, Accepted)), None)
    if opening is None:
        for entry in story.entries:
            if isinstance(entry.event, Appended):
                event = entry.event
                place = (event.account, event.mailbox, event.uid)
                yield _lying(f"appended message {event.blob}", place, event.blob, facts)
        return
    course = _Course(story)
    for way in opening.ways:
        name = f"{opening.trace} for <{way.to}>"
        if way.end == MAILBOX:
            place = (way.account, way.mailbox, way.uid)
            yield _lying(name, place, opening.blob, facts)
        elif way.end == QUEUE:
            yield _course_of(name, opening.item, way, course, facts)
        elif way.end == DISCARDED:
            yield "discarded by name" if way.name else Lost(f"{name}: discarded by nobody")
        else:
            yield "refused" if way.reply else "told elsewhere"


class _Course:
    """What the later events of a story say of each recipient of its queue item."""

    def __init__(self, story: Story) -> None:
        self.story = story.id
        """A report's begins after it."""
        self.attempts: dict[int, Attempted] = {}
        self.places: dict[int, Place] = {}
        self.reports: dict[int, Reported] = {}
        self.dropped: set[int] = set()
        for entry in story.entries:
            match entry.event:
                case Attempted() as event:
                    self.attempts.update(dict.fromkeys(event.numbers, event))
                case Delivered() as event:
                    for way in event.ways:
                        if way.end == MAILBOX:
                            self.places[way.number] = (way.account, way.mailbox, way.uid)
                        elif way.end == DISCARDED and way.name:
                            self.dropped.add(way.number)
                case Reported() as event:
                    pairs = zip(event.numbers, event.actions, strict=True)
                    self.reports |= {n: event for n, action in pairs if action == "failed"}
                case Handled() as event if event.what == "dropped":
                    self.dropped |= set(event.numbers)


def _course_of(name: str, item: int, way: Way, course: _Course, facts: Facts) -> str | Lost:
    """How the promise to somebody in the queue was kept."""
    number = way.number
    if facts.waits(item, number):
        return "in the queue"
    if number in course.dropped:
        return "discarded by name"
    last = course.attempts.get(number)
    if last is None or last.state in {"due", "held"}:
        return Lost(f"{name}: was queued (item {item}) and is no longer there")
    if last.state == "done":
        if not way.route.startswith("local "):
            listed = way.route.startswith("list ")
            return "sent on to a list" if listed else "taken by another server"
        place = course.places.get(number)
        if place is None:
            return Lost(f"{name}: counts as delivered, and no mailbox has it")
        return _lying(name, place, 0, facts)
    if last.owed != "failed":
        return "failed, and nobody wanted to know"
    report = course.reports.get(number)
    if report is None:
        return Lost(f"{name}: failed, and its sender was not told")
    if not report.trace:
        return "failed, and nobody could be told"
    told = facts.known(report.trace, course.story)
    return "reported" if told else Lost(f"{name}: failed, and the report {report.trace} is gone")


def _lying(name: str, place: Place, blob: int, facts: Facts) -> str | Lost:
    if facts.lies(place):
        return "in a mailbox"
    if facts.left(place):
        return "moved or deleted by its owner"
    account, mailbox, uid = place
    where = f"UID {uid} of mailbox {mailbox} of account {account}"
    return Lost(f"{name}: {where} is not there, and nobody deleted it", place, blob)
