"""One pass over a message: where every part begins and ends, and what its header says.

Total: any bytes give a Scan. Nesting, parts, header octets, fields and parameters are bounded;
what lies beyond is one opaque part, and the defect is recorded. The work is a constant number of
searches over each level of nesting, so it is linear in size times depth.

A boundary matches a whole line only (its trailing white space aside), so one that begins with
another is told apart; an outer boundary ends all that is inside it (RFC 2046 §5.1.2).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from pillarbox.message import header, params, transfer
from pillarbox.message.octets import Data, Readable, count, readable
from pillarbox.message.part import Defect, Envelope, LineEnds, Part, Scan

__all__ = ["Defect", "Envelope", "Limits", "LineEnds", "Part", "Scan", "scan"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a scan. ``header``: octets of one header; ``params``: of one field.

    ``depth`` counts multiparts and embedded messages on the way down, and is never taken for
    more than 100, so that recursion stays far from the interpreter's own limit.
    """

    depth: int = 50
    parts: int = 1000
    header: int = 1 << 20
    fields: int = 5000
    params: int = 64


_DEFAULT = Limits()
_MAX_DEPTH = 100
_MAX_FALSE_STARTS = 100_000
_BLOCK = 1 << 20

_MIME = frozenset(
    b"content-type content-transfer-encoding content-id content-description content-md5"
    b" content-disposition content-language content-location".split()
)
_ENVELOPE = tuple(b"date subject from sender reply-to to cc bcc in-reply-to message-id".split())
_MESSAGE = _MIME | frozenset(_ENVELOPE)
_COMBINED = frozenset({b"to", b"cc", b"bcc"})  # RFC 5322 §4.5.3
_EMBEDDED = frozenset({b"rfc822", b"global"})  # RFC 2046 §5.2.1, RFC 6532 §3.7
_ENCODED = frozenset({b"base64", b"quoted-printable"})

_Default = tuple[bytes, bytes, params.Params]
# RFC 2045 §5.2; RFC 2046 §5.1.5 for the parts of a digest.
_TEXT: _Default = (b"text", b"plain", ((b"charset", b"us-ascii"),))
_RFC822: _Default = (b"message", b"rfc822", ())
_OPAQUE: _Default = (b"application", b"octet-stream", ())

# What may follow a boundary on its line: RFC 2046 §5.1.1, with stray CRs.
_TAIL = re.compile(rb"(--)?[ \t\r]*+(?:\n|\Z)")
_IN_ORDER: dict[object, LineEnds] = {None: LineEnds.NONE, "\r\n": LineEnds.CRLF}
_LANGUAGE = re.compile(rb"[A-Za-z0-9-]+")


def scan(data: Readable, limits: Limits = _DEFAULT) -> Scan:
    """Read a whole message. ``data``: see `octets.readable`; offsets count from its start."""
    octets = readable(data)
    scanner = _Scanner(octets, limits)
    scanner.eight_bit = not _isascii(octets)
    root, envelope, fields = scanner.message(0, len(octets), 0)
    return Scan(
        len(octets),
        root,
        fields,
        envelope,
        _line_ends(octets, scanner.defects),
        scanner.eight_bit,
        Defect.EIGHT_BIT_HEADER in scanner.defects,
        scanner.defects,
    )


class _Scanner:
    __slots__ = ("data", "defects", "depth", "eight_bit", "limits", "parts")

    def __init__(self, data: Data, limits: Limits) -> None:
        self.data = data
        self.limits = limits
        self.depth = min(limits.depth, _MAX_DEPTH)
        self.defects: set[Defect] = set()
        self.parts = 1
        self.eight_bit = False

    def message(
        self, start: int, end: int, depth: int
    ) -> tuple[Part, Envelope, list[header.Field]]:
        """The root part, envelope and field table of the message in [start, end)."""
        found = self._header(start, end)
        values = self._values(found.fields, _MESSAGE)
        root = self._entity(start, found.body_start, end, values, _TEXT, depth)
        if not found.fields:
            self.defects.add(Defect.NO_HEADER)
        return root, Envelope(*[values.get(name) for name in _ENVELOPE]), found.fields

    def _part(self, start: int, end: int, default: _Default, depth: int) -> Part:
        found = self._header(start, end)
        values = self._values(found.fields, _MIME)
        return self._entity(start, found.body_start, end, values, default, depth)

    def _header(self, start: int, end: int) -> header.Section:
        limits = self.limits
        found = header.section(self.data, start, end, limits.header, limits.fields)
        if not found.blank:
            self.defects.add(Defect.NO_BLANK_LINE)
        if not found.complete:
            self.defects.add(Defect.HEADER_LIMIT)
        if self.eight_bit and not self.data[start : found.body_start].isascii():
            self.defects.add(Defect.EIGHT_BIT_HEADER)
        return found

    def _values(self, fields: list[header.Field], wanted: frozenset[bytes]) -> dict[bytes, bytes]:
        """Unfolded values by name: the first of each, address lists combined."""
        values: dict[bytes, bytes] = {}
        more: list[header.Field] = []
        for field in fields:
            name = field[0]
            if name in wanted:
                if name not in values:
                    values[name] = header.value(self.data, field)
                elif name in _COMBINED:
                    more.append(field)
                else:
                    self.defects.add(Defect.DUPLICATE_FIELD)
            elif not name:
                self.defects.add(Defect.STRAY_LINE)
        for name in {field.name for field in more}:
            values[name] = b", ".join(
                [values[name], *[header.value(self.data, f) for f in more if f.name == name]]
            )
        return values

    def _entity(
        self,
        start: int,
        body_start: int,
        end: int,
        values: dict[bytes, bytes],
        default: _Default,
        depth: int,
    ) -> Part:
        """Build a part from its MIME fields and take its body apart."""
        get = values.get
        kind = default
        declared = get(b"content-type")
        if declared is not None:
            read = params.media_type(declared, self.limits.params)
            if read is None:
                self.defects.add(Defect.BAD_CONTENT_TYPE)
                read = _TEXT  # RFC 2045 §5.2
            kind = read
            self._check(read[2])
        encoding = get(b"content-transfer-encoding", b"")
        if encoding:
            encoding = transfer.canonical(encoding) or _other_encoding(encoding)
        part = Part(start, body_start, end, kind[0], kind[1], kind[2], encoding)
        if len(values) > (declared is not None) + (b"content-transfer-encoding" in values):
            self._describe(part, values)
        if part.type == b"text":
            part.lines = count(self.data, b"\n", body_start, end)
        elif part.type == b"multipart":
            self._multipart(part, depth)
        elif part.type == b"message" and part.subtype in _EMBEDDED:
            self._embedded(part, depth)
        return part

    def _describe(self, part: Part, values: dict[bytes, bytes]) -> None:
        """The fields that only BODYSTRUCTURE reads."""
        get = values.get
        part.content_id = get(b"content-id")
        part.description = get(b"content-description")
        part.md5 = get(b"content-md5")
        part.location = get(b"content-location")
        if (value := get(b"content-disposition")) is not None:
            part.disposition = params.disposition(value, self.limits.params)
            if part.disposition is not None:
                self._check(part.disposition[1])
        if (value := get(b"content-language")) is not None:
            tags = _LANGUAGE.findall(params.without_comments(value))
            part.language = tuple(tags[: self.limits.params])

    def _check(self, found: params.Params) -> None:
        if len(found) >= self.limits.params:
            self.defects.add(Defect.PARAMETER_LIMIT)

    def _embedded(self, part: Part, depth: int) -> None:
        """Read a message within a message (RFC 2046 §5.2.1)."""
        part.lines = count(self.data, b"\n", part.body_start, part.body_end)
        if part.encoding in _ENCODED:
            # §5.2.1 forbids it for message/rfc822; RFC 6532 §3.7 allows it for message/global.
            self.defects.add(Defect.ENCODED_MESSAGE)
        elif self._may_descend(depth):
            self.parts += 1
            root, part.envelope, _ = self.message(part.body_start, part.body_end, depth + 1)
            part.children = [root]

    def _multipart(self, part: Part, depth: int) -> None:
        """Take a multipart apart; one without boundary is text to be read (RFC 2045 §5.2)."""
        boundary = params.get(part.params, b"boundary")
        if boundary is None:
            boundary = params.get(params.collapse(part.params), b"boundary")
        if not boundary:
            self.defects.add(Defect.NO_BOUNDARY)
            part.type, part.subtype = _TEXT[:2]
            part.lines = count(self.data, b"\n", part.body_start, part.body_end)
            return
        if part.encoding in _ENCODED:
            self.defects.add(Defect.ENCODED_MULTIPART)  # RFC 2045 §6.4; it never is encoded
        if not self._may_descend(depth):
            return
        ranges, rest = self._split(boundary.rstrip(b" \t"), part.body_start, part.body_end)
        self.parts += len(ranges) + (rest is not None)
        default = _RFC822 if part.subtype == b"digest" else _TEXT
        children = part.children
        for start, end in ranges:
            children.append(self._part(start, end, default, depth + 1))
        if rest is not None:
            children.append(Part(rest, rest, part.body_end, *_OPAQUE))
        if not children:
            # Nobody could read a body that is all preamble, so it is shown as text.
            self.defects.add(Defect.NO_PARTS)
            self.parts += 1
            children.append(self._text(part.body_start, part.body_end))

    def _may_descend(self, depth: int) -> bool:
        if depth >= self.depth:
            self.defects.add(Defect.DEPTH_LIMIT)
        elif self.parts >= self.limits.parts:
            self.defects.add(Defect.PART_LIMIT)
        else:
            return True
        return False

    def _text(self, start: int, end: int) -> Part:
        lines = count(self.data, b"\n", start, end)
        return Part(start, start, end, *_TEXT, lines=lines)

    def _split(
        self, boundary: bytes, start: int, end: int
    ) -> tuple[list[tuple[int, int]], int | None]:
        """The ranges of the parts in [start, end), and where the part limit left off, if it did."""
        data = self.data
        delimiter = b"\n--" + boundary
        length = len(delimiter) - 1
        ranges: list[tuple[int, int]] = []
        room = self.limits.parts - self.parts - 1
        patience = _MAX_FALSE_STARTS
        opened: int | None = None
        at = start if data[start : min(start + length, end)] == delimiter[1:] else -1
        if at < 0:
            at = data.find(delimiter, start, end) + 1 or -1
        while at >= 0:
            tail = _TAIL.match(data, at + length, end)
            if tail is not None:
                if opened is not None:
                    ranges.append((opened, self._before(at, opened)))
                if tail[1] is not None:
                    return ranges, None
                opened = tail.end()
                if len(ranges) >= room:
                    self.defects.add(Defect.PART_LIMIT)
                    return ranges, opened
                at = opened - 1 - length
            else:
                patience -= 1
                if not patience:
                    self.defects.add(Defect.PART_LIMIT)
                    break
            at = data.find(delimiter, at + length, end) + 1 or -1
        if opened is not None:
            self.defects.add(Defect.NOT_CLOSED)
            ranges.append((opened, end))
        return ranges, None

    def _before(self, at: int, opened: int) -> int:
        """The end of a body whose next boundary is at ``at``: without the line end between."""
        end = at - 1
        if self.data[end - 1 : end] == b"\r":
            end -= 1
        return max(end, opened)


def _other_encoding(value: bytes) -> bytes:
    """An encoding with a comment or rubbish after it, by its first word if that is known."""
    word = params.token(value)
    return transfer.canonical(word) or value.lower() if word else b""


def _isascii(data: Data) -> bool:
    if isinstance(data, bytes):
        return data.isascii()
    return all(data[at : at + _BLOCK].isascii() for at in range(0, len(data), _BLOCK))


def _line_ends(data: Data, defects: set[Defect]) -> LineEnds:
    """Count the line ends; notes NULs and bare CRs on the way."""
    if data.find(b"\0") >= 0:
        defects.add(Defect.NUL)
    if isinstance(data, bytes):
        # The standard library's newline decoder notes which kinds there were, in a third of the
        # time of counting them; only what is not in order is counted.
        decoder = io.IncrementalNewlineDecoder(None, False)
        decoder.decode(data.decode("latin-1"), final=True)
        if decoder.newlines in _IN_ORDER:
            return _IN_ORDER[decoder.newlines]
    feeds = count(data, b"\n", 0, len(data))
    returns = count(data, b"\r", 0, len(data))
    if not returns:
        return LineEnds.LF if feeds else LineEnds.NONE
    pairs = _pairs(data)
    if returns > pairs:
        defects.add(Defect.BARE_CR)
    if pairs == feeds:
        return LineEnds.CRLF if feeds else LineEnds.NONE
    return LineEnds.MIXED if pairs else LineEnds.LF


def _pairs(data: Data) -> int:
    if isinstance(data, bytes):
        return data.count(b"\r\n")
    found = at = 0
    while at < len(data):
        # One octet more than the block, so that a pair across the edge counts once.
        block = data[at : at + _BLOCK + 1]
        found += block.count(b"\r\n")
        at += _BLOCK
    return found
