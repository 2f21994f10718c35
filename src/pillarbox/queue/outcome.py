"""What an answer means for a waiting recipient: one pure function, tested as a table.

Nothing here asks the clock or draws randomness: both come in as numbers, so that five days of
retries are a loop over floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Recipient
from pillarbox.queue.report import Action
from pillarbox.queue.wishes import deliver_by, release
from pillarbox.store.api import QueueRecipient, Settled

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Policy:
    """When to try again and when to stop. All times in seconds."""

    first_retry: float = 300.0
    """After the first failed attempt; doubled after each further one."""
    longest_retry: float = 4 * HOUR
    expire: float = 5 * DAY
    """RFC 5321 §4.5.4.1 wants at least four to five days."""
    warn: float = 4 * HOUR
    """Age at which the sender is told, once, that delivery is delayed."""
    jitter: float = 0.2
    """Share by which a wait is spread, so that retries of one outage do not march in step."""


TOO_LATE = Reply(550, "5.4.7", "The time that the sender gave for delivery is over")


@dataclass(frozen=True, slots=True)
class Times:
    """Of one item, in seconds since 1970."""

    expire: float
    """When trying ends."""
    warn: float
    """When the sender is told, once, that it takes longer."""
    strict: bool = False
    """The sender wants no delivery at all after ``expire`` (DELIVERBY, mode R)."""


def times(envelope: Envelope, created: float, policy: Policy) -> Times:
    """The patience of the house counts from the release; the sender may want less of it."""
    start = max(created, release(envelope))
    expire, warn = start + policy.expire, start + policy.warn
    by = deliver_by(envelope)
    if by is None:
        return Times(expire, warn)
    if by.final and by.at < expire:  # RFC 2852 §4.1.2
        return Times(by.at, warn, strict=True)
    return Times(expire, warn if by.final else min(warn, by.at))


_HARD = frozenset(
    {
        *("1.1", "1.2", "1.3", "1.6", "1.10"),  # no such mailbox, no such system, moved, null MX
        *("2.1", "7.13", "7.17", "7.18"),  # disabled, or somebody else's by now
    }
)
"""Subject and detail (RFC 3463 §3, RFC 5248) of failures that another message would share. Refusals
by policy (most of 7) and by size are about the message, not the address."""


def is_hard(status: str) -> bool:
    """Whether an enhanced status code means that nothing more should be sent to the address."""
    kind, _, rest = status.partition(".")
    return kind == "5" and rest in _HARD


def wait_after(attempts: int, policy: Policy, chance: float) -> float:
    """Seconds to wait after ``attempts`` failed ones (1 and up); ``chance`` is in [0, 1)."""
    step = min(policy.longest_retry, policy.first_retry * 2.0 ** min(attempts - 1, 60))
    return step * (1 + policy.jitter * (2 * chance - 1))


def chance(item: int, attempts: int) -> float:
    """In [0, 1): differs between items, and is the same for all recipients of one that were tried
    as often, so that they stay together, and their sender gets one report."""
    return (item * 0x9E3779B1 + attempts * 0x85EBCA77 & 0xFFFFFFFF) / 0x100000000


def goes_now(recipient: QueueRecipient, now: float, policy: Policy) -> bool:
    """Whether it is tried with the others that are due: it is due itself, or has waited for three
    quarters of its time. What lagged behind catches up."""
    if recipient.state != "due":
        return False
    early = wait_after(recipient.attempts, policy, 0.5) / 4 if recipient.attempts else 0.0
    return recipient.due <= now + early


def decide(
    recipient: QueueRecipient,
    reply: Reply,
    *,
    created: float,
    now: float,
    policy: Policy,
    chance: float,
    expire: float | None = None,
    warn: float | None = None,
) -> Settled:
    """What becomes of ``recipient`` after ``reply``. ``expire``: see ``Times``; by default that
    of an item without wishes. ``warn``: a try falls to this moment, so that the sender hears of
    the delay when he should.

    A refusal that would be retried after the expiry fails now, with the words the other side
    used: waiting longer could change nothing. 2xx and 3xx are success, 5xx failure, everything
    else, also what no server should say, is temporary.
    """
    if reply.ok:
        return Settled(recipient.number, "done", 0.0, reply)
    if reply.permanent:
        return Settled(recipient.number, "failed", 0.0, reply)
    due = now + wait_after(recipient.attempts + 1, policy, chance)
    if due >= (created + policy.expire if expire is None else expire):
        return Settled(recipient.number, "failed", 0.0, reply)
    if warn is not None and now < warn < due:
        due = warn
    return Settled(recipient.number, "due", due, reply)


class Alias(Enum):
    """Whether a recipient led to several routes; then one of them answers for the alias itself,
    and of none a success is told (RFC 3461 §5.2.7.3 c)."""

    NONE = "none"
    FIRST = "first"
    OTHER = "other"


def alias_of(recipient: Recipient, route: int) -> Alias:
    """What the route of this number is among those of its recipient."""
    if len(recipient.routes) < 2:
        return Alias.NONE
    return Alias.OTHER if route else Alias.FIRST


def told(
    notify: frozenset[str],
    settled: Settled,
    action: Action,
    *,
    now: float,
    warn: float,
    warned: bool,
    alias: Alias = Alias.NONE,
) -> str:
    """What the sender is to be told about a recipient: '' or an ``owed`` of the store's api.

    RFC 3461 §5.2: who says nothing about NOTIFY hears of failures and delays, never of success;
    a success that the next server will report is not reported here.
    """
    if settled.state == "failed":
        return "failed" if not notify or "FAILURE" in notify else ""
    if settled.state == "done":
        if "SUCCESS" not in notify or alias is Alias.OTHER:
            return ""
        if alias is Alias.FIRST:
            return "expanded"
        return "" if action is Action.PASSED else action.value
    late = settled.state == "due" and now >= warn and not warned
    return "delayed" if late and (not notify or "DELAY" in notify) else ""
