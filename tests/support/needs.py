"""A test that cannot run says so, and is counted.

`@pytest.mark.needs("swaks", module="imapclient", corpus=True)` names the parts of the machine
that a test drives. Where one is missing the test is reported as "could not run", with the
reason, and the run ends with a loud count; with PILLARBOX_STRICT=1 such a test fails. A test
that finds out only while running calls `could_not_run(reason)`. Plain `pytest.skip` is not used:
a skip nobody reads is a part nobody tests (`tests/house` keeps it so).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import NoReturn

import _pytest.outcomes
import pytest

from support import corpus

PROPERTY = "could not run"


class CouldNotRun(_pytest.outcomes.Skipped):
    """A part of the machine is missing; carries the reason."""


def could_not_run(reason: str) -> NoReturn:
    """End the running test as one that could not run."""
    raise CouldNotRun(reason, _use_item_location=True)


def strict() -> bool:
    """Whether a missing part fails the run."""
    return os.environ.get("PILLARBOX_STRICT", "") not in {"", "0"}


def _names(value: object) -> Iterable[str]:
    return (value,) if isinstance(value, str) else tuple(value) if value else ()  # type: ignore[arg-type]


def _programs(value: object) -> Iterable[str]:
    return (f"no program {name}" for name in _names(value) if shutil.which(name) is None)


def _modules(value: object) -> Iterable[str]:
    return (f"no module {name}" for name in _names(value) if not importlib.util.find_spec(name))


def _corpus(value: object) -> Iterable[str]:
    return (corpus.ABSENT,) if value and corpus.directory() is None else ()


KINDS: Mapping[str, Callable[[object], Iterable[str]]] = {
    "program": _programs,
    "module": _modules,
    "corpus": _corpus,
}


def missing(mark: pytest.Mark) -> list[str]:
    """What the mark asks for and this machine has not, as reasons; a wrong word is a UsageError."""
    wrong = set(mark.kwargs) - set(KINDS)
    if wrong:
        raise pytest.UsageError(f"needs() knows {', '.join(KINDS)}, not {', '.join(sorted(wrong))}")
    asked = [("program", mark.args), *mark.kwargs.items()]
    return [reason for kind, value in asked for reason in KINDS[kind](value)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture starts a server that nobody could talk to."""
    reasons = [reason for mark in item.iter_markers("needs") for reason in missing(mark)]
    if reasons:
        could_not_run(", ".join(dict.fromkeys(reasons)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Mark the report, so that it is counted on the other side of xdist too."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, CouldNotRun):
        reason = str(call.excinfo.value)
        report.user_properties.append((PROPERTY, reason))
        if strict():
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} could not run: {reason}"
    return report


def _reasons(reports: Iterable[object]) -> list[str]:
    return [
        str(reason)
        for report in reports
        for name, reason in getattr(report, "user_properties", ())
        if name == PROPERTY
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested here."""
    stats = terminalreporter.stats
    reports = [report for kind in ("skipped", "failed", "error") for report in stats.get(kind, [])]
    counted = Counter(_reasons(reports))
    if not counted:
        return
    terminalreporter.section(f"COULD NOT RUN: {counted.total()} tests", red=True, bold=True)
    for reason, count in counted.most_common():
        terminalreporter.line(f"{count:5}  {reason}")
    terminalreporter.line("What these tests watch over is not known to work on this machine.")
