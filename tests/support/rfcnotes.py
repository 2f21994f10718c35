"""tests/transcripts/rfc-examples.txt: what the RFCs' dialogues need, or why one is not played."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.tree import ROOT

NOTES = ROOT / "tests" / "transcripts" / "rfc-examples.txt"


@dataclass(slots=True)
class Note:
    """`reason` is empty where the dialogue is played, after the set-up `given`."""

    reason: str = ""
    given: list[str] = field(default_factory=list)


def notes() -> dict[str, Note]:
    """By the name of the dialogue."""
    found: dict[str, Note] = {}
    note = Note()
    for line in NOTES.read_text("utf-8").splitlines():
        if line.startswith("    "):
            note.given.append(line.strip())
        elif line and not line.startswith("#"):
            name, _, reason = line.partition(" -- ")
            assert name not in found, f"{name} stands twice"
            note = found[name] = Note(reason)
    return found
