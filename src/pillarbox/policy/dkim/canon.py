"""The canonical forms of header and body (RFC 6376 §3.4).

Input has CRLF line ends; whoever signs sees to it, because what is signed must be what is sent.
"""

from __future__ import annotations

import hashlib
import re

_RUNS = re.compile(rb"[ \t]+")
_BEFORE_END = re.compile(rb"[ \t]+(?=\r\n)")


def relaxed_field(name: bytes, raw: bytes) -> bytes:
    """§3.4.2 of one field: ``raw`` is all of it, name and line end included; the result has no
    line end. ``name`` in lower case."""
    value = raw[raw.find(b":") + 1 :]
    value = value.replace(b"\r\n", b"")
    return name + b":" + _RUNS.sub(b" ", value).strip(b" ")


def simple_field(raw: bytes) -> bytes:
    """§3.4.1: as it is, without the line end."""
    return raw.removesuffix(b"\r\n")


class BodyHash:
    """SHA-256 of the canonical body (§3.4.3, §3.4.4), fed in any pieces."""

    def __init__(self, *, relaxed: bool = True) -> None:
        self._relaxed = relaxed
        self._hash = hashlib.sha256()
        self._rest = b""
        self._empty = 0  # line ends held back: at the end of the body they do not count
        self._any = False

    def feed(self, data: bytes) -> None:
        """The next octets of the body."""
        data = self._rest + data
        cut = data.rfind(b"\r\n") + 2
        if cut < 2:
            # A line without end must not make this quadratic: what cannot change any more goes.
            self._rest = data
            if len(data) > 1 << 16:
                self._long()
            return
        self._rest = data[cut:]
        self._lines(data[:cut])

    def digest(self) -> bytes:
        """The hash of all that was fed; the end of the body is here."""
        if self._rest:
            self._lines(self._rest + b"\r\n")
            self._rest = b""
        if not self._relaxed and not self._any:
            self._hash.update(b"\r\n")  # §3.4.3: an empty body is one CRLF
        elif self._any:
            self._hash.update(b"\r\n")  # the last line's own
        return self._hash.digest()

    def _lines(self, data: bytes) -> None:
        """Whole lines. All line ends at the end are held back, one of them for the last line."""
        if self._relaxed:
            data = _RUNS.sub(b" ", _BEFORE_END.sub(b"", data))
        pairs = _pairs_at_end(data)
        self._text(data[: len(data) - 2 * pairs])
        self._empty += pairs

    def _text(self, text: bytes) -> None:
        if text:
            self._hash.update(b"\r\n" * self._empty)
            self._hash.update(text)
            self._empty = 0
            self._any = True

    def _long(self) -> None:
        """Part of a very long line, up to a place where no white space is cut."""
        end = len(self._rest.rstrip(b" \t\r")) - 1
        piece = self._rest[: max(end, 0)].rstrip(b" \t")
        self._rest = self._rest[len(piece) :]
        self._text(_RUNS.sub(b" ", piece) if self._relaxed else piece)


def _pairs_at_end(data: bytes) -> int:
    """How many CRLFs ``data`` ends with."""
    at = len(data)
    while at >= 2 and data[at - 2 : at] == b"\r\n":
        at -= 2
    return (len(data) - at) // 2
