"""IMAP section specifications: from ``BODY[3.2.MIME]`` to a range of bytes (RFC 9051 §6.4.5.1).

A path names parts by number from the root. A number below a multipart is one of its parts; below
an embedded message it is a part of that message, and a message that is no multipart has the one
part 1. A path that leads nowhere, or a HEADER or TEXT of what is no message, gives None, which a
server sends as NIL.
"""

from __future__ import annotations

from collections.abc import Collection

from pillarbox.message import header
from pillarbox.message.octets import Readable, readable
from pillarbox.message.part import Part, Scan

HEADER = "HEADER"
TEXT = "TEXT"
MIME = "MIME"
FIELDS = "HEADER.FIELDS"
FIELDS_NOT = "HEADER.FIELDS.NOT"

_FIELD_SUBSETS = frozenset({FIELDS, FIELDS_NOT})


def resolve(scan: Scan, path: tuple[int, ...]) -> Part | None:
    """The part with this number, None if there is none or the path is empty."""
    found: Part | None = None
    inside: Part | None = scan.root  # whose parts the next number names
    for number in path:
        if inside is None or number < 1:
            return None
        if inside.is_multipart:
            found = inside.children[number - 1] if number <= len(inside.children) else None
        else:  # the root of a message that is no multipart: it has a part 1, itself
            found = inside if number == 1 else None
        if found is None:
            return None
        inside = found if found.is_multipart else found.embedded
    return found


def locate(
    scan: Scan, path: tuple[int, ...] = (), what: str | None = None
) -> tuple[int, int] | None:
    """The range of bytes of a section; for a subset of fields, that of the header to subset.

    ``what`` is None or empty for the part itself, or one of the names above in upper case.
    """
    if not path:
        message: Part | None = scan.root
        if not what:
            return 0, scan.size
    else:
        part = resolve(scan, path)
        if part is None:
            return None
        if not what:
            return part.body_start, part.body_end
        if what == MIME:
            return part.header_start, part.body_start
        message = part.embedded
    if message is None or what == MIME:  # MIME must have a part number
        return None
    if what == TEXT:
        return message.body_start, message.body_end
    if what == HEADER or what in _FIELD_SUBSETS:
        return message.header_start, message.body_start
    return None


def section(
    scan: Scan,
    data: Readable,
    path: tuple[int, ...] = (),
    what: str | None = None,
    fields: Collection[bytes] = (),
) -> bytes | None:
    """The bytes of a section of the whole message ``data``; see `locate` to read less of it."""
    found = locate(scan, path, what)
    if found is None:
        return None
    start, end = found
    return subset(readable(data)[start:end], what, fields)


def subset(octets: bytes, what: str | None, fields: Collection[bytes] = ()) -> bytes:
    """What to send of the bytes that `locate` told to read: all, or some fields of a header."""
    if what not in _FIELD_SUBSETS:
        return octets
    return header.pick(octets, fields, exclude=what == FIELDS_NOT)
