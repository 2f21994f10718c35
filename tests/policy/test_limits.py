"""How much may be sent, and when it does not look like its owner: the tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.model.account import Account
from pillarbox.model.sending import HOUR, Hour, Sending
from pillarbox.policy import limits
from pillarbox.policy.limits import DAY, NONE_AT_ALL, Options, allowance, network_of, suspicion

NOW = 1_700_000_000 // HOUR * HOUR + HOUR / 2
"""Half past."""
THIS = int(NOW // HOUR) * HOUR
ANN = Account(1, "ann@example.test")
OPTIONS = Options(hour=100, day=300, burst=60, failures=20)
HOME, AWAY = "192.0.2.0/24", "198.51.100.0/24"


def hours(*counts: tuple[int, int], failures: int = 0) -> Sending:
    """(hours ago, recipients); ``failures`` are of this hour."""
    found = [Hour(THIS - ago * HOUR, count) for ago, count in sorted(counts, reverse=True)]
    if failures:
        found = [replace(h, failures=failures) if h.start == THIS else h for h in found]
    return Sending(tuple(found), ((HOME, NOW - 9 * DAY, NOW),))


@pytest.mark.parametrize(
    ("own", "sent", "left"),
    [
        ({}, hours(), 100),
        ({}, hours((0, 40)), 60),
        ({}, hours((0, 40), (1, 40)), 40),  # half of the hour before is still inside
        ({}, hours((0, 150)), 0),
        ({}, hours((2, 250)), 50),  # the day is the stricter one
        ({}, hours((24, 250)), 100),  # half of 250 was within a day
        ({}, hours((25, 5000)), 100),
        ({"hour_limit": 10}, hours((0, 4)), 6),
        ({"day_limit": 10}, hours((5, 4)), 6),
        ({"hour_limit": 5000, "day_limit": 9000}, hours((0, 400)), 4600),
    ],
)
def test_what_is_left(own: dict[str, int], sent: Sending, left: int) -> None:
    found = allowance(replace(ANN, **own), sent, NOW, OPTIONS)  # type: ignore[arg-type]
    assert found.left == left
    assert found.reply.temporary
    assert "try again later" in found.reply.text


def test_none_at_all_and_no_limit() -> None:
    for field in ("hour_limit", "day_limit"):
        found = allowance(replace(ANN, **{field: -1}), hours(), NOW, OPTIONS)  # type: ignore[arg-type]
        assert (found.left, found.reply) == (0, NONE_AT_ALL)
    assert allowance(ANN, hours((0, 9999)), NOW, Options(0, 0)).left is None


@pytest.mark.parametrize(
    ("sent", "new", "network", "held"),
    [
        (hours(), 59, HOME, False),
        (hours(), 60, HOME, True),  # nothing like it before
        (hours((0, 50)), 10, HOME, True),
        (hours((48, 20)), 60, HOME, False),  # not far above what is usual
        (hours((48, 11)), 60, HOME, True),
        (hours((3, 60)), 60, HOME, True),  # yesterday's burst makes today's not usual
        (hours((48, 2)), 15, AWAY, True),  # from elsewhere less is enough
        (hours((48, 2)), 15, HOME, False),
        (hours((48, 8)), 15, AWAY, False),
        (hours((0, 40), (48, 50), failures=19), 1, HOME, False),
        (hours((0, 40), (48, 50), failures=20), 1, HOME, True),
        (hours((0, 70), (48, 50), failures=20), 1, HOME, False),  # a list with some dead addresses
    ],
)
def test_what_looks_stolen(sent: Sending, new: int, network: str, held: bool) -> None:
    assert bool(suspicion(ANN, sent, new, network, NOW, OPTIONS)) is held


def test_who_was_given_a_limit_may_use_it() -> None:
    trusted = replace(ANN, hour_limit=500)
    assert suspicion(trusted, hours(), 400, AWAY, NOW, OPTIONS) == ""
    assert suspicion(ANN, hours(), 400, AWAY, NOW, replace(OPTIONS, burst=0)) == ""


def test_a_new_account_comes_from_nowhere_strange() -> None:
    fresh = Sending((), ((HOME, NOW - 5, NOW),))
    assert not limits.is_strange(fresh, AWAY, NOW)
    assert limits.is_strange(hours(), AWAY, NOW)
    assert not limits.is_strange(hours(), "", NOW)


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("", ""),
        ("unix", ""),
    ],
)
def test_networks(ip: str, network: str) -> None:
    assert network_of(ip) == network
