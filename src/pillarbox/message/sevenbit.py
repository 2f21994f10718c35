"""A message with octets above 127 as one without, for servers that take no other (RFC 6152 §3).

Leaf parts are re-encoded, text as quoted-printable and everything else as base64; what is ASCII
already stays as it is, octet for octet. Signatures over converted parts break, which RFC 6376 §5.3
warns of: whoever signs does so afterwards.
"""

from __future__ import annotations

import binascii

from pillarbox.message import header, scan
from pillarbox.message.part import Part

_CTE = b"content-transfer-encoding"
_PLAIN = frozenset({b"", b"7bit", b"8bit", b"binary"})

_Edit = tuple[int, int, bytes]


def seven_bit(data: bytes) -> bytes | None:
    """``data`` (CRLF line ends) in ASCII; the same object if it is already.

    None where that is not possible: raw octets in a header (RFC 6531 is the way for those), in a
    part that says it is encoded, or in one that could not be taken apart.
    """
    if data.isascii():
        return data
    found = scan.scan(data)
    if found.eight_bit_header:
        return None
    edits: list[_Edit] = []
    for part in found.root.walk():
        edit = _container(data, part) if part.children else _leaf(data, part)
        if edit is None:
            return None
        edits += edit
    out: list[bytes] = []
    at = 0
    for start, end, replacement in sorted(edits):
        out += [data[at:start], replacement]
        at = end
    converted = b"".join([*out, data[at:]])
    return converted if converted.isascii() else None


def _container(data: bytes, part: Part) -> list[_Edit]:
    """A multipart or embedded message is 7bit when all that is in it is (RFC 2045 §6.4)."""
    return [_encoding(data, part, b"7bit")] if part.encoding in {b"8bit", b"binary"} else []


def _leaf(data: bytes, part: Part) -> list[_Edit] | None:
    body = data[part.body_start : part.body_end]
    if body.isascii():
        return _container(data, part) if part.encoding == b"8bit" else []
    if part.encoding not in _PLAIN or part.type in {b"multipart", b"message"}:
        return None
    if part.type == b"text":
        name, coded = b"quoted-printable", _quoted_printable(body)
    else:
        name, coded = b"base64", _base64(body)
    return [_encoding(data, part, name), (part.body_start, part.body_end, coded)]


def _encoding(data: bytes, part: Part, name: bytes) -> _Edit:
    """Replace the part's Content-Transfer-Encoding, or add one in front of its header."""
    line = b"Content-Transfer-Encoding: " + name + b"\r\n"
    for field in header.section(data, part.header_start, part.body_start).fields:
        if field.name == _CTE:
            return field.start, field.end, line
    return part.header_start, part.header_start, line


def _quoted_printable(body: bytes) -> bytes:
    coded = binascii.b2a_qp(body.replace(b"\r\n", b"\n"), istext=True)
    return coded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _base64(body: bytes) -> bytes:
    lines = [
        binascii.b2a_base64(body[at : at + 57], newline=False) for at in range(0, len(body), 57)
    ]
    return b"\r\n".join(lines)
