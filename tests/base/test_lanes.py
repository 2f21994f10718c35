"""Worker threads: results and errors come back, the bound holds, closing drains."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pillarbox.base.errors import Misuse, Temporary
from pillarbox.base.lanes import Lane, LaneFull


async def test_runs_in_its_own_named_thread() -> None:
    lane = Lane("crypto")

    def where(suffix: str, *, mark: str) -> str:
        return threading.current_thread().name + suffix + mark

    assert await lane.run(where, "/", mark="!") == "crypto-0/!"
    assert lane.load == 0
    await lane.close()


async def test_errors_come_back() -> None:
    lane = Lane("x")

    def fail(error: BaseException) -> None:
        raise error

    with pytest.raises(KeyError):
        await lane.run(fail, KeyError("k"))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await lane.run(fail, StopIteration())
    with pytest.raises(SystemExit):
        await lane.run(fail, SystemExit(3))
    assert await lane.run(int, "7") == 7  # the thread lives on
    await lane.close()


async def test_bound_turns_away_as_temporary() -> None:
    lane = Lane("x", bound=2)
    gate = threading.Event()
    first = asyncio.create_task(lane.run(gate.wait))
    second = asyncio.create_task(lane.run(int))
    await asyncio.sleep(0)
    with pytest.raises(LaneFull) as caught:
        await lane.run(int)
    assert isinstance(caught.value, Temporary)
    gate.set()
    await asyncio.gather(first, second)
    assert await lane.run(int) == 0
    await lane.close()


async def test_close_drains_and_refuses() -> None:
    lane = Lane("x", threads=3)
    gate = threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        gate.wait()
        done.append(number)

    jobs = [asyncio.create_task(lane.run(work, number)) for number in range(20)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(lane.close())
    await asyncio.sleep(0)
    with pytest.raises(Misuse):
        await lane.run(int)
    gate.set()
    await closing
    await asyncio.gather(*jobs)
    assert sorted(done) == list(range(20))
    await lane.close()
    assert not any(thread.name.startswith("x-") for thread in threading.enumerate())


async def test_a_cancelled_job_that_waits_is_skipped() -> None:
    lane = Lane("x")
    gate = threading.Event()
    ran: list[int] = []
    first = asyncio.create_task(lane.run(gate.wait))
    second = asyncio.create_task(lane.run(ran.append, 1))
    third = asyncio.create_task(lane.run(ran.append, 2))
    await asyncio.sleep(0)
    first.cancel()  # under way: runs on, nobody hears
    second.cancel()  # waits: never runs
    await asyncio.sleep(0)
    gate.set()
    await third
    assert ran == [2]
    assert lane.load == 0
    await lane.close()


async def test_several_threads_work_at_once() -> None:
    lane = Lane("x", threads=2)
    meet = threading.Barrier(2)
    assert sorted(await asyncio.gather(lane.run(meet.wait), lane.run(meet.wait))) == [0, 1]
    await lane.close()


def test_a_lane_outlives_its_loop() -> None:
    lane = Lane("x")
    gate = threading.Event()

    async def leave_behind() -> None:
        task = asyncio.create_task(lane.run(gate.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave_behind())
    gate.set()

    async def use_again() -> int:
        try:
            return await lane.run(int, "5")
        finally:
            await lane.close()

    assert asyncio.run(use_again()) == 5


@pytest.mark.parametrize(("threads", "bound"), [(0, 1), (1, 0)])
def test_misuse(threads: int, bound: int) -> None:
    with pytest.raises(Misuse):
        Lane("x", threads=threads, bound=bound)
