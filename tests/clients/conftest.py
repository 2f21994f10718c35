"""One server process for all clients of a test process; every test has accounts of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.served import Served, crlf, environment, served

LIMIT = 60
"""Seconds a client program may take."""

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def house(server: Served, request: pytest.FixtureRequest) -> Iterator[Served]:
    """The server; after the test its log must not speak of bugs."""
    since = server.log.stat().st_size
    request.node.stash[SINCE] = (server, since)
    yield server
    assert server.process.poll() is None, server.tail(since)
    assert not server.complaints(since)


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """Run a client program in a directory and home of its own.

    What it printed comes back; a status that is not in ``status`` fails the test.
    """

    def run(
        *command: object,
        stdin: bytes | str = b"",
        status: int | Sequence[int] = 0,
        cwd: Path = tmp_path,
        **env: str,
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env=environment(tmp_path, **env),
            cwd=cwd,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        wanted = (status,) if isinstance(status, int) else tuple(status)
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        request.node.add_report_section("call", " ".join(map(str, command[:1])), said[-20_000:])
        assert done.returncode in wanted, f"{command[0]}: status {done.returncode}\n{said[-8000:]}"
        return done

    return run


_TAKE = """\
import os, sys, tempfile
handle, _ = tempfile.mkstemp(dir=sys.argv[1])
os.write(handle, sys.stdin.buffer.read())
"""


class Agent:
    """A program that mail is handed to, one message a run; it keeps each in a file."""

    def __init__(self, directory: Path) -> None:
        self._got = directory / "got"
        self._got.mkdir()
        self._program = directory / "take.py"
        self._program.write_text(_TAKE)
        self.command = [sys.executable, str(self._program), str(self._got)]

    @property
    def got(self) -> list[bytes]:
        """What was handed over, with the line ends of the wire, in some fixed order."""
        return sorted(crlf(path.read_bytes().splitlines()) for path in self._got.iterdir())

    @property
    def bodies(self) -> list[bytes]:
        """The same without headers, to which some clients add."""
        return sorted(message.partition(b"\r\n\r\n")[2] for message in self.got)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


SINCE = pytest.StashKey[tuple[Served, int]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, pytest.TestReport]:
    """Show what the server said during a test that failed."""
    report: pytest.TestReport = yield
    if report.failed and SINCE in item.stash:
        house, since = item.stash[SINCE]
        report.sections.append(("server log", house.tail(since)))
    return report
