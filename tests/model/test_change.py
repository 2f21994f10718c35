"""Changes on their way to other processes."""

from __future__ import annotations

import copy

from pillarbox.model.change import Added, Arrived


def test_other_processes_are_not_told_what_was_found_out() -> None:
    here = Added(1, 2, 3, [Arrived(7, 1, 300)], ("word",), facts=[object()])
    there = copy.copy(here)  # by the way that pickling goes
    assert there == here == Added(1, 2, 3, [Arrived(7, 1, 300)], ("word",))
    assert there.facts == ()
