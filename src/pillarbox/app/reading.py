"""Answers that come as octets, taken apart as they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol


class Lines:
    """Whole lines out of octets cut anywhere."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that ``data`` completes."""
        *lines, self._held = (self._held + data).split(b"\n")
        yield from lines


class Taker(Protocol):
    """Takes messages as they come out of ``mail.read``."""

    def begin(self, note: dict[str, Any]) -> None:
        """A message follows; ``note`` is what ``mail.read`` says of it."""
        ...

    def write(self, data: bytes) -> None:
        """Some of its octets."""
        ...

    def end(self) -> None:
        """It is complete."""
        ...


class Messages:
    """Messages out of the octets of ``mail.read``: a line of JSON, then so many octets, again."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker
        self._head = b""
        self._left = -1
        """Octets of the message that are still to come; -1 before its line."""

    async def feed(self, data: bytes) -> None:
        """Take octets; to be used as a sink."""
        while data or self._left == 0:
            if self._left < 0:
                data = self._line(data)
            else:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                if piece:
                    self._taker.write(piece)
                if not self._left:
                    self._taker.end()
                    self._left = -1

    def _line(self, data: bytes) -> bytes:
        line, newline, rest = data.partition(b"\n")
        self._head += line
        if newline:
            note = json.loads(self._head)
            self._head = b""
            self._left = note["size"]
            self._taker.begin(note)
        return rest
