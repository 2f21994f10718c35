"""Sieve scripts as the RFCs print them.

The texts live outside the repository: where the environment variable PILLARBOX_RFCS says, else in
`../shared/rfc` beside the checkout.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from support.tree import ROOT

ABSENT = "no texts of RFCs (set PILLARBOX_RFCS, or put them in ../shared/rfc)"

_FURNITURE = re.compile(r"^(?:RFC \d+ .*|\S.*\[Page \d+\]|\f.*|Internet Draft .*|Expires: .*)$")
_START = re.compile(r"^(\s+)(?:Example(?: \d+)?(?: \([a-z]+\))?:\s*)?(?=require\b)", re.IGNORECASE)


def directory() -> Path | None:
    """Where the texts are, None where they are not."""
    named = os.environ.get("PILLARBOX_RFCS")
    path = Path(named) if named else ROOT.parent / "shared" / "rfc"
    return path if path.is_dir() else None


def lines_of(path: Path) -> list[str]:
    """The text without what belongs to its pages."""
    text = path.read_text("latin-1").replace("\f", "\n")
    return [line for line in text.split("\n") if not _FURNITURE.match(line)]


def scripts(path: Path) -> Iterator[str]:
    """Everything printed that begins with ``require`` and stands apart from prose."""
    lines = lines_of(path)
    at = 0
    while at < len(lines):
        found = _START.match(lines[at])
        if found is None:
            at += 1
            continue
        indent = found.end()
        block = [lines[at][found.end() :]]
        at += 1
        margin = len(found[1])
        text = False
        while at < len(lines):
            line = lines[at]
            body = line[indent:] if line[:indent].isspace() or not line else line.strip()
            depth = len(line) - len(line.lstrip())
            if not text and (_START.match(line) or (line.strip() and depth < margin)):
                break
            block.append(body if line.strip() else "")
            text = (text and line.strip() != ".") or bool(re.search(r"\btext:\s*$", line))
            at += 1
        yield "\n".join(block).rstrip() + "\n"
