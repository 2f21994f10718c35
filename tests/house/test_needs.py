"""The way a test says that it could not run, tried on a small run of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.tree import ROOT

pytestmark = pytest.mark.slow

INNER = """
import pytest
from support.needs import could_not_run

@pytest.mark.needs("no-such-program", module="no_such_module")
def test_named(): raise AssertionError("ran all the same")

def test_found_out(): could_not_run("too old")

@pytest.fixture
def server(): could_not_run("too old")

def test_fixture(server): raise AssertionError("ran all the same")

@pytest.mark.needs("sh", program="ls", module=("ast", "os"))
def test_has_all(): pass
"""
CONFTEST = """
from support import needs
def pytest_configure(config):
    config.addinivalue_line("markers", "needs: as in the house")
    config.pluginmanager.register(needs)
"""


def run(folder: Path, *words: str, strict: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_inner.py").write_text(INNER)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "PILLARBOX_STRICT": strict}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *words, "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_missing_parts_are_counted(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, *words)
    assert done.returncode == 0, done.stdout
    assert "COULD NOT RUN: 3 tests" in done.stdout
    assert "2  too old" in done.stdout
    assert "1  no program no-such-program, no module no_such_module" in done.stdout
    assert "1 passed, 3 skipped" in done.stdout.splitlines()[-1]


def test_missing_parts_fail_a_strict_run(tmp_path: Path) -> None:
    done = run(tmp_path, strict="1")
    assert done.returncode == 1
    assert "COULD NOT RUN: 3 tests" in done.stdout
    assert "1 passed" in done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]
