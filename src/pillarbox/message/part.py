"""The facts about a message: a tree of parts with byte offsets.

Everything taken from the message is `bytes`: a value that is not what it should be stays what it
was, and the wire wants bytes anyway. Names, types and encodings are in lower case; values keep
their case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pillarbox.message.header import Field
from pillarbox.message.params import Params


class Defect(StrEnum):
    """What was wrong with a message. New ones go to the end: frozen scans keep the position."""

    NO_HEADER = "no header"
    NO_BLANK_LINE = "no blank line after a header"
    STRAY_LINE = "a line in a header that is no field"
    DUPLICATE_FIELD = "a field twice that may occur once"
    EIGHT_BIT_HEADER = "raw octets above 127 in a header"
    HEADER_LIMIT = "a header was too long to read to its end"
    PARAMETER_LIMIT = "a field had too many parameters"
    BAD_CONTENT_TYPE = "a Content-Type that is none"
    NO_BOUNDARY = "a multipart without a boundary"
    NO_PARTS = "a multipart without parts"
    NOT_CLOSED = "a multipart without a closing boundary"
    ENCODED_MULTIPART = "a multipart with a transfer encoding"
    ENCODED_MESSAGE = "an embedded message with a transfer encoding"
    DEPTH_LIMIT = "parts nested too deep"
    PART_LIMIT = "too many parts"
    NUL = "a NUL octet"
    BARE_CR = "a CR without LF"


class LineEnds(StrEnum):
    """How the lines of a message end. A CR alone ends no line."""

    NONE = "none"
    CRLF = "crlf"
    LF = "lf"
    MIXED = "mixed"


@dataclass(slots=True)
class Envelope:
    """Unfolded values of the fields an IMAP ENVELOPE is made of; None where the field is absent.

    Several To, Cc or Bcc fields are combined (RFC 5322 §4.5.3); of the others the first counts.
    """

    date: bytes | None = None
    subject: bytes | None = None
    from_: bytes | None = None
    sender: bytes | None = None
    reply_to: bytes | None = None
    to: bytes | None = None
    cc: bytes | None = None
    bcc: bytes | None = None
    in_reply_to: bytes | None = None
    message_id: bytes | None = None


@dataclass(slots=True)
class Part:
    """One MIME entity (RFC 2045 §2.4).

    ``header_start:body_start`` is its header with the blank line, ``body_start:body_end`` its
    body; the line end before the next boundary belongs to the boundary (RFC 2046 §5.1.1).

    A multipart that was taken apart has at least one child, an embedded message exactly one: the
    root of its own tree. A multipart or message without children is opaque: broken, encoded, or
    beyond a limit. ``envelope`` belongs to the embedded message.

    ``encoding`` is the canonical name where the encoding is known, else the value in lower case,
    empty when there is none. ``lines`` counts LFs, for text and embedded messages only.
    """

    header_start: int
    body_start: int
    body_end: int
    type: bytes
    subtype: bytes
    params: Params = ()
    encoding: bytes = b""
    lines: int = 0
    content_id: bytes | None = None
    description: bytes | None = None
    md5: bytes | None = None
    disposition: tuple[bytes, Params] | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None
    children: list[Part] = field(default_factory=list)
    envelope: Envelope | None = None

    @property
    def size(self) -> int:
        """Octets of the body as transferred."""
        return self.body_end - self.body_start

    @property
    def embedded(self) -> Part | None:
        """The root of the message inside a message/rfc822 or message/global that was read."""
        return self.children[0] if self.children and self.type == b"message" else None

    @property
    def is_multipart(self) -> bool:
        """True when ``children`` are the parts of a multipart."""
        return bool(self.children) and self.type == b"multipart"

    def walk(self) -> list[Part]:
        """This part and all below it, in the order of the message, embedded messages included."""
        found: list[Part] = []
        waiting = [self]
        while waiting:
            part = waiting.pop()
            found.append(part)
            waiting.extend(reversed(part.children))
        return found


@dataclass(slots=True)
class Scan:
    """A scanned message.

    ``fields`` is the table of the top header. ``eight_bit``: any octet above 127 anywhere (it
    needs 8BITMIME, RFC 6152); ``eight_bit_header``: in the header of the message or of a part
    (it needs SMTPUTF8, RFC 6531 §3.2).
    """

    size: int
    root: Part
    fields: list[Field]
    envelope: Envelope
    line_ends: LineEnds
    eight_bit: bool
    eight_bit_header: bool
    defects: set[Defect]
