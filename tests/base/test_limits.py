"""Connection counts and token buckets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.limits import ConnectionLimits, Refusal, TokenBuckets, address_key


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not:an:address", "not:an:address"),
    ],
)
def test_address_key(ip: str, key: str) -> None:
    assert address_key(ip) == key


def test_total_and_per_address() -> None:
    limits = ConnectionLimits(3, 2)
    assert limits.acquire("192.0.2.1") is None
    assert limits.acquire("192.0.2.1") is None
    assert limits.acquire("192.0.2.1") is Refusal.ADDRESS
    assert limits.acquire("192.0.2.2") is None
    assert limits.acquire("192.0.2.3") is Refusal.TOTAL
    assert limits.open == 3
    limits.release("192.0.2.1")
    assert limits.acquire("192.0.2.1") is None
    for ip in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        limits.release(ip)
    assert limits.open == 0
    assert not limits._by_address
    with pytest.raises(RuntimeError):
        limits.release("192.0.2.1")


def test_neighbours_in_a_64_share() -> None:
    limits = ConnectionLimits(0, 1)
    assert limits.acquire("2001:db8::1") is None
    assert limits.acquire("2001:db8::2") is Refusal.ADDRESS
    assert limits.acquire("2001:db8:0:1::2") is None


def test_exempt_addresses_answer_to_the_total_only() -> None:
    limits = ConnectionLimits(3, 1, exempt=frozenset({"127.0.0.1"}))
    assert [limits.acquire("127.0.0.1") for _ in range(4)] == [None, None, None, Refusal.TOTAL]


def test_unix_sockets_are_not_one_address() -> None:
    limits = ConnectionLimits(3, 1)
    assert [limits.acquire("") for _ in range(4)] == [None, None, None, Refusal.TOTAL]


def test_no_limits() -> None:
    limits = ConnectionLimits()
    assert all(limits.acquire("192.0.2.1") is None for _ in range(1000))


def test_bucket_fills_at_its_rate() -> None:
    clock = Hand()
    buckets = TokenBuckets(rate=0.5, burst=3, clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("a") == buckets.wait("a") == 2.0
    assert buckets.take("b") == 0.0
    clock.at += 1.5
    assert buckets.take("a") == 0.5
    clock.at += 0.5
    assert buckets.wait("a") == 0.0
    assert buckets.take("a") == 0.0
    clock.at += 1000
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]
    buckets.forget("a")
    assert buckets.take("a", 3) == 0.0
    assert buckets.take("a", 4) == buckets.wait("a", 4) == math.inf


def test_bucket_that_never_fills() -> None:
    buckets = TokenBuckets(rate=0, burst=1, clock=Hand())
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == buckets.wait("a") == math.inf


def test_keys_are_bounded() -> None:
    buckets = TokenBuckets(rate=1, burst=1, clock=Hand(), max_keys=10)
    for number in range(100):
        assert buckets.take(str(number)) == 0.0
    assert len(buckets) == 10
    assert buckets.take("99") > 0


@given(st.lists(st.floats(0, 10), max_size=50), st.floats(0.1, 5), st.integers(1, 10))
def test_never_more_than_burst_and_rate(gaps: list[float], rate: float, burst: int) -> None:
    clock = Hand()
    start = clock.at
    buckets = TokenBuckets(rate, burst, clock)
    taken = 0
    for gap in gaps:
        clock.at += gap
        wait = buckets.take("k")
        taken += wait == 0.0
        assert taken <= burst + rate * (clock.at - start) + 1e-6
        if 0 < wait < math.inf:
            clock.at += wait + 1e-6
            assert buckets.take("k") == 0.0
            taken += 1
