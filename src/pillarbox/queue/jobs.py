"""What of a leased item is to be done now: recipients that go the same way, as far as there is
room for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pillarbox.model.transaction import Route
from pillarbox.queue.outcome import TOO_LATE, Policy, Times, goes_now
from pillarbox.queue.report import Report
from pillarbox.queue.slots import Slots
from pillarbox.store.api import QueueItem, QueueRecipient

Way = tuple[type[Route], str]
"""Kind of route, and the destination that concurrency is counted by."""


@dataclass(slots=True)
class Job:
    """Some recipients of an item that go the same way."""

    way: Way
    rows: list[QueueRecipient]


@dataclass(slots=True)
class Plan:
    """``jobs`` have their room; ``decided`` need no attempt. ``waiting``: destinations that some
    recipients wait for."""

    jobs: list[Job] = field(default_factory=list)
    decided: list[tuple[QueueRecipient, Report]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def plan(
    item: QueueItem,
    limits: Times,
    *,
    now: float,
    policy: Policy,
    way: Callable[[QueueItem, QueueRecipient], Way],
    slots: Slots,
) -> Plan:
    """Takes the room from ``slots`` that the jobs need."""
    jobs: dict[Way, Job] = {}
    found = Plan()
    full = found.waiting
    for row in item.recipients:
        if not goes_now(row, now, policy):
            continue
        if limits.strict and now >= limits.expire:
            found.decided.append((row, Report(TOO_LATE)))
            continue
        where = way(item, row)
        if where in jobs:
            jobs[where].rows.append(row)
        elif where[1] in full:
            slots.note(where[1], row.domain)
        elif not slots.take(where[1], row.domain):
            full.append(where[1])
        else:
            jobs[where] = Job(where, [row])
    found.jobs = list(jobs.values())
    return found


def route_of(item: QueueItem, recipient: QueueRecipient) -> Route:
    """The route that this queue row serves."""
    return item.envelope.recipients[recipient.envelope_index].routes[recipient.route_index]
