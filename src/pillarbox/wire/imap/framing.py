"""Lines, literal announcements, and getting rid of what was refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pillarbox.base.buffer import ReceiveBuffer

_ANNOUNCE = re.compile(rb"(~?)\{([0-9]{1,19})(\+?)\}\Z")
_TAIL = 32
"""Octets at the end of a line that can hold an announcement."""


@dataclass(frozen=True, slots=True)
class Announced:
    """``{size}``, ``{size+}`` (``sync`` False), ``~{size}`` (``binary``); RFC 9051 §4.3."""

    size: int
    sync: bool
    binary: bool = False


def announcement(line: bytes) -> Announced | None:
    """The literal that ``line`` (without CRLF) ends by announcing."""
    if line[-1:] != b"}":
        return None
    found = _ANNOUNCE.search(line, max(0, len(line) - _TAIL))
    if found is None:
        return None
    return Announced(int(found[2]), not found[3], bool(found[1]))


class Skipped(Enum):
    """How far ``Skip.step`` came."""

    WAITS = "for more octets"
    OVER = "the next octet begins a command"
    TOO_MUCH = "the bound is reached"


class Skip:
    """Reads over the rest of a command that was refused already.

    Whatever ends a line with ``{n+}`` sends n octets and another line without being asked
    (RFC 7888 §3), so these are read and thrown away; behind ``{n}`` nothing comes, because the
    client was told no. ``most`` bounds the octets of one command that are skipped.
    """

    __slots__ = ("_left", "_line", "_total", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._left = 0
        self._line = 0
        self._total = 0

    def rest_of(self, literal: Announced | None) -> Skipped:
        """Begin behind a line that ended with ``literal``, or with nothing."""
        if literal is None or literal.sync:
            self._total = 0
            return Skipped.OVER
        self._total += literal.size
        if self._total > self.most:
            return Skipped.TOO_MUCH
        self._left = literal.size
        self._line = 0
        return Skipped.WAITS

    def step(self, buffer: ReceiveBuffer) -> Skipped:
        """Drop what is there; a line that was begun is dropped to its end."""
        while True:
            while self._left:
                octets = buffer.take_some(self._left)
                if not octets:
                    return Skipped.WAITS
                self._left -= len(octets)
            end = buffer.find(b"\r\n")
            if self._total + self._line + (len(buffer) if end < 0 else end + 1) > self.most:
                return Skipped.TOO_MUCH
            if end < 0:
                spare = len(buffer) - _TAIL
                if spare > 0:
                    buffer.take(spare)
                    self._line += spare
                return Skipped.WAITS
            self._total += self._line + end
            line = (buffer.take(end + 2) or b"")[:-2]
            self._line = 0
            after = self.rest_of(announcement(line))
            if after is not Skipped.WAITS:
                return after
