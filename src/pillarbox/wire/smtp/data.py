"""Message content on the wire: where DATA ends, dots off and on, and line ends kept honest.

The end of data is CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4), in every setting; what is done
about a CR or LF that stands alone is decided afterwards, on what is already known to be content
(docs/decisions/0010). Each step handles whole blocks by ``find`` and ``replace``; nothing loops
over lines.
"""

from __future__ import annotations

import io
import re

from pillarbox.model.reply import Reply
from pillarbox.wire.smtp.options import BareNewline
from pillarbox.wire.smtp.replies import BARE_NEWLINE, TOO_BIG

_FEW_DOTS = 64
"""Up to so many dots are cut out one by one, which saves the passes that many are worth."""
_RARE = 512
"""Octets for each dot, from which on the dots are looked at instead of the line ends."""

_BARE_DOTS = re.compile(rb"(?<!\r)\n\.\.")
_BARE_LINE = re.compile(rb"(?<!\r)\n\.?\Z")
"""The end of a block in which a line has begun that may go on with two dots."""


class DotReader:
    """Takes the doubled dots off and finds the end of data (RFC 5321 §4.5.2).

    At most two octets are held back between calls. A line begins after CRLF and nowhere else, so
    a dot behind a bare LF is an ordinary octet.
    """

    __slots__ = ("_held", "_line_start")

    def __init__(self) -> None:
        self._held = b""
        self._line_start = True  # the CRLF of DATA itself (RFC 5321 §4.1.1.4)

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Content, and the offset in ``data`` behind the end of data, or -1 when not reached."""
        shift = len(self._held)
        if shift:
            data = self._held + data
            self._held = b""
        start = 0
        if self._line_start:
            if data.startswith(b".\r\n"):
                return b"", 3 - shift
            if b".\r\n".startswith(data):  # also when there is nothing
                self._held = data
                return b"", -1
            if data.startswith(b"."):
                start = 1
            self._line_start = False
        seek = _by_dots if data.count(b".") * _RARE < len(data) else _by_lines
        dot = seek(data, start)
        if dot < 0:
            return self._keep_back(data[start:] if start else data), -1
        pieces = []
        for _ in range(_FEW_DOTS):
            if data.startswith(b"\r\n", dot + 3):
                pieces.append(data[start : dot + 2])
                return b"".join(pieces), dot + 5 - shift
            if dot + 5 > len(data) and b"\r\n".startswith(data[dot + 3 :]):
                break  # the tail may be the beginning of an end
            pieces.append(data[start : dot + 2])
            start = dot + 3
            dot = seek(data, start)
            if dot < 0:
                pieces.append(self._keep_back(data[start:]))
                return b"".join(pieces), -1
        return self._feed_many(data, start, pieces, shift)

    def _feed_many(
        self, data: bytes, start: int, pieces: list[bytes], shift: int
    ) -> tuple[bytes, int]:
        """The rest of a block, however many dots it has: two passes at memory speed."""
        end = data.find(b"\r\n.\r\n", start)
        rest = self._keep_back(data[start:]) if end < 0 else data[start : end + 2]
        pieces.append(rest.replace(b"\r\n.", b"\r\n"))
        return b"".join(pieces), end + 5 - shift if end >= 0 else -1

    def _keep_back(self, data: bytes) -> bytes:
        """``data`` without the tail that may be the beginning of an end."""
        if data.endswith(b"\r\n"):
            self._line_start = True
            return data
        for tail in (b"\r\n.\r", b"\r\n."):
            if data.endswith(tail):
                self._line_start = True
                self._held = tail[2:]
                return data[: len(data) - len(self._held)]
        if data.endswith(b"\r"):
            self._held = b"\r"
            return data[:-1]
        return data


def _by_lines(data: bytes, start: int) -> int:
    """Where a line begins with a dot: the offset of the CRLF before it, -1 for nowhere."""
    return data.find(b"\r\n.", start)


def _by_dots(data: bytes, start: int) -> int:
    """The same where dots are rare, as in base64: one octet is found ten times as fast as three."""
    dot = data.find(b".", start + 2)
    while dot >= 0 and not data.startswith(b"\r\n", dot - 2):
        dot = data.find(b".", dot + 1)
    return max(dot - 2, -1)


class LineEnds:
    """Finds CR and LF that are not CRLF; mends them or says so.

    The standard library's newline decoder does the finding: it notes, at memory speed, which
    kinds of line end a text had. A CR at the end of a block waits for the next one, since a
    BDAT chunk may end between CR and LF.

    ``doubled``: the content came by DATA, and where a bare LF is mended, ``..`` behind it becomes
    a dot: whoever takes LF for a line end doubled the dots there (Python's smtplib, given octets).
    """

    __slots__ = ("_decoder", "_doubled", "_held", "_mend", "broken")

    def __init__(self, rule: BareNewline, *, doubled: bool = False) -> None:
        self._decoder = io.IncrementalNewlineDecoder(None, False)
        self._mend = rule is BareNewline.NORMALISE
        self._doubled = doubled
        self._held = b""  # the tail of a block that the next one decides about
        self.broken = False
        """True once a lone CR or LF was met and not mended."""

    def feed(self, data: bytes) -> bytes:
        """What to hand on; meaningless once ``broken``."""
        if self._held:
            data = self._held + data
            self._held = b""
        if data.endswith(b"\r"):
            self._held = b"\r"
            data = data[:-1]
        self._decoder.reset()
        self._decoder.decode(data.decode("latin-1"), final=True)
        if self._decoder.newlines in (None, "\r\n"):
            return data
        if not self._mend:
            self.broken = True
            return b""
        return mend(self._undoubled(data) if self._doubled else data)

    def _undoubled(self, data: bytes) -> bytes:
        if not self._held:
            tail = _BARE_LINE.search(data, max(0, len(data) - 3))
            if tail is not None:
                self._held = tail[0]
                data = data[: tail.start()]
        return _BARE_DOTS.sub(b"\n.", data)

    def finish(self) -> bytes:
        """What is left at the end of the content."""
        held, self._held = self._held, b""
        if not held:
            return b""
        self.broken = self.broken or not self._mend
        return mend(held) if self._mend else b""


def mend(data: bytes) -> bytes:
    """Every line end as CRLF, whatever it was."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


class Content:
    """One message on its way in, by DATA or in chunks: counts it and finds it wanting.

    ``rule`` None lets every octet pass, which is what BINARYMIME promises (RFC 3030 §3).
    ``doubled``: it comes by DATA, where dots are doubled.
    """

    __slots__ = ("_ends", "_max_size", "received", "size")

    def __init__(self, rule: BareNewline | None, max_size: int, *, doubled: bool = False) -> None:
        self._ends = LineEnds(rule, doubled=doubled) if rule is not None else None
        self._max_size = max_size
        self.received = 0
        """Octets that came, dots taken off: the size of RFC 1870 §6."""
        self.size = 0
        """Octets handed on."""

    @property
    def defect(self) -> Reply | None:
        """What is wrong so far. Size comes first, so that packets do not decide the reply."""
        if self._max_size and self.received > self._max_size:
            return TOO_BIG
        if self._ends is not None and self._ends.broken:
            return BARE_NEWLINE
        return None

    def feed(self, data: bytes) -> bytes:
        """What to hand on of ``data``; nothing once there is a defect."""
        self.received += len(data)
        if self._max_size and self.received > self._max_size:
            return b""
        if self._ends is not None:
            if self._ends.broken:
                return b""
            data = self._ends.feed(data)
        self.size += len(data)
        return data

    def finish(self) -> bytes:
        """What is left to hand on at the end."""
        if self._ends is None or self.defect is not None:
            return b""
        data = self._ends.finish()
        self.size += len(data)
        return data


class DotWriter:
    """Puts dots before dots and ends the message: the client's side of RFC 5321 §4.5.2."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def feed(self, data: bytes) -> bytes:
        """``data`` as it goes out. Its line ends must be CRLF (``LineEnds`` sees to that)."""
        if not data:
            return b""
        out = data.replace(b"\r\n.", b"\r\n..")
        # A line that begins in this block though its CRLF, or half of it, left with the last.
        if data.startswith(b".") and self._tail == b"\r\n":
            out = b"." + out
        elif data.startswith(b"\n.") and self._tail.endswith(b"\r"):
            out = b"\n." + out[1:]
        self._tail = (self._tail + data[-2:])[-2:]
        return out

    def finish(self) -> bytes:
        """The end of data; a last line without CRLF gets one (RFC 5321 §4.1.1.4)."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"
