"""Rewritten senders lead back, and only ours do."""

from __future__ import annotations

import pytest

from pillarbox.model.address import Address, parse_address
from pillarbox.policy.srs import Srs, is_rewritten

NOW = 1_700_000_000.0
DAY = 86_400.0
OURS, OTHER = Srs(b"0" * 32), Srs(b"1" * 32)


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["ann@x.test", "a=b=c@x.test", "Ann.Æ+x@x.test", "SRS0@x.test"])
def test_there_and_back(text: str) -> None:
    made = OURS.forward(address(text), "here.test", NOW)
    assert made.domain == "here.test"
    assert is_rewritten(made)
    assert OURS.back(made, NOW + 20 * DAY) == address(text)
    assert OURS.back(made, NOW + 22 * DAY) is None
    assert OTHER.back(made, NOW) is None
    lower = Address(made.local.lower(), made.domain)
    back = OURS.back(lower, NOW)
    assert back is not None
    assert str(back).lower() == text.lower()


def test_through_several_forwarders_it_leads_to_the_first() -> None:
    first = OURS.forward(address("ann@x.test"), "one.test", NOW)
    second = OTHER.forward(first, "two.test", NOW)
    third = Srs(b"2" * 32).forward(second, "three.test", NOW)
    assert third.local.startswith("SRS1=")
    assert Srs(b"2" * 32).back(third, NOW) == first
    assert OTHER.back(second, NOW) == first
    assert OURS.back(first, NOW) == address("ann@x.test")


@pytest.mark.parametrize(
    "text",
    [
        "SRS0=AAAAAAAA=AA=x.test=ann@here.test",
        "SRS0=@here.test",
        "SRS1=AAAAAAAA=x==y@here.test",
        "SRS2=a=b@here.test",
        "ann@here.test",
    ],
)
def test_what_others_made_up_leads_nowhere(text: str) -> None:
    assert OURS.back(address(text), NOW) is None


def test_our_own_senders_and_endless_ones_stay() -> None:
    assert OURS.forward(address("ann@Here.test"), "here.test", NOW) == address("ann@Here.test")
    long = Address("x" * 300, "x.test")
    assert OURS.forward(long, "here.test", NOW) == long
