"""The rooms as ``PILLARBOX_COMPILE=1`` installs them do what their source does.

They are compiled once for a source and kept in build/. The tests of the rooms run on them in a
process of its own, which ends at once where a module of the table is not the compiled one, and so
does a whole house that takes a message and gives it out by IMAP and POP3. Tests that put something
in a module's place cannot: compiled modules do not look there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from support.tree import ROOT

WHERE = (
    "tests/wire/imap",
    "tests/wire/pop3",
    "tests/wire/smtp",
    "tests/message",
    "tests/app/test_demo.py::test_once_sends_reads_and_ends",
)


@pytest.mark.slow
@pytest.mark.timeout(900)  # most of it the C compiler's
def test_compiled_rooms_do_the_same() -> None:
    made = subprocess.run(
        ["scripts/compiled", "quick"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    around = {name: told for name, told in os.environ.items() if not name.startswith("PYTEST_")}
    around |= {"PYTHONPATH": made.stdout.splitlines()[-1], "PILLARBOX_COMPILED": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow",
        *WHERE,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=around, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"\d{3,} passed", done.stdout), done.stdout[-500:]
