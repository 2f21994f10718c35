"""Sort and thread keys of a message, worked out once and packed into one small column.

SORT (RFC 5256, RFC 5957) and THREAD read nothing but these. Texts are folded already (``casemap``),
so comparing is comparing strings. The first octet is a version: keys of an unknown version read
as those of an empty message, and a later upgrade can tell which to make again.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pillarbox.mailbox.subject import base_subject
from pillarbox.message import address, date, header, words
from pillarbox.message.casemap import fold
from pillarbox.message.octets import Data
from pillarbox.message.part import Scan

VERSION: Final = 1

_HEAD: Final = struct.Struct("<BBqh")
_LENGTH: Final = struct.Struct("<H")
_DATED, _REPLY = 1, 2

MAX_TEXT: Final = 500
"""Characters of a subject or name that take part in sorting."""
MAX_ID: Final = 500
MAX_REFERENCES: Final = 60
"""Message-IDs kept of a References field: the first, for the root, and the last ones. With the
longest of ids they are just within the 64 KB that a length can tell."""

NEAREST: Final = 4
"""Ancestors looked for when a message comes, besides the root."""

# RFC 5322 §3.6.4, as found: no white space inside, an @ somewhere.
_ID: Final = re.compile(rb"<([^<>\s]{1,%d}@[^<>\s]{1,%d})>" % (MAX_ID, MAX_ID))
_QUOTED_LOCAL: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"(@.*)', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a message is sorted and threaded by. Texts are folded."""

    sent: int | None = None
    """Seconds since 1970 UTC by the Date field; None: the INTERNALDATE counts (RFC 5256 §2.2)."""
    zone: int = 0
    """Minutes east of UTC that the Date field was written in."""
    subject: str = ""
    """Base subject (RFC 5256 §2.1)."""
    is_reply: bool = False
    """The subject was that of a reply or forward (RFC 5256 §3)."""
    from_: str = ""
    to: str = ""
    cc: str = ""
    """Mailbox (local part) of the first address (RFC 5256 §3)."""
    display_from: str = ""
    display_to: str = ""
    """Name of the first address, or the address itself (RFC 5957 §3)."""
    message_id: bytes = b""
    references: tuple[bytes, ...] = ()
    """Ancestors, oldest first; the first of In-Reply-To where References has none."""


EMPTY: Final = Keys()


def keys_of(data: Data, scan: Scan) -> Keys:
    """The keys of a scanned message. ``data``: the message or at least its header."""
    found = scan.envelope
    sent, zone = _date(found.date)
    base, is_reply = base_subject(words.decode((found.subject or b"")[: 8 * MAX_TEXT]))
    from_, display_from = _first(found.from_)
    to, display_to = _first(found.to)
    return Keys(
        sent,
        zone,
        fold(base)[:MAX_TEXT],
        is_reply,
        from_,
        to,
        _first(found.cc)[0],
        display_from,
        display_to,
        own_id(found.message_id or b""),
        _references(data, scan),
    )


def own_id(value: bytes) -> bytes:
    """The Message-ID in a field's value, without its brackets; b'' for none."""
    ids = _ids(value)
    return ids[0] if ids else b""


def kin(keys: Keys) -> tuple[int, ...]:
    """What puts the message into a thread, as ``Facts.kin`` wants it: itself, its nearest
    ancestors, and the root. Those between are left out, they have kin of their own."""
    ids = keys.references
    nearest = ids[: -NEAREST - 1 : -1]
    root = ids[:1] if len(ids) > NEAREST else ()
    found = [_hash(one) for one in (*nearest, *root)]
    if not keys.message_id:
        return (0, *found) if found else ()
    own = _hash(keys.message_id)
    return (own, *[one for one in found if one != own])


def _hash(message_id: bytes) -> int:
    """63 bits, never 0. Chance makes two of a billion ids equal once in some twenty cases."""
    return int.from_bytes(hashlib.blake2b(message_id, digest_size=8).digest()) >> 1 or 1


def pack(keys: Keys) -> bytes:
    """The column."""
    bits = (_DATED if keys.sent is not None else 0) | (_REPLY if keys.is_reply else 0)
    texts = (keys.subject, keys.from_, keys.to, keys.cc, keys.display_from, keys.display_to)
    pieces = [_HEAD.pack(VERSION, bits, keys.sent or 0, keys.zone)]
    values = [text.encode("utf-8", "replace") for text in texts]
    for value in (*values, keys.message_id, b" ".join(keys.references)):
        pieces += (_LENGTH.pack(len(value)), value)
    return b"".join(pieces)


def unpack(column: bytes) -> Keys:
    """The opposite; EMPTY for what cannot be read."""
    if len(column) < _HEAD.size or column[0] != VERSION:
        return EMPTY
    _, bits, sent, zone = _HEAD.unpack_from(column)
    values = []
    at = _HEAD.size
    for _ in range(8):
        (length,) = _LENGTH.unpack_from(column, at)
        at += _LENGTH.size
        values.append(column[at : at + length])
        at += length
    subject, from_, to, cc, display_from, display_to = (v.decode("utf-8") for v in values[:6])
    return Keys(
        sent if bits & _DATED else None,
        zone,
        subject,
        bool(bits & _REPLY),
        from_,
        to,
        cc,
        display_from,
        display_to,
        values[6],
        tuple(values[7].split()),
    )


SUBJECT, FROM, TO, CC, DISPLAY_FROM, DISPLAY_TO, MESSAGE_ID, REFERENCES = range(8)
"""Places of the texts in the column, for ``text``."""


def text(column: bytes, place: int) -> bytes:
    """One text of the column without unpacking the rest; UTF-8, b"" where there is none."""
    if len(column) < _HEAD.size or column[0] != VERSION:
        return b""
    at = _HEAD.size
    for _ in range(place):
        at += 2 + column[at] + (column[at + 1] << 8)
    return column[at + 2 : at + 2 + column[at] + (column[at + 1] << 8)]


_PREFIX: Final = struct.Struct("<BBqhH")
"""The head and the length of the subject."""


def for_threads(column: bytes, otherwise: int) -> tuple[int, bytes, bool, bytes, bytes]:
    """When it was sent (as ``sent``), base subject, whether that was a reply's, Message-ID and
    references: all that threading asks, in one walk over the column."""
    if len(column) < _PREFIX.size or column[0] != VERSION:
        return otherwise, b"", False, b"", b""
    _, bits, date, _, length = _PREFIX.unpack_from(column)
    at = _PREFIX.size + length
    subject = column[_PREFIX.size : at]
    for _ in range(MESSAGE_ID - FROM):
        at += 2 + column[at] + (column[at + 1] << 8)
    end = at + 2 + column[at] + (column[at + 1] << 8)
    return (
        date if bits & _DATED else otherwise,
        subject,
        bool(bits & _REPLY),
        column[at + 2 : end],
        column[end + 2 : end + 2 + column[end] + (column[end + 1] << 8)],
    )


def sent(column: bytes, otherwise: int) -> int:
    """When the message was sent (seconds since 1970 UTC), or ``otherwise`` where it does not say
    (RFC 5256 §2.2)."""
    if len(column) < _HEAD.size or column[0] != VERSION or not column[1] & _DATED:
        return otherwise
    return int(_HEAD.unpack_from(column)[2])


def is_reply(column: bytes) -> bool:
    """The subject was that of a reply or forward."""
    return len(column) >= _HEAD.size and column[0] == VERSION and bool(column[1] & _REPLY)


def sent_day(column: bytes) -> int | None:
    """Days since 1970 of the Date field as written, which is what SENTON compares (RFC 9051
    §6.4.4: disregarding time and timezone); None when there is none."""
    if len(column) < _HEAD.size or column[0] != VERSION:
        return None
    _, bits, sent, zone = _HEAD.unpack_from(column)
    return int((sent + zone * 60) // 86400) if bits & _DATED else None


def _date(value: bytes | None) -> tuple[int | None, int]:
    found = date.parse(value) if value else None
    if found is None:
        return None, 0
    offset = found.utcoffset() or datetime.timedelta()
    return (found - _EPOCH) // datetime.timedelta(seconds=1), offset // datetime.timedelta(
        minutes=1
    )


_REMEMBERED: Final = 512
"""Octets of an address list whose keys are worth remembering: the same people write again."""


def _first(value: bytes | None) -> tuple[str, str]:
    """Mailbox and display form of the first address of a list, folded."""
    if not value:
        return "", ""
    return _short_first(value) if len(value) <= _REMEMBERED else _any_first(value)


@lru_cache(maxsize=4096)
def _short_first(value: bytes) -> tuple[str, str]:
    return _any_first(value)


def _any_first(value: bytes) -> tuple[str, str]:
    for found in address.parse(value):
        mailbox, host, name = found.mailbox or b"", found.host, found.name
        if found.mailbox is None and host is None:
            continue  # the end of a group: its members decide
        shown = words.decode(name) if name else words.decode(mailbox)
        if not name and host:  # RFC 5957 §3: a group's name stands alone
            shown += "@" + words.decode(host)
        return fold(words.decode(mailbox))[:MAX_TEXT], fold(shown)[:MAX_TEXT]
    return "", ""


def _references(data: Data, scan: Scan) -> tuple[bytes, ...]:
    """RFC 5256 §3, step 1: References, else the first Message-ID in In-Reply-To."""
    found: list[bytes] = []
    for field in scan.fields:
        if field.name == b"references":
            found += _ids(header.value(data, field))
    if not found:
        found = _ids(scan.envelope.in_reply_to or b"")[:1]
    if len(found) > MAX_REFERENCES:
        found = [found[0], *found[1 - MAX_REFERENCES :]]
    return tuple(found)


def _ids(value: bytes) -> list[bytes]:
    """Message-IDs in the form in which they are compared: unneeded quotes removed."""
    return [_normal_id(found) for found in _ID.findall(value)]


def _normal_id(found: bytes) -> bytes:
    if b'"' not in found:
        return found
    quoted = _QUOTED_LOCAL.fullmatch(found)
    return _ESCAPE.sub(rb"\1", quoted[1]) + quoted[2] if quoted else found
