"""rspamd, ClamAV and opendkim as the machine has them, started for a test and stopped by it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*"
EICAR_MD5 = "44d88612fea8a8f36de82e1278abb02f"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], log: Path, place: tuple[str, int] | str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program, from when it listens until the end of the block. It may be killed meanwhile."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        end = time.monotonic() + PATIENCE
        while not _listens(place):
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{command[0]} does not listen: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """At once, with all the processes that it started itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _listens(place: tuple[str, int] | str) -> bool:
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(1)
        try:
            sock.connect(place)
        except OSError:
            return False
    return True


@contextmanager
def rspamd(directory: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``host:port`` of a worker without any network of its own."""
    port = free_port()
    (directory / "tld").write_text("com\ntest\n")  # the whole list takes long to load
    config = directory / "rspamd.conf"
    config.write_text(
        f"""
options {{
    pidfile = "{directory}/rspamd.pid"; filters = ""; gtube_patterns = "all";
    hs_cache_dir = "{directory}"; tempdir = "{directory}"; url_tld = "{directory}/tld";
    dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "warning"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
actions {{ reject = 15; add_header = 6; }}
"""
    )
    command = ["rspamd", "-f", "-i", "-c", str(config)]
    with running(command, directory / "rspamd.log", ("127.0.0.1", port)) as process:
        yield f"127.0.0.1:{port}", process


@contextmanager
def clamd(directory: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The socket of a daemon that knows one virus."""
    database = directory / "db"
    database.mkdir()
    (database / "test.hdb").write_text(f"{EICAR_MD5}:{len(EICAR)}:Eicar-Test\n")
    path = directory / "clamd.sock"
    config = directory / "clamd.conf"
    config.write_text(
        f"LocalSocket {path}\nDatabaseDirectory {database}\nForeground yes\nMaxThreads 2\n"
        f"TemporaryDirectory {directory}\n"
    )
    command = ["clamd", "-c", str(config)]
    with running(command, directory / "clamd.log", str(path)) as process:
        yield str(path), process


@contextmanager
def opendkim(directory: Path, keys: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A milter that verifies with these keys (lines of name and record) and refuses what fails."""
    port = free_port()
    (directory / "keys").write_text(keys)
    config = directory / "opendkim.conf"
    config.write_text(
        f"Mode v\nSocket inet:{port}@127.0.0.1\nOn-BadSignature reject\nSyslog no\n"
        f"TestPublicKeys {directory}/keys\nAuthservID milter.test\nRequireSafeKeys no\n"
    )
    command = ["opendkim", "-f", "-x", str(config)]
    with running(command, directory / "opendkim.log", ("127.0.0.1", port)) as process:
        yield f"inet:{port}@127.0.0.1", process
