"""Whom nobody knows comes again; whom somebody knows does not wait."""

from __future__ import annotations

import pytest

from pillarbox.filters.greylist import COME_AGAIN, MOST, SEEN, Greylist, Options, network_of
from pillarbox.model.address import Address
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock

ANN, BOB = Address("ann", "here.test"), Address("bob", "far.test")


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.list = self.again()

    def again(self) -> Greylist:
        return Greylist(self.store, self.clock, Options(exempt=lambda ip: ip == "192.0.2.250"))


async def test_who_comes_again_is_known() -> None:
    stage = Stage()
    assert await stage.list("192.0.2.1", BOB, ANN) is COME_AGAIN
    await stage.clock.advance(299)
    assert await stage.list("192.0.2.1", BOB, ANN) is COME_AGAIN
    stage.list = stage.again()  # a restart forgets nothing
    await stage.clock.advance(2)
    assert await stage.list("192.0.2.77", BOB, ANN) is None  # a neighbour of its network
    assert await stage.list("192.0.2.1", None, Address("eve", "here.test")) is None
    assert await stage.list("198.51.100.1", BOB, ANN) is COME_AGAIN
    await stage.clock.advance(37 * 86_400)
    assert await stage.list("192.0.2.1", BOB, ANN) is COME_AGAIN


async def test_who_comes_too_late_begins_anew() -> None:
    stage = Stage()
    await stage.list("192.0.2.1", BOB, ANN)
    await stage.clock.advance(3 * 86_400)
    assert await stage.list("192.0.2.1", BOB, ANN) is COME_AGAIN
    await stage.clock.advance(301)
    assert await stage.list("192.0.2.1", BOB, ANN) is None


async def test_somebody_else_does_not_count() -> None:
    stage = Stage()
    await stage.list("192.0.2.1", BOB, ANN)
    await stage.clock.advance(301)
    assert await stage.list("192.0.2.1", Address("eve", "far.test"), ANN) is COME_AGAIN
    assert await stage.list("192.0.2.250", BOB, ANN) is None


async def test_a_flood_is_not_written_down() -> None:
    stage = Stage()
    for n in range(MOST * 3):
        assert await stage.list("192.0.2.1", Address(f"x{n}", "far.test"), ANN) is COME_AGAIN
    assert len(await stage.store.recall(SEEN, now=stage.clock.now())) == MOST


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.9", "192.0.2.0/24"),
        ("::ffff:192.0.2.9", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("nothing", ""),
    ],
)
def test_networks(ip: str, network: str) -> None:
    assert network_of(ip) == network
