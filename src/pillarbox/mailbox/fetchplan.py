"""What a client wants to see of messages, and what must be read for it.

A request is a tuple of items in the client's order, as values that know no syntax. The plan says
which columns answer it: one where one is enough, the message itself only if nothing else will do.
``mailbox.fetch`` carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.mailbox import common
from pillarbox.message.section import FIELDS
from pillarbox.store.api import Column


class Att(Enum):
    """Items without argument. What ``fetch`` gives for each is said below it."""

    UID = "uid"
    """int."""
    FLAGS = "flags"
    """int: bits, to be named by ``view.keywords``."""
    MODSEQ = "modseq"
    """int."""
    INTERNALDATE = "internaldate"
    """(seconds since 1970 UTC, minutes east of UTC)."""
    SIZE = "size"
    """int: octets."""
    ENVELOPE = "envelope"
    BODYSTRUCTURE = "bodystructure"
    BODY = "body"
    """bytes: wire form. BODY is BODYSTRUCTURE without extension data."""
    EMAILID = "emailid"
    """int: equal for copies of one message (RFC 8474 §5.1)."""
    THREADID = "threadid"
    """int: equal for related messages (RFC 8474 §5.2)."""
    SAVEDATE = "savedate"
    """int: seconds since 1970 UTC (RFC 8514)."""
    PREVIEW = "preview"
    """str (RFC 8970)."""


@dataclass(frozen=True, slots=True)
class Section:
    """``BODY[path.what (fields)]<partial>``: bytes, ``Large``, or None where there is no such part.

    ``path`` () is the message. ``what`` is one of '', HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT,
    TEXT, MIME; ``fields`` are names in lower case. ``partial`` is (first octet, octets).
    """

    path: tuple[int, ...] = ()
    what: str = ""
    fields: tuple[bytes, ...] = ()
    partial: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """``BINARY[path]<partial>``: bytes, ``Large``, None, or UNKNOWN_CTE (RFC 3516 §4.3)."""

    path: tuple[int, ...] = ()
    partial: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class DecodedSize:
    """``BINARY.SIZE[path]``: int, None, or UNKNOWN_CTE."""

    path: tuple[int, ...] = ()


Item = Att | Section | Decoded | DecodedSize
Piece = Section | Decoded | DecodedSize


@dataclass(frozen=True, slots=True)
class Large:
    """A value too large to hold: read it in pieces with ``fetch.pieces``.

    ``size`` octets come, of ``blob`` from ``start`` over ``length`` octets, decoded from
    ``encoding`` when that is not '' and then without the first ``skip``.
    """

    blob: int
    start: int
    length: int
    size: int
    encoding: bytes = b""
    skip: int = 0


class Unknown(Enum):
    """Why a section cannot be decoded."""

    CTE = "unknown content transfer encoding"


UNKNOWN_CTE: Final = Unknown.CTE

Value = int | str | bytes | tuple[int, int] | Large | Unknown | None

_COLUMNS: Final[dict[Att, tuple[Column, ...]]] = {
    Att.UID: (),
    Att.FLAGS: (),
    Att.MODSEQ: (),
    Att.INTERNALDATE: (Column.INTERNALDATE, Column.ZONE),
    Att.SIZE: (Column.SIZE,),
    Att.ENVELOPE: (Column.ENVELOPE,),
    Att.BODYSTRUCTURE: (Column.BODYSTRUCTURE,),
    Att.BODY: (Column.SCAN,),
    Att.EMAILID: (Column.BLOB,),
    Att.THREADID: (Column.THREAD,),
    Att.SAVEDATE: (Column.SAVED,),
    Att.PREVIEW: (Column.PREVIEW,),
}
_WHOLE: Final = (Column.BODY, Column.BLOB, Column.SIZE)
_PART: Final = (Column.BODY, Column.BLOB, Column.SCAN)
_KEPT: Final = (Column.COMMON,)


OF_ARRAYS: Final[frozenset[object]] = frozenset({Att.UID, Att.FLAGS, Att.MODSEQ})
"""Items that need no store: a mailbox in memory has them."""
_SMALL: Final[frozenset[object]] = OF_ARRAYS | {
    Att.INTERNALDATE,
    Att.SIZE,
    Att.ENVELOPE,
    Att.BODYSTRUCTURE,
    Att.BODY,
    Att.PREVIEW,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request is answered. ``columns`` begins with UID, or is empty: no store needed."""

    items: tuple[Item, ...]
    columns: tuple[Column, ...]

    @property
    def has_pieces(self) -> bool:
        """True when parts of messages are asked for."""
        return any(not isinstance(item, Att) for item in self.items)

    @property
    def lasting(self) -> bool:
        """True when all that is asked for is small and never changes, or is in memory anyhow."""
        return all(
            item in _SMALL or (isinstance(item, Section) and kept_beside(item))
            for item in self.items
        )


def plan(items: Sequence[Item]) -> Plan:
    """The plan for a request."""
    needed: dict[Column, None] = {}
    for item in items:
        for column in _COLUMNS[item] if isinstance(item, Att) else columns_of(item):
            needed[column] = None
    columns = (Column.UID, *needed) if needed else ()
    return Plan(tuple(items), columns)


def columns_of(item: Piece) -> tuple[Column, ...]:
    """The columns that answer for a piece of a message."""
    if isinstance(item, Section):
        if kept_beside(item):
            return _KEPT
        if not item.path and not item.what:
            return _WHOLE
    return _PART


def kept_beside(section: Section) -> bool:
    """True when the fields asked for are kept beside the envelope."""
    return section.what == FIELDS and not section.path and common.covered(section.fields)
