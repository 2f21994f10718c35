"""The dialogues of tests/transcripts/imap with a real door."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import transcript
from support.imapstage import stage


@pytest.mark.parametrize("path", transcript.scripts("imap"), ids=lambda path: path.stem)
async def test_dialogue(path: Path, tmp_path: Path) -> None:
    async with stage(path, tmp_path) as opened:
        await opened.play(path)
