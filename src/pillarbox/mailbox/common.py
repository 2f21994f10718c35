"""The header fields that clients ask for when they list a mailbox, kept beside the envelope.

The column is made to be cut without reading it: an octet of version, an octet with the number of
fields, for each field an octet that names it, for each field two octets of length, then the raw
fields in message order, without the blank line. The version says which names were looked for, so
that a name not found is known to be absent; 0 says that the fields were too long to keep and the
message itself must be asked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from itertools import accumulate
from typing import Final

from pillarbox.message.octets import Data
from pillarbox.message.part import Scan
from pillarbox.model.numset import NumSet

MAX_OCTETS: Final = 16 * 1024
"""Of the kept fields of a message. A References field of a long thread has its 4 KB."""
MAX_FIELDS: Final = 255

VERSIONS: Final[tuple[tuple[bytes, ...], ...]] = (
    (),
    # Never change a list, nor its order: columns on disks name fields by their place in it.
    tuple(
        b"auto-submitted autocrypt-draft-state bcc cc chat-version content-class content-"
        b" transfer-encoding content-type date disposition-notification-to envelope-to from"
        b" importance in-reply-to list-archive list-help list-id list-owner list-post list-"
        b" subscribe list-unsubscribe list-unsubscribe-post message-id mime-version"
        b" newsgroups organization precedence priority references reply-to return-receipt-"
        b" to sender subject to user-agent x-draft-info x-forwarded-message-id x-k9mail-"
        b" identity x-mailer x-mozilla-draft-info x-msmail-priority x-priority x-spam-flag"
        b" x-spam-status x-uniform-type x-universally-unique-identifier".split()
    ),
)
CURRENT: Final = len(VERSIONS) - 1
INCOMPLETE: Final = 0
_NONE: Final = bytes((INCOMPLETE,))
_NUMBERS: Final = tuple({name: n for n, name in enumerate(names)} for names in VERSIONS)
_HEAD: Final = 2


def pack(data: Data, scan: Scan) -> bytes:
    """The column of a message. ``data``: the message or at least its header."""
    numbers = _NUMBERS[CURRENT]
    fields = [field for field in scan.fields if field.name in numbers]
    octets = [data[field.start : field.end] for field in fields]
    if octets and not octets[-1].endswith(b"\n"):
        octets[-1] += b"\r\n"
    lengths = [len(one) for one in octets]
    if len(fields) > MAX_FIELDS or sum(lengths) > MAX_OCTETS:
        return _NONE
    names = bytes([numbers[field.name] for field in fields])
    head = bytes((CURRENT, len(fields)))
    return b"".join((head, names, _lengths(len(fields)).pack(*lengths), *octets))


def covered(names: Iterable[bytes]) -> bool:
    """True when the column of a message of today answers for these (lower-case) names."""
    return all(name in _NUMBERS[CURRENT] for name in names)


def cut(column: bytes, names: Collection[bytes]) -> list[bytes] | None:
    """The raw fields of these (lower-case) names; None when the column does not answer for them."""
    version = column[0] if column else INCOMPLETE
    wanted = _wanted(version, tuple(names))
    if wanted is None:
        return None
    count = column[1]
    at = _HEAD + count
    lengths = _lengths(count).unpack_from(column, at)
    at += 2 * count
    found = []
    for number, length in zip(column[_HEAD : _HEAD + count], lengths, strict=True):
        if number in wanted:
            found.append(column[at : at + length])
        at += length
    return found


def subsets(
    columns: Iterable[bytes], names: tuple[bytes, ...], tail: bytes = b""
) -> list[bytes | None]:
    """The same of many messages, each as one piece with ``tail`` behind. Most columns of a mailbox
    begin with one of a few heads, and fields that lie beside each other are cut out together."""
    known: dict[bytes, _Cut | None] = {}
    out: list[bytes | None] = []
    for column in columns:
        head = column[: _HEAD + column[1]] if len(column) > 1 else b""
        try:
            plan = known[head]
        except KeyError:
            plan = known[head] = _cut_of(head, names)
        if plan is None:
            out.append(None)
            continue
        lengths, at, runs = plan
        sizes = lengths(column, len(head))
        if len(runs) == 1:  # the usual case: what stands in the middle of a header
            first, last = runs[0]
            start = at + sum(sizes[:first])
            out.append(column[start : start + sum(sizes[first:last])] + tail)
            continue
        ends = list(accumulate(sizes, initial=at))
        out.append(b"".join([column[ends[first] : ends[last]] for first, last in runs]) + tail)
    return out


_Cut = tuple[Callable[[bytes, int], tuple[int, ...]], int, tuple[tuple[int, int], ...]]
"""How to read the lengths, where the fields begin, and stretches of them that are wanted."""


def _cut_of(head: bytes, names: tuple[bytes, ...]) -> _Cut | None:
    wanted = _wanted(head[0] if head else INCOMPLETE, names)
    if wanted is None:
        return None
    count = len(head) - _HEAD
    places = [place for place, number in enumerate(head[_HEAD:], 1) if number in wanted]
    runs = tuple((first - 1, last) for first, last in NumSet.of(places).ranges)
    return _lengths(count).unpack_from, _HEAD + 3 * count, runs


def surely_lacks(column: bytes, plain: bytes) -> bool:
    """True when no kept field holds ``plain`` (upper-case ASCII without white space), decoded or
    not: nearly all fields of nearly all messages are told by a look at the octets together."""
    if not column or not INCOMPLETE < column[0] <= CURRENT:
        return False
    fields = column[_HEAD + 3 * column[1] :]
    return fields.isascii() and b"=?" not in fields and plain not in fields.upper()


@lru_cache(maxsize=4096)
def _wanted(version: int, names: tuple[bytes, ...]) -> frozenset[int] | None:
    """The numbers of names in a version; None when it does not know them all."""
    if version == INCOMPLETE or version > CURRENT:
        return None
    numbers = _NUMBERS[version]
    found = [numbers.get(name, -1) for name in names]
    return None if -1 in found else frozenset(found)


@lru_cache(maxsize=256)
def _lengths(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}H")
