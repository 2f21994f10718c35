"""The data directory: who may open it, and the small files beside the store.

One process at a time has the store open (docs/decisions/0030). It holds ``lock``; everybody else
talks to it through ``control``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Misuse
from pillarbox.base.ids import Rng

LOCK = "lock"
CONTROL = "control"
SECRET = "secret"  # noqa: S105  (the name of a file)

PATIENCE = 5.0
"""Seconds to wait for a command or server that is about to finish."""
_PAUSE = 0.05
_SECRET_OCTETS = 32
_LONGEST_SOCKET = 100
"""Octets of a path that fit into a socket address, with room to spare."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """The directory named by ``server.data``."""

    path: Path

    @property
    def control(self) -> Path:
        """The socket of the running server."""
        return self.path / CONTROL

    def prepare(self) -> None:
        """Make the directory if need be, for its owner only. Raises Misuse where that fails."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            os.close(fd)
        except OSError as error:
            raise Misuse(
                f"cannot use the data directory {self.path}: {error.strerror}",
                hint="server.data must name a directory that the server's user owns",
            ) from error
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise Misuse(
                f"cannot write to the data directory {self.path}",
                hint=f"it belongs to uid {self.path.stat().st_uid}; run as that user, or as root",
            )

    def become_owner(self) -> None:
        """Started as root: go on as the user whose directory this is.

        What a command leaves in the store must be the server's to read. Does nothing where that
        user is root, or where we are not.
        """
        if os.geteuid() != 0:
            return
        found = self.path.stat()
        if found.st_uid != 0:
            os.setgroups([])
            os.setresgid(found.st_gid, found.st_gid, found.st_gid)
            os.setresuid(found.st_uid, found.st_uid, found.st_uid)

    def try_lock(self) -> Lock | None:
        """The right to open the store, or None while another process has it."""
        path = self.path / LOCK
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misuse(
                f"cannot open {path}: {error.strerror}",
                hint=f"you are uid {os.geteuid()}; do it as root, or as the owner of {self.path}",
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return Lock(fd)

    async def lock(self, clock: Clock) -> Lock:
        """The same, waiting for up to ``PATIENCE`` seconds. Raises Misuse naming the holder."""
        deadline = clock.monotonic() + PATIENCE
        while (lock := self.try_lock()) is None:
            if clock.monotonic() >= deadline:
                raise Misuse(
                    f"{self.path} is in use by {self.holder()}",
                    hint="one server owns a data directory; stop that one, or name another",
                )
            await clock.sleep(_PAUSE)
        return lock

    def holder(self) -> str:
        """Who has the lock, in words."""
        with contextlib.suppress(OSError, ValueError):
            return f"process {int((self.path / LOCK).read_text())}"
        return "another process"

    def secret(self, rng: Rng) -> bytes:
        """A key that is this house's own, made at the first start and kept.

        Written under another name first, so that a crash leaves either none or a whole one.
        """
        path = self.path / SECRET
        try:
            kept = path.read_bytes()
            if len(kept) == _SECRET_OCTETS:
                return kept
        except FileNotFoundError:
            pass
        fresh = rng.bytes(_SECRET_OCTETS)
        temporary = path.with_name(SECRET + ".new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, fresh)
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
        return fresh

    @contextlib.contextmanager
    def control_name(self) -> Iterator[Path]:
        """A name for the socket that fits into a socket address, however deep the directory."""
        if len(os.fsencode(self.control)) <= _LONGEST_SOCKET:
            yield self.control
            return
        fd = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield Path(f"/proc/self/fd/{fd}") / CONTROL
        finally:
            os.close(fd)


class Lock:
    """The right to open the store; ends with ``release`` or the process, however that ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        """Let another process have it. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
