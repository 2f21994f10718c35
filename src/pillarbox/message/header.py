"""Header sections as byte ranges: where each field is, and which of them to hand out.

Nothing here decodes. A header section is the bytes up to and including the blank line. A field
runs from the first octet of its name to the end of its last line, folds included, so the fields
of a section lie end to end and can be copied out unchanged.

Where a header ends when the blank line is missing: at the first line that is neither a field nor
a continuation, unless a field follows right after it. The exception keeps one stray line (an
mbox ``From ``, a fold that lost its indent, a byte order mark) from hiding the rest of the
header; such a line is a field with the empty name. A line that starts with ``--`` always ends
the header: it is more likely a boundary whose blank line was lost.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from pillarbox.message.octets import Data

MAX_OCTETS = 16 << 20
MAX_FIELDS = 50_000
"""Where reading a header ends unless told otherwise: far beyond any mail that is not an attack,
near enough to take a fraction of a second."""

NO_LIMIT = 1 << 62

TOP = 256 * 1024
"""Octets of a message's beginning that are enough for whoever only wants to know its header."""

# RFC 5322 §3.6.8: ftext is printable US-ASCII except the colon. §4.5: white space before it.
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:")
# A line of a header that is not a continuation. Starts with a literal so that the search is a
# memchr; an empty group is a line that is no field.
_LINE = re.compile(rb"\n(?:([!-9;-~]++)[ \t]*+:|(?![ \t\r\n]))")


class Field(NamedTuple):
    """One header field: ``name`` in lower case (empty for a stray line), ``data[start:end]``."""

    name: bytes
    start: int
    end: int


_new = tuple.__new__  # twice as fast as calling Field, and there are many


class Section(NamedTuple):
    """A header section.

    ``blank``: the blank line is there. ``complete``: no limit cut the list of fields short.
    """

    fields: list[Field]
    body_start: int
    blank: bool
    complete: bool


def section(
    data: Data,
    start: int,
    end: int,
    max_octets: int = MAX_OCTETS,
    max_fields: int = MAX_FIELDS,
) -> Section:
    """Find the fields of the header that begins at ``start``; nothing at ``end`` or after is read.

    The limits bound the list of fields, not the search for the blank line: ``body_start`` is
    true even when the list is cut.
    """
    head = data[start : min(start + 2, end)]
    if head == b"\r\n":
        return Section([], start + 2, True, True)
    if head[:1] == b"\n":
        return Section([], start + 1, True, True)
    stop = data.find(b"\n\r\n", start, end)
    bare = data.find(b"\n\n", start, end if stop < 0 else stop + 1)
    if bare >= 0:
        text_end, body_start = bare, bare + 2
    elif stop >= 0:
        text_end, body_start = stop, stop + 3
    else:
        text_end, body_start = end - (data[max(start, end - 1) : end] == b"\n"), end
    return _fields(data, start, text_end, body_start, max_octets, max_fields)


def _fields(
    data: Data, start: int, text_end: int, body_start: int, max_octets: int, max_fields: int
) -> Section:
    """The fields of [start, text_end), where the newline of the last line is at ``text_end``."""
    last = min(text_end + 1, body_start)
    bound = min(text_end, start + max_octets)
    complete = bound == text_end
    blank = body_start > last
    first = _FIELD.match(data, start, text_end)
    if first is not None:
        name = first[1].lower()
    elif _resumes(data, start, text_end):
        name = b""
    else:
        return Section([], start, False, True)
    found: list[Field] = []
    begin = start
    for line in _LINE.finditer(data, start, bound):
        at = line.start() + 1
        key = line[1]
        if key is None:
            if not complete and (at >= bound or _FIELD.match(data, at, text_end)):
                last = at
                break  # the limit cuts the next field
            if not _resumes(data, at, text_end):
                last, body_start, blank, complete = at, at, False, True
                break
            key = b""
        found.append(_new(Field, (name, begin, at)))
        if len(found) >= max_fields:
            return Section(found, body_start, blank, False)
        name = key.lower()
        begin = at
    found.append(Field(name, begin, last if complete else min(last, bound)))
    return Section(found, body_start, blank, complete)


def _resumes(data: Data, at: int, text_end: int) -> bool:
    """True when the line at ``at``, which is no field, is followed by one."""
    if data[at : at + 2] == b"--":
        return False
    newline = data.find(b"\n", at, text_end)
    return newline >= 0 and _FIELD.match(data, newline + 1, text_end) is not None


def top(data: bytes, most: int = TOP) -> bytes:
    """The header of a message with its blank line, as far as the first ``most`` octets hold it."""
    return data[: section(data, 0, min(len(data), most)).body_start]


def fields(header: bytes) -> list[Field]:
    """The fields of a header section (or of the start of a message), in order."""
    return section(header, 0, len(header)).fields


def value(data: Data, field: Field) -> bytes:
    """The unfolded value of a field, without the white space around it."""
    name, start, end = field
    raw = data[start + len(name) : end]
    if name:
        raw = raw[raw.find(b":") + 1 :]
    return unfold(raw)


def unfold(raw: bytes) -> bytes:
    """RFC 5322 §2.2.3: a fold is removed, the white space after it stays. Trims both ends."""
    if b"\n" in raw:
        raw = raw.replace(b"\r\n", b"").replace(b"\n", b"")
    return raw.strip(b" \t\r")


def first(header: bytes, name: bytes) -> bytes | None:
    """The value of the first field with this (lower-case) name; None when there is none."""
    for field in fields(header):
        if field.name == name:
            return value(header, field)
    return None


def every(header: bytes, name: bytes) -> list[bytes]:
    """The values of all fields with this (lower-case) name, in order."""
    return [value(header, field) for field in fields(header) if field.name == name]


def pick(header: bytes, names: Collection[bytes], exclude: bool = False) -> bytes:
    """The raw fields with (or without) these names, and a blank line (RFC 9051 §6.4.5.1).

    Names match in any case of ASCII letters. What is no field belongs to no name, so it comes
    with ``exclude`` only.
    """
    wanted = {name.lower() for name in names}
    found = section(header, 0, len(header))
    picked = [header[f.start : f.end] for f in found.fields if (f.name in wanted) != exclude]
    if picked and not picked[-1].endswith(b"\n"):
        picked.append(b"\r\n")
    bare = found.blank and header[max(found.body_start - 2, 0) : found.body_start] != b"\r\n"
    picked.append(b"\n" if bare else b"\r\n")
    return b"".join(picked)
