"""What an answer means for a waiting recipient: one pure function, tested as a table.

Nothing here asks the clock or draws randomness: both come in as numbers, so that five days of
retries are a loop over floats.
"""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.model.reply import Reply
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


EXPIRED = Reply(550, "4.4.7", "Delivery time expired")


def wait_after(attempts: int, policy: Policy, chance: float) -> float:
    """Seconds to wait after ``attempts`` failed ones (1 and up); ``chance`` is in [0, 1)."""
    step = min(policy.longest_retry, policy.first_retry * 2.0 ** min(attempts - 1, 60))
    return step * (1 + policy.jitter * (2 * chance - 1))


def decide(
    recipient: QueueRecipient,
    reply: Reply,
    *,
    created: float,
    now: float,
    policy: Policy,
    chance: float,
) -> Settled:
    """What becomes of ``recipient`` after ``reply``.

    A refusal that would be retried after the expiry fails now, with the words the other side
    used: waiting longer could change nothing. 2xx and 3xx are success, 5xx failure, everything
    else, also what no server should say, is temporary.
    """
    if reply.ok:
        return Settled(recipient.number, "done", 0.0, reply)
    if reply.permanent:
        return Settled(recipient.number, "failed", 0.0, reply)
    due = now + wait_after(recipient.attempts + 1, policy, chance)
    if due >= created + policy.expire:
        return Settled(recipient.number, "failed", 0.0, reply)
    return Settled(recipient.number, "due", due, reply)
