"""The canonical forms of header and body (RFC 6376 §3.4).

Input has CRLF line ends; whoever signs sees to it, because what is signed must be what is sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from pillarbox.message import header

_RUNS = re.compile(rb"[ \t]{2,}|\t")
"""A single space stays as it is: replacing each by itself would be most of the work."""
_OPEN_END = re.compile(rb"[ \t]?\r?\Z")
_LONG_LINE = 1 << 12
"""Octets of a line without end from which on parts of it are dealt with."""


def relaxed_field(name: bytes, raw: bytes) -> bytes:
    """§3.4.2 of one field: ``raw`` is all of it, name and line end included; the result has no
    line end. ``name`` in lower case."""
    value = raw[raw.find(b":") + 1 :]
    value = value.replace(b"\r\n", b"")
    return name + b":" + _RUNS.sub(b" ", value).strip(b" ")


def simple_field(raw: bytes) -> bytes:
    """§3.4.1: as it is, without the line end."""
    return raw.removesuffix(b"\r\n")


class Head:
    """A header section as signatures see it; each form of a field is made once."""

    def __init__(self, head: bytes) -> None:
        """``head`` with CRLF line ends; what follows its blank line is not looked at."""
        self.fields = [
            (field.name, head[field.start : field.end])
            for field in header.section(head, 0, len(head)).fields
        ]
        """Name in lower case, and all octets of the field."""
        self._places: dict[bytes, list[int]] = {}
        for place, (name, _) in enumerate(self.fields):
            self._places.setdefault(name, []).append(place)
        self._relaxed: dict[int, bytes] = {}

    def places(self, name: bytes) -> Sequence[int]:
        """Where in ``fields`` this name occurs, from the top."""
        return self._places.get(name, ())

    def value(self, place: int) -> bytes:
        """The unfolded value of a field."""
        name, raw = self.fields[place]
        return header.value(raw, header.Field(name, 0, len(raw)))

    def relaxed(self, place: int) -> bytes:
        """A field in its relaxed form, without line end."""
        if place not in self._relaxed:
            self._relaxed[place] = relaxed_field(*self.fields[place])
        return self._relaxed[place]

    def canonical(
        self,
        names: Sequence[bytes],
        own: bytes,
        signature: bytes,
        *,
        relaxed: bool,
        without: int = -1,
    ) -> bytes:
        """What the hash is over (§3.7): the named fields, each name taking the next one from the
        bottom (§5.4.2), then the signature field itself, named ``own``, with an empty ``b=`` and
        no line end. The field at ``without`` is that one: it is not among the named.
        """
        used: dict[bytes, int] = {}
        out = []
        for name in names:
            places = self.places(name)
            at = len(places) - 1 - used.get(name, 0)
            if at >= 0 and places[at] == without:
                at -= 1
                used[name] = used.get(name, 0) + 1
            if at >= 0:  # a name that does not occur counts as nothing (§5.4)
                used[name] = used.get(name, 0) + 1
                place = places[at]
                out.append(self.relaxed(place) if relaxed else simple_field(self.fields[place][1]))
        last = relaxed_field(own, signature) if relaxed else simple_field(signature)
        return b"".join([one + b"\r\n" for one in out]) + last


class BodyHash:
    """SHA-256 of the canonical body (§3.4.3, §3.4.4), fed in any pieces.

    ``lengths``: beginnings of the canonical body, in octets, whose hashes are wanted too (l=).
    """

    def __init__(self, *, relaxed: bool = True, lengths: Iterable[int] = ()) -> None:
        self.size = 0
        """Octets of the canonical body so far; all of them after ``digest``."""
        self._relaxed = relaxed
        self._hash = hashlib.sha256()
        self._rest = b""
        self._empty = 0  # line ends held back: at the end of the body they do not count
        self._any = False
        self._parts: dict[int, bytes] = {}
        self._wanted = sorted(set(lengths), reverse=True)
        self._whole: bytes | None = None

    def feed(self, data: bytes) -> None:
        """The next octets of the body."""
        data = self._rest + data
        cut = data.rfind(b"\r\n") + 2
        if cut < 2:
            # A line without end must not make this quadratic: what cannot change any more goes.
            self._rest = data
            if len(data) > _LONG_LINE:
                self._long()
            return
        self._rest = data[cut:]
        self._lines(data[:cut])
        if len(self._rest) > _LONG_LINE:
            self._long()

    def digest(self) -> bytes:
        """The hash of all that was fed; the end of the body is here."""
        if self._whole is None:
            if self._rest:
                self._lines(self._rest + b"\r\n")
                self._rest = b""
            if self._any or not self._relaxed:
                # The last line's own; §3.4.3: an empty body is one CRLF in the simple form.
                self._put(b"\r\n")
            self._put(b"")
            self._whole = self._hash.digest()
        return self._whole

    def part(self, length: int) -> bytes | None:
        """The hash of so many octets of the beginning, which were asked for; None when the body
        is shorter. After ``digest``."""
        return self._parts.get(length)

    def _lines(self, data: bytes) -> None:
        """Whole lines. All line ends at the end are held back, one of them for the last line."""
        if self._relaxed:
            if b"  " in data or b"\t" in data:  # a look costs a tenth of the search
                data = _RUNS.sub(b" ", data)
            data = data.replace(b" \r\n", b"\r\n")
        pairs = _pairs_at_end(data)
        self._text(data[: len(data) - 2 * pairs])
        self._empty += pairs

    def _text(self, text: bytes) -> None:
        if text:
            while self._empty:
                some = min(self._empty, 1 << 14)
                self._put(b"\r\n" * some)
                self._empty -= some
            self._put(text)
            self._any = True

    def _put(self, data: bytes) -> None:
        """Octets of the canonical body."""
        while self._wanted and self._wanted[-1] <= self.size + len(data):
            length = self._wanted.pop()
            some = self._hash.copy()
            some.update(data[: length - self.size])
            self._parts[length] = some.digest()
        self._hash.update(data)
        self.size += len(data)

    def _long(self) -> None:
        """Part of a very long line, up to a place where no white space is cut."""
        if self._relaxed:
            self._rest = _RUNS.sub(b" ", self._rest)
        held = _OPEN_END.search(self._rest)
        end = held.start() if held else len(self._rest)
        piece, self._rest = self._rest[:end], self._rest[end:]
        self._text(piece)


def _pairs_at_end(data: bytes) -> int:
    """How many CRLFs ``data`` ends with."""
    at = len(data)
    while at >= 2 and data[at - 2 : at] == b"\r\n":
        at -= 2
    return (len(data) - at) // 2
