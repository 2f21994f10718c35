"""The cache of right passwords: short, bounded, bound to what is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.auth.cache import SuccessCache
from pillarbox.base.ids import SeededRng
from pillarbox.model.account import Credentials
from pillarbox.testing.clock import FakeClock

KEPT = Credentials("$argon2id$one")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def cache(clock: FakeClock, entries: int = 10, seed: int = 1) -> SuccessCache:
    return SuccessCache(clock, SeededRng(seed), seconds=60.0, entries=entries)


async def test_it_holds_for_a_minute_however_often_it_is_asked(clock: FakeClock) -> None:
    held = cache(clock)
    digest = held.digest(1, "sesame", KEPT)
    assert not held.holds(digest)
    held.add(digest)
    await clock.advance(59)
    assert held.holds(digest)
    await clock.advance(1)
    assert not held.holds(digest)


def test_every_part_counts(clock: FakeClock) -> None:
    held = cache(clock)
    digests = [
        held.digest(1, "sesame", KEPT),
        held.digest(2, "sesame", KEPT),
        held.digest(1, "Sesame", KEPT),
        held.digest(1, "sesame", replace(KEPT, argon2="$argon2id$two")),
        held.digest(1, "esesame", replace(KEPT, argon2="$argon2id$on")),
        cache(clock, seed=2).digest(1, "sesame", KEPT),
    ]
    assert len(set(digests)) == len(digests)
    assert held.digest(1, "\ud800", KEPT)
    assert not any(b"sesame" in digest for digest in digests)


async def test_it_is_bounded_and_lets_go_of_the_oldest(clock: FakeClock) -> None:
    held = cache(clock, entries=3)
    for number in range(5):
        held.add(held.digest(number, "x", KEPT))
    assert len(held) == 3
    assert [held.holds(held.digest(n, "x", KEPT)) for n in range(5)] == [False] * 2 + [True] * 3
    await clock.advance(61)
    held.add(held.digest(9, "x", KEPT))
    assert len(held) == 1


async def test_adding_again_prolongs(clock: FakeClock) -> None:
    held = cache(clock)
    digest = held.digest(1, "x", KEPT)
    held.add(digest)
    await clock.advance(40)
    held.add(digest)
    await clock.advance(40)
    assert held.holds(digest)
    assert len(held) == 1
