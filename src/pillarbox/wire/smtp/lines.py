"""Lines out of a stream of bytes, and what else stands between them.

Not ``base.buffer``: there only CRLF ends a line, and whoever sends bare line feeds waits for ever.
Here a bare LF ends a line too, one that is *wrong*: nothing in it is obeyed, and the peer learns
why (docs/decisions/0010). It can therefore never mean to us what it did not mean to a relay.
"""

from __future__ import annotations

from enum import Enum

LOGGED = 100
"""Octets kept of a line that is too long, for the log."""


class Wrong(Enum):
    """Why a line cannot be taken at its word."""

    TOO_LONG = "too long"
    BARE_LF = "bare LF"


class Lines:
    """What has come and is not read yet. Linear also when fed byte by byte."""

    __slots__ = ("_kept", "_long", "buffer", "capacity", "flooded", "pos")

    def __init__(self, capacity: int) -> None:
        """``capacity``: octets that may wait; a single piece may be larger."""
        self.capacity = capacity
        self.buffer = b""
        self.pos = 0
        """What waits is ``buffer[pos:]`` and then ``_kept``."""
        self._kept = bytearray()
        self._long: bytes | None = None
        self.flooded = False
        """More came than may wait, and was dropped."""

    def __len__(self) -> int:
        return len(self.buffer) - self.pos + len(self._kept)

    def __bool__(self) -> bool:
        return self.pos < len(self.buffer) or bool(self._kept)

    def add(self, data: bytes) -> None:
        if self.pos == len(self.buffer) and not self._kept:
            self.buffer = data
            self.pos = 0
        elif len(self) > self.capacity:
            self.flooded = True
        else:
            self._kept += data

    def take_line(
        self, limit: int, roomy: bytes = b"", roomy_limit: int = 0
    ) -> tuple[bytes, Wrong | None] | None:
        """The next line without its end, and what is wrong with it; None while incomplete.

        ``limit`` counts octets with the line's end (RFC 5321 §4.5.3.1.4); a line that begins with
        ``roomy``, in any case, may have ``roomy_limit``. The rest of a line that is too long is
        dropped as it comes, and the line told once it is over.
        """
        buffer = self.buffer
        pos = self.pos
        end = buffer.find(b"\n", pos)
        if end < 0:
            if b"\n" not in self._kept:
                if self._long is not None:
                    self.drop()
                elif len(self) > limit:
                    begin = (buffer[pos : pos + LOGGED] + self._kept[:LOGGED])[:LOGGED]
                    if not _is_roomy(begin, roomy) or len(self) > roomy_limit:
                        self._long = begin
                        self.drop()
                return None
            self._join()
            buffer = self.buffer
            pos = 0
            end = buffer.find(b"\n")
        self.pos = end + 1
        if self._long is not None:
            long, self._long = self._long, None
            return long, Wrong.TOO_LONG
        if end + 1 - pos > limit:
            begin = buffer[pos : pos + LOGGED]
            if not _is_roomy(begin, roomy) or end + 1 - pos > roomy_limit:
                return begin, Wrong.TOO_LONG
        if end == pos or buffer[end - 1] != 13:
            return buffer[pos:end], Wrong.BARE_LF
        return buffer[pos : end - 1], None

    def take(self, most: int = -1) -> bytes:
        """Everything that waits, or at most ``most`` octets."""
        if self._kept:
            self._join()
        buffer, pos = self.buffer, self.pos
        if most < 0 or most >= len(buffer) - pos:
            self.buffer = b""
            self.pos = 0
            return buffer[pos:] if pos else buffer
        self.pos = pos + most
        return buffer[pos : pos + most]

    def put_back(self, data: bytes) -> None:
        """Make ``data`` the next octets; only right after ``take()`` of everything."""
        self.buffer = data
        self.pos = 0

    def drop(self) -> None:
        """Forget what waits."""
        self.buffer = b""
        self.pos = 0
        self._kept.clear()

    def _join(self) -> None:
        self.buffer = self.buffer[self.pos :] + self._kept
        self.pos = 0
        self._kept.clear()


def _is_roomy(begin: bytes, roomy: bytes) -> bool:
    return bool(roomy) and begin[: len(roomy)].upper() == roomy
