"""Changes on their way to other processes."""

from __future__ import annotations

import copy

from pillarbox.model.change import Added, Arrivals, Arrived, arrivals


def test_other_processes_are_not_told_what_was_found_out() -> None:
    here = Added(1, 2, 3, [Arrived(7, 1)], ("word",), facts=[object()])
    there = copy.copy(here)  # by the way that pickling goes
    assert there == here == Added(1, 2, 3, [Arrived(7, 1)], ("word",))
    assert there.facts == ()


def test_thousands_that_arrive_are_columns() -> None:
    many = Arrivals(range(5, 5_005), [0, 1] * 2_500)
    there = copy.copy(many)  # by the way that pickling goes
    assert list(there) == list(many) == [Arrived(uid, (uid - 5) % 2) for uid in range(5, 5_005)]
    assert list(many[2:4]) == [Arrived(7, 0), Arrived(8, 1)]
    assert arrivals(many) is many
    some = arrivals(list(many)[:3])
    assert (list(some.uids), list(some.flags)) == ([5, 6, 7], [0, 1, 0])
