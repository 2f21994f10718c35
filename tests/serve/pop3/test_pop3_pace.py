"""The time between two logins of an account."""

from __future__ import annotations

from pillarbox.serve.pop3.pace import Pace
from pillarbox.testing.clock import FakeClock


async def test_the_time_runs_from_the_last_login_that_was_let_in() -> None:
    clock = FakeClock()
    pace = Pace(clock, 60)
    assert pace.wait(1) == 0
    pace.entered(1)
    assert pace.wait(1) == 60
    assert pace.wait(2) == 0
    await clock.advance(45)
    assert 14.9 < pace.wait(1) < 15.1
    await clock.advance(15.01)
    assert pace.wait(1) == 0


def test_no_pace() -> None:
    pace = Pace(FakeClock(), 0)
    pace.entered(1)
    assert pace.wait(1) == 0
