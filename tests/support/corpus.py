"""The corpus of real and hostile messages, which lives outside the repository.

It is looked for where the environment variable PILLARBOX_CORPUS says, else in
`../shared/corpus` beside the checkout. A test asks for the fixture `corpus_file` (it then runs
once a message) or `corpus_files` (all of them); without the corpus it counts as could not run.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from support.tree import ROOT

ABSENT = "no message corpus (set PILLARBOX_CORPUS, or put it in ../shared/corpus)"


@functools.cache
def directory() -> Path | None:
    """Where the corpus is, None where there is none."""
    named = os.environ.get("PILLARBOX_CORPUS")
    place = Path(named) if named else ROOT.parent / "shared" / "corpus"
    return place if any(place.rglob("*.eml")) else None


@functools.cache
def files() -> tuple[Path, ...]:
    """Every message, in one order everywhere; empty without the corpus."""
    place = directory()
    return tuple(sorted(place.rglob("*.eml"))) if place else ()


def name(path: Path) -> str:
    """What a test's id calls a message: its path inside the corpus."""
    place = directory()
    return path.relative_to(place).as_posix() if place else path.name
