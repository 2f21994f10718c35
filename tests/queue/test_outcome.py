"""What an answer means: the whole table, and five days of retries as arithmetic."""

from __future__ import annotations

import pytest

from pillarbox.model.reply import Reply
from pillarbox.queue.outcome import DAY, HOUR, Policy, decide, wait_after
from pillarbox.store.api import QueueRecipient

POLICY = Policy(jitter=0.0)


def after(reply: Reply, *, attempts: int = 0, age: float = 0.0) -> tuple[str, float]:
    """State and wait in seconds after ``reply`` to a message of a certain age."""
    row = QueueRecipient(0, 0, 0, attempts, 0.0, "due")
    settled = decide(row, reply, created=1000.0, now=1000.0 + age, policy=POLICY, chance=0.5)
    assert settled.reply is reply
    return settled.state, settled.due - (1000.0 + age) if settled.state == "due" else 0.0


@pytest.mark.parametrize(
    ("code", "attempts", "age", "expected"),
    [
        (250, 0, 0.0, ("done", 0.0)),
        (251, 9, 9 * DAY, ("done", 0.0)),
        (450, 0, 0.0, ("due", 300.0)),
        (450, 1, 0.0, ("due", 600.0)),
        (421, 5, 0.0, ("due", 9600.0)),
        (451, 6, 0.0, ("due", 4 * HOUR)),
        (451, 500, 0.0, ("due", 4 * HOUR)),
        (450, 40, 5 * DAY - 4 * HOUR, ("failed", 0.0)),
        (450, 40, 5 * DAY - 4 * HOUR - 1, ("due", 4 * HOUR)),
        (450, 0, 6 * DAY, ("failed", 0.0)),
        (550, 0, 0.0, ("failed", 0.0)),
        (599, 3, 0.0, ("failed", 0.0)),
        (199, 0, 0.0, ("due", 300.0)),
    ],
)
def test_outcomes(code: int, attempts: int, age: float, expected: tuple[str, float]) -> None:
    assert after(Reply(code, "", "words"), attempts=attempts, age=age) == expected


def test_jitter_stays_in_its_share() -> None:
    policy = Policy(jitter=0.2)
    assert wait_after(1, policy, 0.0) == pytest.approx(240.0)
    assert wait_after(1, policy, 0.999999) == pytest.approx(360.0, rel=1e-4)


def test_five_days_make_a_bounded_number_of_attempts() -> None:
    attempts, now = 0, 1000.0
    while True:
        row = QueueRecipient(0, 0, 0, attempts, now, "due")
        reply = Reply(451, "4.4.1", "no answer")
        settled = decide(row, reply, created=1000.0, now=now, policy=POLICY, chance=0.5)
        attempts += 1
        if settled.state == "failed":
            break
        now = settled.due
    assert 30 < attempts < 40
    assert now < 1000.0 + 5 * DAY
