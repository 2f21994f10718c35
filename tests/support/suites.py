"""The public test suites, which live outside the repository.

They are looked for where the environment variable PILLARBOX_SUITES says, else in
`../shared/suites` beside the checkout; a test of a suite that is absent could not run.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from support.tree import ROOT

ABSENT = "no public test suites (set PILLARBOX_SUITES, or put them in ../shared/suites)"


@functools.cache
def find(name: str) -> Path | None:
    """The file ``name`` of the suites, None where it is not."""
    named = os.environ.get("PILLARBOX_SUITES")
    path = (Path(named) if named else ROOT.parent / "shared" / "suites") / name
    return path if path.is_file() else None
