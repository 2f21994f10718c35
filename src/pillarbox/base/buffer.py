"""A bounded receive buffer whose cost is linear however the bytes arrive.

Three ways to lose are closed here. Growing without end: ``append`` refuses once the capacity is
waiting. Rescanning from the start for every arriving byte: the search for a line's end resumes
where the last one stopped. Copying what is left over for every arriving byte: leftovers and news
stay apart, and are joined only when a line or a block that spans both is complete and leaves.

The common case, one packet with one or many whole lines into an empty buffer, copies nothing but
the lines handed out, and an empty buffer keeps no memory.

Overflow is a value, not an exception, because it is the peer's doing: the engine answers it with
its protocol's own words.
"""

from __future__ import annotations

import enum
from typing import Final, Literal


class Overflow(enum.Enum):
    """Has the one member ``TOO_LONG``; an enum so that ``is TOO_LONG`` narrows the type."""

    TOO_LONG = "too long"


TOO_LONG: Final = Overflow.TOO_LONG


class ReceiveBuffer:
    """Bytes from a peer, in order, taken as lines or as counted blocks.

    ``capacity``: octets that may be waiting when more arrive. It must be at least the longest
    line and the largest ``take``; the buffer never holds more than that and the last piece.
    """

    # The content is _head[_pos:] and then _tail. The head is immutable: slices of it are the only
    # copies made. The tail is a bytearray: adding single bytes to it is amortised constant.
    # _scan: where in the head the search for CRLF goes on; _tail_scan: the same in the tail.
    __slots__ = ("_head", "_pos", "_scan", "_tail", "_tail_scan", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._head = b""
        self._pos = 0
        self._scan = 0
        self._tail = bytearray()
        self._tail_scan = 0

    def __len__(self) -> int:
        return len(self._head) - self._pos + len(self._tail)

    def __bool__(self) -> bool:
        return self._pos < len(self._head) or bool(self._tail)

    def append(self, data: bytes) -> bool:
        """Add ``data`` at the end. False, and nothing was added, if more than the capacity waits.

        A single piece may be larger than the capacity: it is in memory already, and refusing it
        would make the outcome depend on how the network cut the stream.
        """
        if self._tail or self._pos < len(self._head):
            if len(self) > self.capacity:
                return False
            self._tail += data
        else:
            self._head = data
            self._pos = self._scan = 0
        return True

    def take_line(self, limit: int) -> bytes | Literal[Overflow.TOO_LONG] | None:
        """The next line without its CRLF, None if none is complete yet.

        ``limit`` counts octets with the CRLF, as the RFCs count (RFC 5321 §4.5.3.1.4). A longer
        line, complete or not, gives ``TOO_LONG`` and stays: call ``skip_line``. A bare CR or LF
        does not end a line and is left inside it for the engine to judge.
        """
        if not self._head and not self._tail:
            return None  # the answer to every last question of a command
        pos = self._pos
        end = self._head.find(b"\r\n", self._scan)
        if end < 0:
            end = self._find_beyond_head()
            if end < 0:
                return TOO_LONG if len(self) >= limit else None
            pos = self._pos
        if end + 2 - pos > limit:
            self._scan = end  # skip_line finds it at once
            return TOO_LONG
        line = self._head[pos:end]
        end += 2
        if end < len(self._head):
            self._pos = self._scan = end
        else:
            self._head = b""
            self._pos = self._scan = 0
        return line

    def skip_line(self) -> bool:
        """Drop everything up to and with the next CRLF; True once that was found.

        Until then all that is here is dropped, so a line without end costs no memory.
        """
        end = self._head.find(b"\r\n", self._scan)
        if end < 0:
            end = self._find_beyond_head()
        if end >= 0:
            self._advance(end + 2)
            return True
        half = (self._tail or self._head).endswith(b"\r")
        self.clear()
        if half:
            self._head = b"\r"
        return False

    def take(self, n: int) -> bytes | None:
        """Exactly ``n`` octets, or None while there are fewer."""
        if n > len(self._head) - self._pos:
            if n > len(self):
                return None
            self._join()
        data = self._head[self._pos : self._pos + n]
        self._advance(self._pos + n)
        return data

    def take_some(self, n: int) -> bytes:
        """Between none and ``n`` octets, whatever is at hand: for streaming large bodies.

        Empty only if the buffer is.
        """
        if self._pos == len(self._head) and self._tail:
            self._join()
        return self.take(min(n, len(self._head) - self._pos)) or b""

    def find(self, sub: bytes, start: int = 0) -> int:
        """Offset of ``sub`` from the next octet, searching from offset ``start``; -1 if absent.

        Nothing is remembered between calls: to stay linear, start the next search at the length
        the buffer had in this one, less ``len(sub) - 1``.
        """
        found = self._head.find(sub, self._pos + start)
        if found >= 0:
            return found - self._pos
        in_head = len(self._head) - self._pos
        overlap = len(sub) - 1
        first = max(start, in_head - overlap, 0)
        if first < in_head:  # across the seam
            seam = self._head[self._pos + first :] + self._tail[:overlap]
            found = seam.find(sub)
            if found >= 0:
                return first + found
        found = self._tail.find(sub, max(0, start - in_head))
        return found + in_head if found >= 0 else -1

    def clear(self) -> int:
        """Drop everything; return how many octets that were (the TLS gate asks)."""
        dropped = len(self)
        self._head = b""
        self._tail = bytearray()
        self._pos = self._scan = self._tail_scan = 0
        return dropped

    def _advance(self, pos: int) -> None:
        """Make ``pos`` the next octet of the head; let go of a head that is used up."""
        if pos < len(self._head):
            self._pos = pos
            self._scan = max(self._scan, pos)
        else:
            self._head = b""
            self._pos = self._scan = 0

    def _find_beyond_head(self) -> int:
        """Where in the head the next CRLF is after joining; -1, and no join, if there is none.

        Only the octets that came since the last search are looked at.
        """
        head, tail = self._head, self._tail
        if not tail:
            # A CR at the end may be half of a CRLF: look at it again.
            self._scan = max(self._pos, len(head) - 1)
            if self._pos * 2 > len(head):
                # Mostly used up: keep the rest only. Costs less than was taken before.
                self._head = head[self._pos :]
                self._scan -= self._pos
                self._pos = 0
            return -1
        in_head = len(head) - self._pos
        if in_head and head.endswith(b"\r") and tail.startswith(b"\n"):
            found = in_head - 1
        else:
            found = tail.find(b"\r\n", self._tail_scan)
            if found < 0:
                self._tail_scan = len(tail) - 1
                return -1
            found += in_head
        self._join()
        return found

    def _join(self) -> None:
        self._head = self._head[self._pos :] + self._tail
        self._tail = bytearray()
        self._pos = self._scan = self._tail_scan = 0
