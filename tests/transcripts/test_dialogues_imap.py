"""The dialogues of tests/transcripts/imap with a real door, and those of imap-door, which are about
mailboxes more than about the protocol; imap-rows has one of each capability,
imap-quirks one of each thing that clients are known to trip over."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import transcript
from support.imapstage import stage

SCRIPTS = [
    script
    for folder in ("imap", "imap-door", "imap-rows", "imap-quirks")
    for script in transcript.scripts(folder)
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_dialogue(path: Path, tmp_path: Path) -> None:
    async with stage(path, tmp_path) as opened:
        await opened.play(path)
