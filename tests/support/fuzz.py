"""Random input for as long as the budget lasts.

A fuzz test hands its check and a hypothesis strategy to `fuzz`; rounds of examples, each from a
new seed, go on until PILLARBOX_FUZZ_SECONDS (2 unless set) have passed. A failure is shrunk and
shown by hypothesis, with the words that reproduce it; it then becomes a file of the corpus.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

ROUND = 200

T = TypeVar("T")


def seconds() -> float:
    """The time one fuzz test may take."""
    return float(os.environ.get("PILLARBOX_FUZZ_SECONDS", "2"))


def fuzz(check: Callable[[T], None], strategy: SearchStrategy[T]) -> int:
    """Give the check examples of the strategy until the time is up; how many it was given."""
    count = 0

    def one(example: T) -> None:
        nonlocal count
        count += 1
        check(example)

    once = settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    end = time.monotonic() + seconds()
    while True:
        once(given(strategy)(one))()
        if time.monotonic() >= end:
            return count
