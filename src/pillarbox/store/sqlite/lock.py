"""One process writes a store, and the kernel sees to it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pillarbox.base.errors import Misuse, Temporary


class StoreLock:
    """Held from open to close; it ends with the process however that ends."""

    def __init__(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Temporary(f"cannot open {path}: {error}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise Misuse(
                f"another process ({holder or 'unknown'}) has the store {path.parent} open",
                hint="stop it first, or ask it over its control socket",
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in. Idempotent."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
