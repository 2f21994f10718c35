"""The connection's other sides: language, compression, batches (RFC 5255, RFC 4978, RFC 10022)."""

from __future__ import annotations

from pillarbox.wire.imap.extensions import (
    Compress,
    GetJmapAccess,
    Language,
    UidBatches,
    Unauthenticate,
)
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.base import Bare, Parser

RANGES = 50
"""Language ranges in one LANGUAGE (a count)."""


def language(cur: Cursor, tag: str) -> Language:
    """``LANGUAGE`` and ranges like ``de-CH`` or ``default`` (RFC 5255 §3.5)."""
    ranges = []
    while cur.more():
        ranges.append(cur.astring())
        if not ranges[-1].isascii() or not ranges[-1].isprintable():
            raise Bad("There is no such language")
    cur.end()
    return Language(tag, tuple(ranges[:RANGES]))


def compress(cur: Cursor, tag: str) -> Compress:
    """``COMPRESS DEFLATE``; other algorithms do not exist (RFC 4978 §5)."""
    cur.space()
    algorithm = cur.word()
    cur.end()
    if algorithm != "DEFLATE":
        raise Bad("Unknown compression algorithm")
    return Compress(tag, algorithm)


def uid_batches(cur: Cursor, tag: str) -> UidBatches:
    """``UIDBATCHES size [first:last]``."""
    cur.space()
    size = cur.nz_number()
    wanted = None
    if cur.more():
        first = cur.nz_number()
        cur.expect(":")
        last = cur.nz_number()
        wanted = min(first, last), max(first, last)
    cur.end()
    return UidBatches(tag, size, wanted)


BARE: Bare = {"UNAUTHENTICATE": Unauthenticate, "GETJMAPACCESS": GetJmapAccess}

PARSERS: dict[str, Parser] = {
    "LANGUAGE": language,
    "COMPRESS": compress,
    "UIDBATCHES": uid_batches,
}
