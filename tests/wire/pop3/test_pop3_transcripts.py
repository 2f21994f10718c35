"""Every dialogue of tests/transcripts/pop3, in whole packets and octet by octet."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import transcript
from support.pop3door import Pop3Door

SCRIPTS = transcript.scripts("pop3")


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_dialogue(path: Path, bytewise: bool) -> None:
    steps = transcript.read(path)
    door = Pop3Door(secure=any(step.text == "secure" for step in steps), bytewise=bytewise)

    def control(word: str) -> bytes:
        if word.startswith("removed"):
            assert door.removed == [int(n) for n in word.split()[1:]]
            return b""
        if word == "closed":
            assert door.closed
            return b""
        if word.startswith("injected"):
            assert door.injected > 0
            return b""
        return b"" if word == "secure" else door.control(word)

    transcript.play(path, door.talk, control, door.greet())


def test_there_are_enough_of_them() -> None:
    assert len(SCRIPTS) >= 40
