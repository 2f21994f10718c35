"""Work that fails begins again."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from pillarbox.app.loops import loop_factory, run
from pillarbox.app.supervise import Supervisor, every
from pillarbox.base.errors import Misuse, Temporary
from pillarbox.testing.clock import FakeClock


async def test_failed_work_begins_again() -> None:
    clock = FakeClock()
    supervisor = Supervisor(clock)
    began: list[float] = []

    async def work() -> None:
        began.append(clock.monotonic())
        if len(began) == 4:
            await asyncio.Event().wait()
        if len(began) == 2:
            return  # ending is a failure too
        raise Temporary("not now")

    supervisor.start("work", work)
    for _ in range(100):
        await asyncio.sleep(0)
        await clock.advance(1.0)
        if len(began) == 4:
            break
    assert [round(b - a) for a, b in pairwise(began)] == [1, 2, 4]
    assert supervisor.failures == 3
    await supervisor.close()
    await supervisor.close()


def test_a_loop_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Misuse, match="uvloop"):
        loop_factory("uvloop")
    assert loop_factory("auto") is asyncio.new_event_loop


def test_work_runs_on_the_chosen_loop() -> None:
    async def kind() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(kind(), "asyncio").startswith("asyncio")


async def test_every_so_often() -> None:
    clock = FakeClock()
    count = 0

    async def work() -> None:
        nonlocal count
        count += 1

    task = asyncio.create_task(every(clock, 60, work))
    for _ in range(5):
        await asyncio.sleep(0)
        await clock.advance(60)
    task.cancel()
    assert count >= 5
