"""A Scan as a few hundred bytes, so that no message is scanned twice.

Layout, all little-endian: version and width (octets of one integer: 2, 4 or 8), flags, defects,
the number of integers; the integers; the octets of all strings, end to end. The integers are the
tree in pre-order, each string in it by its length, or by its place in a table of the common ones
when it is in there. One `unpack` reads all integers, which is what makes thawing fast.

Field names and the ENVELOPE values make up most of the size. A store that keeps the rendered
ENVELOPE beside it passes ``header=False`` and leaves them out.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator

from pillarbox.base.errors import Permanent
from pillarbox.message.header import Field
from pillarbox.message.params import Params
from pillarbox.message.part import Defect, Envelope, LineEnds, Part, Scan

VERSION = 1

_ENVELOPE = tuple(field.name for field in dataclasses.fields(Envelope))

_HEAD = struct.Struct("<BBBxII")
_WIDTHS = {2: "H", 4: "I", 8: "Q"}
_LINE_ENDS = tuple(LineEnds)
_DEFECTS = tuple(Defect)

# Never reorder or remove: frozen scans keep positions. Additions need a new version.
_TABLE: tuple[bytes, ...] = tuple(
    b"text plain html multipart mixed alternative related signed report message rfc822 application"
    b" octet-stream pdf image jpeg png gif audio video calendar delivery-status 7bit 8bit binary"
    b" base64 quoted-printable charset utf-8 UTF-8 us-ascii US-ASCII iso-8859-1 ISO-8859-1 boundary"
    b" name filename filename* name* format flowed delsp yes no type protocol micalg method size"
    b" creation-date modification-date report-type attachment inline"
    b" date subject from sender reply-to to cc bcc in-reply-to message-id references mime-version"
    b" content-type content-transfer-encoding content-disposition content-language content-id"
    b" received return-path delivered-to x-original-to dkim-signature authentication-results"
    b" received-spf arc-seal arc-message-signature arc-authentication-results list-id list-help"
    b" list-unsubscribe list-unsubscribe-post list-post list-subscribe list-archive list-owner"
    b" precedence auto-submitted user-agent x-mailer x-priority importance organization errors-to"
    b" feedback-id x-spam-status x-spam-score x-spam-level x-spam-flag x-virus-scanned"
    b" thread-index thread-topic x-originating-ip x-received x-google-dkim-signature"
    b" x-gm-message-state".split()
)
_PLACE = {text: place for place, text in enumerate(_TABLE, 1)}
_LENGTHS_FROM = len(_TABLE) + 1


class Unreadable(Permanent):
    """These bytes are no frozen scan of this version: scan the message again."""


def freeze(scan: Scan, *, header: bool = True) -> bytes:
    """The bytes of a scan. Without ``header``, field table and top ENVELOPE are left out."""
    writer = _Writer()
    numbers = writer.numbers
    numbers.append(scan.size)
    writer.part(scan.root)
    if header:
        writer.envelope(scan.envelope)
        writer.fields(scan.fields)
    largest = max(numbers)
    width = 2 if largest < 1 << 16 else 4 if largest < 1 << 32 else 8
    flags = (
        _LINE_ENDS.index(scan.line_ends)
        | scan.eight_bit << 2
        | scan.eight_bit_header << 3
        | header << 4
    )
    defects = sum(1 << _DEFECTS.index(defect) for defect in scan.defects)
    head = _HEAD.pack(VERSION, width, flags, defects, len(numbers))
    packed = struct.pack(f"<{len(numbers)}{_WIDTHS[width]}", *numbers)
    return b"".join([head, packed, *writer.heap])


def thaw(data: bytes) -> Scan:
    """The scan again; equal to the one frozen, or without what was left out.

    Raises Unreadable if ``data`` is of another version or damaged.
    """
    try:
        return _thaw(data)
    except (struct.error, LookupError, StopIteration, ValueError, RecursionError) as error:
        raise Unreadable("not a frozen scan", hint="scan the message again") from error


def _thaw(data: bytes) -> Scan:
    version, width, flags, defects, length = _HEAD.unpack_from(data)
    if version != VERSION or defects >> len(_DEFECTS):
        raise ValueError(version)
    numbers = struct.unpack_from(f"<{length}{_WIDTHS[width]}", data, _HEAD.size)
    reader = _Reader(iter(numbers), data, _HEAD.size + length * width)
    size = next(reader.numbers)
    root = reader.part()
    header = bool(flags & 16)
    envelope = reader.envelope() if header else Envelope()
    fields = reader.fields() if header else []
    if reader.at != len(data):
        raise ValueError(reader.at)
    return Scan(
        size,
        root,
        fields,
        envelope,
        _LINE_ENDS[flags & 3],
        bool(flags & 4),
        bool(flags & 8),
        {_DEFECTS[bit] for bit in range(defects.bit_length()) if defects >> bit & 1},
    )


class _Writer:
    """Appends values to ``numbers`` and ``heap``; `_Reader` takes them back in the same order."""

    __slots__ = ("heap", "numbers")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.heap: list[bytes] = []

    def string(self, value: bytes | None) -> None:
        if value is None:
            self.numbers.append(0)
        elif (place := _PLACE.get(value)) is not None:
            self.numbers.append(place)
        else:
            self.numbers.append(_LENGTHS_FROM + len(value))
            self.heap.append(value)

    def params(self, found: Params) -> None:
        self.numbers.append(len(found))
        for name, value in found:
            self.string(name)
            self.string(value)

    def part(self, part: Part) -> None:
        # What most parts lack is behind one number, bit by bit.
        extras = (
            (part.content_id is not None)
            | (part.description is not None) << 1
            | (part.md5 is not None) << 2
            | (part.disposition is not None) << 3
            | bool(part.language) << 4
            | (part.location is not None) << 5
            | (part.envelope is not None) << 6
            | bool(part.children) << 7
        )
        self.numbers += (part.header_start, part.body_start, part.body_end, part.lines, extras)
        self.string(part.type)
        self.string(part.subtype)
        self.string(part.encoding)
        self.params(part.params)
        if not extras:
            return
        for value in (part.content_id, part.description, part.md5, part.location):
            if value is not None:
                self.string(value)
        if part.disposition is not None:
            self.string(part.disposition[0])
            self.params(part.disposition[1])
        if part.language:
            self.numbers.append(len(part.language))
            for tag in part.language:
                self.string(tag)
        if part.envelope is not None:
            self.envelope(part.envelope)
        if part.children:
            self.numbers.append(len(part.children))
            for child in part.children:
                self.part(child)

    def envelope(self, found: Envelope) -> None:
        for name in _ENVELOPE:
            self.string(getattr(found, name))

    def fields(self, fields: list[Field]) -> None:
        """Fields lie end to end, so the first start and the lengths say it all."""
        self.numbers += (len(fields), fields[0].start if fields else 0)
        for name, start, end in fields:
            self.string(name)
            self.numbers.append(end - start)


class _Reader:
    __slots__ = ("at", "data", "numbers")

    def __init__(self, numbers: Iterator[int], data: bytes, at: int) -> None:
        self.numbers = numbers
        self.data = data
        self.at = at

    def string(self) -> bytes | None:
        number = next(self.numbers)
        if number < _LENGTHS_FROM:
            return _TABLE[number - 1] if number else None
        start = self.at
        self.at = start + number - _LENGTHS_FROM
        return self.data[start : self.at]

    def text(self) -> bytes:
        found = self.string()
        if found is None:
            raise ValueError(self.at)
        return found

    def params(self) -> Params:
        length = next(self.numbers)
        return tuple([(self.text(), self.text()) for _ in range(length)]) if length else ()

    def part(self) -> Part:
        take = self.numbers
        start, body_start, body_end, lines, extras = (
            next(take),
            next(take),
            next(take),
            next(take),
            next(take),
        )
        kind, subtype, encoding, params = self.text(), self.text(), self.text(), self.params()
        part = Part(start, body_start, body_end, kind, subtype, params, encoding, lines)
        if extras:
            self.extras(part, extras)
        return part

    def extras(self, part: Part, extras: int) -> None:
        if extras & 1:
            part.content_id = self.text()
        if extras & 2:
            part.description = self.text()
        if extras & 4:
            part.md5 = self.text()
        if extras & 32:
            part.location = self.text()
        if extras & 8:
            part.disposition = (self.text(), self.params())
        if extras & 16:
            part.language = tuple([self.text() for _ in range(next(self.numbers))])
        if extras & 64:
            part.envelope = self.envelope()
        if extras & 128:
            part.children = [self.part() for _ in range(next(self.numbers))]

    def envelope(self) -> Envelope:
        return Envelope(*[self.string() for _ in _ENVELOPE])

    def fields(self) -> list[Field]:
        length, at = next(self.numbers), next(self.numbers)
        found = []
        for _ in range(length):
            name, end = self.text(), at + next(self.numbers)
            found.append(Field(name, at, end))
            at = end
        return found
