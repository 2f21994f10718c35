"""DELIVERBY, FUTURERELEASE and MT-PRIORITY as values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pillarbox.model.address import Address
from pillarbox.model.transaction import Envelope, Recipient, Remote
from pillarbox.queue.outcome import DAY, HOUR, Policy, Times, times
from pillarbox.queue.wishes import By, deliver_by, passed_notify, passed_on, priority, release
from support.people import envelope

AT = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def asked(**params: str | None) -> Envelope:
    env = envelope(at=AT)
    return replace(env, sender=replace(env.sender, params=params))


@pytest.mark.parametrize(
    ("value", "expected", "left"),
    [
        ("120;R", By(AT + 120, True), "20;R"),
        ("120;NT", By(AT + 120, False, True), "20;NT"),
        ("60;n", By(AT + 60, False), "-40;N"),
        ("60;R", By(AT + 60, True), "1;R"),
        ("-5;N", By(AT - 5, False), "-105;N"),
        ("soon", None, ""),
        (None, None, ""),
    ],
)
def test_deliver_by(value: str | None, expected: By | None, left: str) -> None:
    found = deliver_by(asked(BY=value))
    assert found == expected
    if found is not None:
        assert passed_on(found, AT + 100) == left


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, AT),
        ({"HOLDFOR": "90"}, AT + 90),
        ({"HOLDUNTIL": "2023-11-15T00:00:00Z"}, AT + 6400),
        ({"HOLDUNTIL": "2023-11-15T00:00:00+01:00"}, AT + 2800),
        ({"HOLDUNTIL": "1999-01-01T00:00:00Z"}, AT),
        ({"HOLDUNTIL": "tomorrow"}, AT),
        ({"HOLDFOR": "x"}, AT),
    ],
)
def test_release(params: dict[str, str], expected: float) -> None:
    assert release(asked(**params)) == expected


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("-9", -9), ("x", 0), (None, 0)])
def test_priority(value: str | None, expected: int) -> None:
    assert priority(asked(**{"MT-PRIORITY": value})) == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, Times(AT + 5 * DAY, AT + 4 * HOUR)),
        ({"HOLDFOR": "3600"}, Times(AT + 5 * DAY + HOUR, AT + 5 * HOUR)),
        ({"BY": "60;R"}, Times(AT + 60, AT + 4 * HOUR, strict=True)),
        ({"BY": "60;N"}, Times(AT + 5 * DAY, AT + 60)),
        ({"BY": "99999999;R"}, Times(AT + 5 * DAY, AT + 4 * HOUR)),
    ],
)
def test_times(params: dict[str, str], expected: Times) -> None:
    assert times(asked(**params), AT, Policy()) == expected


@pytest.mark.parametrize(
    ("goals", "notify", "passed"),
    [
        (1, ["SUCCESS", "DELAY"], ["SUCCESS", "DELAY"]),
        (2, [], []),
        (2, ["FAILURE"], ["FAILURE"]),
        (2, ["SUCCESS", "FAILURE"], ["FAILURE"]),
        (2, ["SUCCESS"], ["NEVER"]),
    ],
)
def test_what_the_goals_of_an_alias_shall_tell(
    goals: int, notify: list[str], passed: list[str]
) -> None:
    to = Recipient(Address("a", "x.test"), (Remote("b@y.test"),) * goals, frozenset(notify))
    assert passed_notify(to) == frozenset(passed)
