"""Large bodies as write-once files.

A body is staged in ``staging/`` of the same file system, and put in place under its hash before
the row that names it is committed: synced, renamed, the directory synced. So a row never names a
file that a power cut can take away. The other way round, a file no row names (a crash between
the two, or between a commit that drops a row and the removal) is found when the store opens.

Two messages never share a file, equal or not: whoever removes one cannot take the other's.
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import os
from collections.abc import Callable, Collection
from enum import Enum, auto
from pathlib import Path

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.base.ids import Rng
from pillarbox.store.blobs.inline import BytesContent, BytesStaging

STAGING = "staging"
_FANOUT = tuple(f"{n:02x}" for n in range(256))
_HASH_BYTES = 20
_COPY = 4 << 20


class _State(Enum):
    FREE = auto()
    HELD = auto()
    TAKEN = auto()


class FileContent:
    """A complete message in a file that belongs to it alone."""

    __slots__ = ("_dropped", "_map", "_path", "_size", "_state")

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._map: mmap.mmap | None = None
        self._state = _State.FREE
        self._dropped = False

    def __reduce__(self) -> tuple[type[FileContent], tuple[Path, int]]:
        """On its way to the process that writes the store: the file, not what is mapped of it."""
        return FileContent, (self._path, self._size)

    @property
    def size(self) -> int:
        """Octets."""
        return self._size

    @property
    def path(self) -> Path:
        """Where the bytes are now."""
        return self._path

    def view(self) -> memoryview:
        """The mapped file."""
        if self._map is None:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return memoryview(self._map)

    def hold(self) -> None:
        """From now on a transaction may name the file: ``discard`` only makes a note."""
        self._state = _State.HELD

    def settle(self, taken: bool) -> None:
        """The transaction ended: the store owns the file, or the caller does again."""
        self._state = _State.TAKEN if taken else _State.FREE
        if self._dropped:
            self.discard()

    def moved(self, path: Path) -> None:
        """The file was put in place."""
        self._path = path

    def give_back(self, path: Path) -> None:
        """Put the file where it was before it was put in place, unless the store has it: whoever
        staged it in another process knows of no other place. What fails leaves it nowhere."""
        if self._state is not _State.FREE or self._path == path:
            return
        try:
            self._path.rename(path)
        except OSError:
            self.discard()
        self._path = path

    def discard(self) -> None:
        """Remove the file unless the store has it. A mapping ends with its last view."""
        self._dropped = True
        self._map = None
        if self._state is _State.FREE:
            self._path.unlink(missing_ok=True)


class FileStaging:
    """A message being written: in memory up to ``limit`` octets, then to a file."""

    __slots__ = ("_fd", "_limit", "_memory", "_name", "_path", "_size")

    def __init__(self, name: Callable[[], Path], limit: int, expected: int) -> None:
        self._name = name
        self._path: Path | None = None
        self._limit = limit
        self._memory = BytesStaging()
        self._size = 0
        self._fd = -1
        if expected > limit:
            self._spill()

    def write(self, chunk: bytes) -> None:
        """Add octets; Temporary when the disk refuses."""
        self._size += len(chunk)
        if self._fd < 0 and self._size > self._limit:
            self._spill()
        if self._fd < 0:
            self._memory.write(chunk)
        else:
            self._write_out(chunk)

    def view(self) -> memoryview:
        """What was written so far."""
        if self._fd < 0:
            return self._memory.view()
        if not self._size:
            return memoryview(b"")
        return memoryview(mmap.mmap(self._fd, self._size, access=mmap.ACCESS_READ))

    async def finish(self, front: bytes = b"") -> BytesContent | FileContent:
        """``front`` and what was written, not yet durable."""
        if self._path is None:
            return await self._memory.finish(front)
        if self._size <= self._limit:  # announced larger than it came
            data = front + _read_all(self._fd, self._size)
            self.discard()
            return BytesContent(data)
        if front:
            await self._put_before(front)
        self._close()
        path, self._path = self._path, None  # from now on the content's to discard
        return FileContent(path, self._size)

    def discard(self) -> None:
        """Remove what was written."""
        self._memory.discard()
        if self._path is not None:
            self._close()
            self._path.unlink(missing_ok=True)
            self._path = None

    async def _put_before(self, front: bytes) -> None:
        """Into a new file: ``front``, then the old one. The kernel copies, others have a turn."""
        old_fd, old_path, size = self._fd, self._path, self._size
        self._path, self._fd = None, -1
        try:
            self._create()
            self._write_out(front)
            at = 0
            while at < size:
                copied = os.sendfile(self._fd, old_fd, at, min(size - at, _COPY))
                if not copied:
                    raise Temporary("cannot stage a message: its file became shorter")
                at += copied
                await asyncio.sleep(0)
            self._size = len(front) + size
        except OSError as error:
            raise Temporary(f"cannot stage a message: {error}") from error
        finally:
            os.close(old_fd)
            if old_path is not None:
                old_path.unlink(missing_ok=True)

    def _create(self) -> None:
        path = self._path = self._name()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Temporary(f"cannot stage a message: {error}") from error

    def _spill(self) -> None:
        self._create()
        for piece in self._memory.pieces():
            self._write_out(piece)

    def _write_out(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            raise Temporary(f"cannot stage a message: {error}") from error

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class FileBodies:
    """The directory of large bodies."""

    def __init__(self, directory: Path, limit: int, rng: Rng) -> None:
        self._directory = directory
        self._limit = limit
        self._rng = rng

    def prepare(self) -> None:
        """Make the directories, durably, and clear what was left staged."""
        staging = self._directory / STAGING
        staging.mkdir(parents=True, exist_ok=True)
        for leaf in _FANOUT:
            (self._directory / leaf).mkdir(exist_ok=True)
        sync_directory(self._directory)
        sync_directory(self._directory.parent)
        for left in staging.iterdir():
            left.unlink(missing_ok=True)

    def sweep(self, known: Collection[str]) -> int:
        """Remove files that no row names; how many. Only while nobody writes."""
        removed = 0
        for leaf in _FANOUT:
            for entry in os.scandir(self._directory / leaf):
                if f"{leaf}/{entry.name}" not in known:
                    os.unlink(entry.path)
                    removed += 1
        return removed

    def stage(self, expected: int) -> FileStaging:
        """Begin a message."""
        return FileStaging(self._fresh, self._limit, expected)

    def _fresh(self) -> Path:
        return self._directory / STAGING / self._rng.token(20)

    def place(self, content: FileContent) -> str:
        """Make a staged file durable under its name in the store, and return that name.

        Blocks for the disk: call it in a worker thread. Doing it again is harmless.
        """
        if content.path.parent.name != STAGING:
            return self._name(content.path)
        try:
            digest = hashlib.blake2b(content.view(), digest_size=_HASH_BYTES).hexdigest()
            fd = os.open(content.path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            final = self._directory / digest[:2] / f"{digest[2:]}-{content.path.name}"
            content.path.rename(final)
            content.moved(final)
            sync_directory(final.parent)
        except OSError as error:
            raise Temporary(f"cannot keep a message: {error}") from error
        return self._name(final)

    def read(self, name: str, start: int, length: int) -> bytes:
        """A slice; blocks for the disk. Permanent when the file is not there."""
        try:
            fd = os.open(self._directory / name, os.O_RDONLY)
        except FileNotFoundError as error:
            raise Permanent(f"there is no body {name}") from error
        except OSError as error:
            raise Temporary(f"cannot read a message: {error}") from error
        try:
            return os.pread(fd, length, start)
        except OSError as error:
            raise Temporary(f"cannot read a message: {error}") from error
        finally:
            os.close(fd)

    def path(self, name: str) -> Path:
        """Where the body of that name lies."""
        return self._directory / name

    def remove(self, names: Collection[str]) -> None:
        """After the commit that dropped their rows. What fails is swept at the next start."""
        for name in names:
            try:
                (self._directory / name).unlink(missing_ok=True)
            except OSError:
                pass

    @staticmethod
    def _name(path: Path) -> str:
        return f"{path.parent.name}/{path.name}"


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read_all(fd: int, size: int) -> bytes:
    return os.pread(fd, size, 0) if size else b""
