"""A few quick rounds of queue_rounds.py, and proof that it would notice what it looks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crash import queue_rounds
from crash.queue_rounds import Failed, Kill, Known, Taken, look

COPY = ("m-1", "r0@d1.test")


def test_quick_rounds() -> None:
    """Killed twice in mid-work."""
    script = Path(queue_rounds.__file__)
    words = ["--rounds", "2", "--messages", "40", "--longest", "1.5", "--look-every", "2"]
    done = subprocess.run(
        [sys.executable, script, *words], capture_output=True, text=True, timeout=115, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost" in done.stdout


class Empty:
    """A house where nothing waits and nobody was told of a failure, with a story of ``wrote``
    successes for every message."""

    wrote = 1

    def queue(self) -> list[dict[str, object]]:
        return []

    def say(self, command: str, *_: str) -> str:
        assert command == "why"
        event = {"kind": "attempted", "state": "done", "to": [COPY[1]]}
        return json.dumps({"stories": [{"events": [event] * self.wrote}]})


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    monkeypatch.setattr(queue_rounds, "reported", lambda house: set())  # noqa: ARG005
    made = Known()
    made.promised.add(COPY)
    made.kills.append(Kill(100.0, 101.0))
    return made


def seen(known: Known, wrote: int = 1) -> str:
    house: Any = Empty()
    house.wrote = wrote
    return look(house, known)


def test_what_was_taken_once_is_well(known: Known) -> None:
    known.taken[COPY] = [Taken(50.0, True)]
    assert "sent twice: 0" in seen(known)


def test_a_lost_message_is_noticed(known: Known) -> None:
    with pytest.raises(Failed, match="1 lost"):
        seen(known)


def test_a_second_copy_without_a_reason_is_noticed(known: Known) -> None:
    known.taken[COPY] = [Taken(50.0, True), Taken(60.0, True)]
    with pytest.raises(Failed, match="although it was answered"):
        seen(known)


def test_a_second_copy_with_a_reason_is_counted(known: Known) -> None:
    known.taken[COPY] = [Taken(50.0, False), Taken(99.5, True), Taken(105.0, True)]
    assert "sent twice: 1 where the peer hung up, 1 where the house was killed" in seen(known)


def test_a_peer_that_read_late_is_a_reason(known: Known) -> None:
    known.taken[COPY] = [Taken(100.5, True), Taken(105.0, True)]
    assert "1 where the house was killed" in seen(known)
    known.taken[COPY] = [Taken(101.5, True), Taken(105.0, True)]
    with pytest.raises(Failed, match="although it was answered"):
        seen(known)


@pytest.mark.parametrize("times", [(99.5, 100.5), (100.2, 100.7)])
def test_two_copies_by_a_house_that_was_killed_later_are_noticed(
    known: Known, times: tuple[float, float]
) -> None:
    """The peer read the second before the house was begun again: one life sent both."""
    known.taken[COPY] = [Taken(at, True) for at in times]
    with pytest.raises(Failed, match="although it was answered"):
        seen(known)


def test_a_second_copy_of_what_was_written_down_is_noticed(known: Known) -> None:
    known.taken[COPY] = [Taken(99.5, True), Taken(105.0, True)]
    with pytest.raises(Failed, match="although it was answered"):
        seen(known, wrote=2)


def test_a_story_that_is_silent_about_a_success_is_noticed(known: Known) -> None:
    known.taken[COPY] = [Taken(50.0, True)]
    with pytest.raises(Failed, match="does not tell"):
        seen(known, wrote=0)
