"""Debian's mail servers, several beside each other, though Debian lets only one be installed.

Each is unpacked below ``.debian/`` and runs in mount and process namespaces of its own: its files
lie over ``/usr``, made-up ones over ``/etc``, and its spool is memory. When the box is closed every
process in it is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.needs import could_not_run
from support.tree import ROOT

UNPACKED = ROOT / ".debian"
PEOPLE = ("postfix", "opensmtpd", "opensmtpq", "Debian-exim", "keeper")
"""System users that the packages want, and one that owns delivered mail."""
GROUPS = (*PEOPLE, "postdrop")
FIRST_ID = 7100
PATIENCE = 20.0

_SCRIPT = """\
set -e
mount -t proc proc /proc
mount -t overlay overlay -o lowerdir="$UNPACKED/usr:/usr" /usr
mount -t overlay overlay -o lowerdir="$BOX/etc:/etc" /etc
for place in /var/spool /var/lib /var/log /var/mail /run; do mount -t tmpfs tmpfs "$place"; done
mount --bind "$BOX/mail" /srv
cd /
/bin/sh -ec "$COMMAND" &  # not exec: a set-uid program would outlive the box
wait $!
"""


def unpacked(package: str) -> Path:
    """Where a package lies; the test could not run where it does not."""
    if not (UNPACKED / package / "usr").is_dir():
        could_not_run(f"no package {package} unpacked: run scripts/debian-packages")
    return UNPACKED / package


@cache
def why_no_boxes() -> str:
    """Why no namespaces can be made here; '' where they can."""
    if os.geteuid() != 0:
        return "mount namespaces need root"
    if shutil.which("unshare") is None:
        return "no program unshare"
    lowest = UNPACKED / "postfix" / "usr"
    script = f'mount -t overlay overlay -o lowerdir="{lowest}:/usr" /usr'
    command = ["unshare", "--mount", "sh", "-c", script]
    tried = subprocess.run(command, capture_output=True, check=False, timeout=30)
    return tried.stderr.decode("utf-8", "replace").strip() if tried.returncode else ""


@dataclass(frozen=True)
class Box:
    """A server that runs. ``mail`` is its /srv."""

    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def mail(self) -> Path:
        return self.directory / "mail"

    @property
    def log(self) -> str:
        """All that it said."""
        files = [self.directory / "log", *sorted(self.mail.glob("*.log"))]
        return "".join(one.read_text("utf-8", "replace") for one in files if one.exists())

    def kept(self) -> list[bytes]:
        """Messages in every maildir, in no order."""
        return [path.read_bytes() for path in self.mail.glob("*/new/*")]


def _etc(directory: Path, root: Path, files: Mapping[str, str | bytes]) -> None:
    """What lies over /etc: the package's own, users, names, and ``files`` by path."""
    etc = directory / "etc"
    shutil.copytree(root / "etc", etc) if (root / "etc").is_dir() else etc.mkdir()
    numbered = list(enumerate(GROUPS, FIRST_ID))
    users = [f"{name}:x:{n}:{n}::/srv:/bin/false" for n, name in numbered if name in PEOPLE]
    groups = [f"{name}:x:{n}:" for n, name in numbered]
    made: dict[str, str | bytes] = {
        "passwd": Path("/etc/passwd").read_text() + "\n".join([*users, ""]),
        "group": Path("/etc/group").read_text() + "\n".join([*groups, ""]),
        "hosts": "127.0.0.1 localhost\n",
        "mailname": "peer.test\n",
        **files,
    }
    for name, content in made.items():
        path = etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o640 if name.endswith("key.pem") else 0o644)


@contextlib.contextmanager
def boxed(
    package: str,
    directory: Path,
    files: Mapping[str, str | bytes],
    command: str,
    at: tuple[str, int],
) -> Iterator[Box]:
    """Run ``command`` with ``package`` over /usr and ``files`` over /etc until it listens ``at``.

    /srv is there for its mail, owned by ``keeper``.
    """
    root = unpacked(package)
    reason = why_no_boxes()
    if reason:
        could_not_run(f"no box for {package}: {reason}")
    directory.mkdir()
    _etc(directory, root, files)
    (directory / "mail").mkdir()
    keeper = FIRST_ID + GROUPS.index("keeper")
    os.chown(directory / "mail", keeper, keeper)
    (directory / "mail").chmod(0o777)
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", _SCRIPT]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "UNPACKED": str(root),
        "BOX": str(directory),
        "COMMAND": command,
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    box = Box(directory, process)
    try:
        _wait(box, at)
        yield box
    finally:
        process.kill()  # and with it, all in the box
        process.wait(10)


def _wait(box: Box, at: tuple[str, int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while box.process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(at, 1) as sock:
            sock.settimeout(5)
            if sock.recv(4) == b"220 ":
                return
        time.sleep(0.05)
    raise AssertionError(f"no server at {at}: {box.log[-3000:]}")
