"""Every dialogue of tests/transcripts/imap, in whole packets and octet by octet."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import transcript
from support.imapdoor import ImapDoor

SCRIPTS = transcript.scripts("imap")


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_dialogue(path: Path, bytewise: bool) -> None:
    steps = transcript.read(path)
    door = ImapDoor(secure=any(step.text == "secure" for step in steps), bytewise=bytewise)

    def control(word: str) -> bytes:
        if word == "closed":
            assert door.closed
            return b""
        if word == "injected":
            assert door.injected
            return b""
        return b"" if word == "secure" else door.control(word)

    transcript.play(path, door.talk, control, door.greet())


def test_there_are_enough_of_them() -> None:
    assert len(SCRIPTS) >= 40
