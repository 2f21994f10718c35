"""Sessions and a model do the same at random, for as long as there is time."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.fuzz import seconds
from support.imapmachine import Machine, OnDisk

ROUND = 5
STEPS = 60


@pytest.mark.parametrize("machine", [Machine, OnDisk])
def test_sessions_and_model_agree(machine: type[Machine]) -> None:
    once = settings(
        max_examples=ROUND,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    end = time.monotonic() + seconds()
    while True:
        run_state_machine_as_test(machine, settings=once)
        if time.monotonic() >= end:
            return
