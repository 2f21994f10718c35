"""Identifiers sort by time and never repeat; randomness is replayable where it should be."""

from __future__ import annotations

from pillarbox.base.ids import ALPHABET, ConnectionIds, Rng, SeededRng, SystemRng


class StoppedClock:
    def __init__(self, now: float) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def test_connection_ids_sort_and_never_repeat() -> None:
    clock = StoppedClock(1_795_446_300.123)
    ids = ConnectionIds(clock, SeededRng(1))
    first = [ids.next() for _ in range(3000)]
    clock.at -= 3600  # the machine's clock was set back
    second = [ids.next() for _ in range(3000)]
    clock.at += 7200
    third = ids.next()
    given = [*first, *second, third]
    assert given == sorted(given)
    assert len(set(given)) == len(given)
    assert {len(one) for one in given} == {11}
    assert set("".join(given)) <= set(ALPHABET)


def test_connection_ids_sort_over_restarts_and_differ_between_processes() -> None:
    early = ConnectionIds(StoppedClock(1000.0), SeededRng(1)).next()
    late = ConnectionIds(StoppedClock(4e9), SeededRng(2)).next()
    assert early < late
    a, b = (ConnectionIds(StoppedClock(5.0), SeededRng(seed)).next() for seed in (1, 2))
    assert a[:9] == b[:9] == "000000" + "4w8"  # 5000 = 4*1024 + 28*32 + 8
    assert a != b


def test_rngs() -> None:
    rngs: list[Rng] = [SystemRng(), SeededRng(7)]
    for rng in rngs:
        assert len(rng.token(20)) == 20
        assert set(rng.token(500)) == set(ALPHABET)
        assert len(rng.bytes(32)) == 32
        assert rng.bytes(16) != rng.bytes(16)
        assert all(2.0 <= rng.uniform(2.0, 3.0) <= 3.0 for _ in range(100))
    again = SeededRng(7)
    other = SeededRng(7)
    assert again.token(9) == other.token(9)
    assert again.uniform(0, 1) == other.uniform(0, 1)
