"""Whom answers keep waiting, and for how long."""

from __future__ import annotations

import asyncio

from pillarbox.policy import tarpit
from pillarbox.policy.tarpit import Options, Tarpit
from pillarbox.testing.clock import FakeClock

BAD, GOOD = "192.0.2.1", "192.0.2.2"


def test_only_who_goes_on_and_on() -> None:
    pit = Tarpit(FakeClock(), Options(3.0, 3))
    for _ in range(2):
        pit.blame(BAD)
    assert pit.delay(BAD) == 0.0
    pit.blame(BAD)
    assert (pit.delay(BAD), pit.delay(GOOD)) == (3.0, 0.0)


def test_who_is_listed_waits_at_once() -> None:
    pit = Tarpit(FakeClock(), Options(3.0, 100))
    pit.blame(BAD, listed=True)
    assert pit.delay(BAD) == 3.0


def test_bounds() -> None:
    pit = Tarpit(FakeClock(), Options(1e9, 1, exempt=lambda ip: ip == GOOD))
    pit.blame(BAD)
    pit.blame(GOOD)
    assert (pit.delay(BAD), pit.delay(GOOD)) == (tarpit.LONGEST, 0.0)
    for n in range(tarpit.REMEMBERED):
        pit.blame(f"10.0.{n >> 8}.{n & 255}")
    assert pit.delay(BAD) == 0.0  # the oldest is forgotten
    assert Tarpit(FakeClock(), Options(0.0, 1)).delay(BAD) == 0.0


async def test_it_is_forgotten_after_a_while() -> None:
    clock = FakeClock()
    pit = Tarpit(clock, Options(3.0, 2, memory=60.0))
    pit.blame(BAD)
    await clock.advance(61.0)
    pit.blame(BAD)
    assert pit.delay(BAD) == 0.0  # the first one no longer counts
    pit.blame(BAD)
    assert pit.delay(BAD) == 3.0
    await clock.advance(61.0)
    assert pit.delay(BAD) == 0.0


async def test_waiting_ends_by_time_or_when_the_server_goes_down() -> None:
    clock = FakeClock()
    pit = Tarpit(clock, Options(3.0, 1))
    pit.blame(BAD)
    going = asyncio.Event()
    one = asyncio.create_task(pit.hold(BAD, lambda: False))
    two = asyncio.create_task(pit.hold(BAD, going.is_set))
    await clock.advance(2.9)
    assert not one.done()
    assert not two.done()
    going.set()
    await clock.advance(0.1)
    assert one.done()
    assert two.done()


async def test_few_wait_at_once() -> None:
    clock = FakeClock()
    pit = Tarpit(clock, Options(3.0, 1))
    pit.blame(BAD)
    held = [asyncio.create_task(pit.hold(BAD, lambda: False)) for _ in range(tarpit.WAITING)]
    await asyncio.sleep(0)
    await pit.hold(BAD, lambda: False)  # one too many is answered at once
    await clock.advance(3.0)
    assert all(one.done() for one in held)
    assert pit.delay(BAD) == 3.0
