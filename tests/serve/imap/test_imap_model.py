"""Random interleavings of several sessions against a model; `tests/fuzz` has the long form."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.imapmachine import Machine, OnDisk


@pytest.mark.parametrize(
    ("machine", "examples"), [(Machine, 8), pytest.param(OnDisk, 4, marks=pytest.mark.slow)]
)
def test_sessions_and_model_agree(machine: type[Machine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_lost_before_an_expunge_was_told() -> None:
    machine = Machine()
    machine.begin()
    try:
        for known in (1, 2, 3):
            machine.slip(0, frozenset({known}), known)
    finally:
        machine.teardown()
