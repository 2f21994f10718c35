"""Every dialogue that the RFCs of the capabilities print, played with a real door.

tests/transcripts/rfc-examples.txt has the set-ups, and the reason for each that is not played.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pillarbox.wire.imap.capability import TABLE
from support import rfcnotes, rfcplay, rfctext
from support.needs import could_not_run

pytestmark = pytest.mark.slow  # not the dialogues one by one, but there are three hundred
MORE = (3501, 4315, 4466, 5530, 6154, 8457)
"""RFCs that capabilities share, or that have none of their own."""
_PRINTED = {int(number) for row in TABLE for number in re.findall(r"\b\d{4,5}\b", row.rfc)}
EXAMPLES = {
    example.name: example
    for number in sorted(_PRINTED | set(MORE))
    for example in rfctext.examples(number)
}
NOTES = rfcnotes.notes()
PLAYED = [name for name in EXAMPLES if not (name in NOTES and NOTES[name].reason)]


@pytest.mark.parametrize("name", PLAYED or ["none"])
async def test_example(name: str, tmp_path: Path) -> None:
    if not EXAMPLES:
        could_not_run(rfctext.ABSENT)
    given = NOTES[name].given if name in NOTES else []
    wrong = await rfcplay.play(EXAMPLES[name], given, tmp_path)
    assert not wrong, "\n".join(wrong)


def test_notes_are_about_dialogues_that_are_printed() -> None:
    if not EXAMPLES:
        could_not_run(rfctext.ABSENT)
    assert sorted(set(NOTES) - set(EXAMPLES)) == []


def test_most_are_played() -> None:
    if not EXAMPLES:
        could_not_run(rfctext.ABSENT)
    assert len(PLAYED) >= 294
