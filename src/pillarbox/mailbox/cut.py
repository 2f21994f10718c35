"""Cut what a client asked for out of a message: from what is in memory, else told what to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.mailbox import common
from pillarbox.mailbox.fetchplan import (
    UNKNOWN_CTE,
    Decoded,
    DecodedSize,
    Large,
    Piece,
    Section,
    Value,
    kept_beside,
)
from pillarbox.message import section, transfer
from pillarbox.message.freeze import thaw
from pillarbox.message.part import Scan
from pillarbox.store.api import Blobs, Column

HELD: Final = 256 * 1024
"""Octets of a piece that are read into memory; more become ``Large``."""


@dataclass(slots=True)
class Kept:
    """What of a message was read with its row; None for what was not, or is not inline."""

    uid: int
    blob: int = 0
    size: int = 0
    common: bytes | None = None
    scan: Scan | None = None
    body: bytes | None = None


_FIELDS: Final = frozenset(Kept.__slots__)


@dataclass(frozen=True, slots=True)
class ToRead:
    """A piece that is not in memory: octets of a blob, and what to do with them."""

    item: Piece
    blob: int
    start: int
    end: int
    encoding: bytes = b""


def kept_of(columns: Sequence[Column], row: Sequence[object]) -> Kept:
    """From a row and the names of its columns."""
    kept = Kept(0)
    for column, value in zip(columns, row, strict=True):
        name = column.value
        if name in _FIELDS and value is not None:
            setattr(
                kept, name, thaw(value) if isinstance(value, bytes) and name == "scan" else value
            )
    return kept


def answers(item: Piece, kept: Kept) -> bool:
    """False when a message of before, or with too much header, must be read as a whole."""
    if not isinstance(item, Section) or not kept_beside(item) or (kept.scan and kept.blob):
        return True
    return common.cut(kept.common or b"", item.fields) is not None


def piece(item: Piece, kept: Kept) -> Value | ToRead:
    """The value of an item, or what must be read for it."""
    if isinstance(item, Section):
        if kept_beside(item):
            found = fields_of(item, [kept.common or b""])[0]
            if found is not None:
                return found
        return _section(item, kept)
    return _decoded(item, kept)


def fields_of(item: Section, columns: Sequence[bytes]) -> list[bytes | None]:
    """A subset of the header of many messages; None where the kept fields do not answer."""
    found, partial = common.subsets(columns, item.fields, b"\r\n"), item.partial
    if partial is None:
        return found
    return [None if octets is None else _part_of(octets, partial) for octets in found]


def _section(item: Section, kept: Kept) -> Value | ToRead:
    if not item.path and not item.what:
        found: tuple[int, int] | None = (0, kept.scan.size if kept.scan else kept.size)
    else:
        found = section.locate(kept.scan, item.path, item.what) if kept.scan else None
    if found is None:
        return None
    start, end = found
    if kept.body is None:
        return ToRead(item, kept.blob, start, end) if kept.blob else None
    octets = section.subset(kept.body[start:end], item.what, item.fields)
    return _part_of(octets, item.partial)


def _decoded(item: Decoded | DecodedSize, kept: Kept) -> Value | ToRead:
    scan = kept.scan
    part = section.resolve(scan, item.path) if scan and item.path else None
    if scan is None or (item.path and part is None):
        return None
    # A multipart or message has no encoding to undo (RFC 2045 §6.4): it is given as it is.
    plain = part is None or bool(part.children)
    encoding = b"" if plain or part is None else part.encoding
    if encoding and not transfer.known(encoding):
        return UNKNOWN_CTE
    start, end = (0, scan.size) if part is None else (part.body_start, part.body_end)
    if kept.body is None:
        return ToRead(item, kept.blob, start, end, encoding) if kept.blob else None
    return _after_decoding(item, transfer.decode(kept.body[start:end], encoding))


def _after_decoding(item: Piece, octets: bytes) -> Value:
    return len(octets) if isinstance(item, DecodedSize) else _part_of(octets, item.partial)


def _part_of(octets: bytes, partial: tuple[int, int] | None) -> bytes:
    """RFC 9051 §6.4.5: what lies beyond the end is left out, perhaps all of it."""
    if partial is None:
        return octets
    first, length = partial
    return octets[first : first + length]


async def complete(store: Blobs, wanted: ToRead) -> Value:
    """The value of a piece that is not in memory: read now when it is small, else ``Large``."""
    item, start, end = wanted.item, wanted.start, wanted.end
    encoded = transfer.canonical(wanted.encoding) in _CHANGES_OCTETS
    if isinstance(item, DecodedSize) and not encoded:
        return end - start
    whole = isinstance(item, Section) and bool(item.fields)  # a header is never large
    if not encoded and not whole and item_partial(item) is not None:
        first, length = item_partial(item) or (0, 0)
        start, end = min(start + first, end), min(start + first + length, end)
    if end - start <= HELD or whole:
        octets = await store.read(wanted.blob, start, end - start)
        if isinstance(item, Section):
            octets = section.subset(octets, item.what, item.fields)
            return _part_of(octets, item.partial) if whole else octets
        if not encoded:
            return octets
        return _after_decoding(item, transfer.decode(octets, wanted.encoding))
    if not encoded:
        return Large(wanted.blob, start, end - start, end - start)
    return await _large_decoded(store, wanted)


_CHANGES_OCTETS: Final = frozenset({b"base64", b"quoted-printable"})


def item_partial(item: Piece) -> tuple[int, int] | None:
    """The partial of an item that can have one."""
    return None if isinstance(item, DecodedSize) else item.partial


async def _large_decoded(store: Blobs, wanted: ToRead) -> Value:
    """Decode once to count, as the size is sent first; ``pieces`` decodes again."""
    decoder = transfer.Decoder(wanted.encoding)
    size = 0
    async for chunk in store.stream(wanted.blob, wanted.start, wanted.end - wanted.start):
        size += len(decoder.feed(chunk))
    size += len(decoder.close())
    if isinstance(wanted.item, DecodedSize):
        return size
    first, length = item_partial(wanted.item) or (0, size)
    first = min(first, size)
    return Large(
        wanted.blob,
        wanted.start,
        wanted.end - wanted.start,
        min(length, size - first),
        wanted.encoding,
        first,
    )
