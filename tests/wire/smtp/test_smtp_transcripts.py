"""Every dialogue of tests/transcripts/smtp, in whole packets and octet by octet."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import transcript
from support.smtpdoor import SmtpDoor, options_of

SCRIPTS = transcript.scripts("smtp")


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_dialogue(path: Path, bytewise: bool) -> None:
    first = transcript.read(path)[0]
    assert first.kind == "@", "a dialogue begins with the kind of listener"
    words = first.text.split()
    silent = "silent" in words  # the dialogue says itself when the greeting comes
    options, tls = options_of([word for word in words if word != "silent"])
    door = SmtpDoor(options, tls=tls, bytewise=bytewise)

    def control(word: str) -> bytes:
        return b"" if word == first.text else door.control(word)

    transcript.play(path, door.talk, control, b"" if silent else door.greet())


def test_there_are_enough_of_them() -> None:
    assert len(SCRIPTS) >= 40
