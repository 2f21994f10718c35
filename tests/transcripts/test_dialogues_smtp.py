"""The dialogues of tests/transcripts/smtp with real doors."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import transcript
from support.smtpstage import stage

ENGINE_ONLY = {
    "auth-plain": "submission takes no MAIL before login",
    "normalised": "submission takes no MAIL before login",
    "parameters-later": "submission takes no MAIL before login",
    "bdat-refused-swallows": "the house refuses no content before it came",
    "refused-data-body-is-commands": "the house refuses no content before it came",
    "refused-mail-pipelined": "the house refuses no sender of the open network",
    "turned-away": "the house turns clients away before a session begins",
}
"""Dialogues about answers that the engine can give and the house does not, with the reason."""

SCRIPTS = [path for path in transcript.scripts("smtp") if path.stem not in ENGINE_ONLY]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_dialogue(path: Path, tmp_path: Path) -> None:
    async with stage(path, tmp_path) as opened:
        await opened.play(path)


def test_nothing_is_left_out_without_need() -> None:
    assert set(ENGINE_ONLY) <= {path.stem for path in transcript.scripts("smtp")}
