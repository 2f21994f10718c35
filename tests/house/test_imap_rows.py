"""Every capability of IMAP has its dialogue, with three parts: what it is for, what UIDs and
expunges do to it, and what is refused."""

from __future__ import annotations

import re

import pytest

from pillarbox.wire.imap.capability import TABLE
from support.imappages import ROWS, dialogue_of

PARTS = ("main", "uids", "error")


@pytest.mark.parametrize("name", [row.name for row in TABLE if row.done])
def test_dialogue(name: str) -> None:
    path = dialogue_of(name)
    assert path.is_file(), f"{name} has no dialogue"
    parts = re.split(r"^# (main|uids|error)\b", path.read_text("utf-8"), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert tuple(found) == PARTS
    for part, text in found.items():
        left_out = part == "uids" and re.match(r": \w.{10,}\n", text)
        played = re.search(r"^C: ", text, re.MULTILINE) and re.search(r"^S: ", text, re.MULTILINE)
        assert left_out or played, f"{path.name}: {part} says nothing"


def test_no_dialogue_is_left_over() -> None:
    known = {dialogue_of(row.name).name for row in TABLE}
    assert {path.name for path in ROWS.glob("*.txt")} <= known
