"""One search tree for IMAP SEARCH, JMAP filters and webmail.

Parsers translate into it, ``mailbox.search`` evaluates it, the store never sees it. Dates are
``datetime.date`` and compare without time zone where the RFC says so (RFC 9051 §6.4.4).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pillarbox.model.numset import NumSet


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Query


@dataclass(frozen=True, slots=True)
class Sequence:
    """Messages by sequence number; unresolved ranges as ``numset.parse_ranges`` gives them."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Uid:
    """Messages by UID; unresolved ranges."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """The saved result ``$`` (RFC 5182); ``uids`` is filled in by whoever holds it."""

    uids: NumSet | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """Has the flag or keyword ``name`` (``\\Recent`` included)."""

    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """Field ``name`` contains ``value``; an empty value asks only that the field be there."""

    name: str
    value: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Substring, case-insensitive. ``scope``: 'body' (text of the body) or 'text' (and header)."""

    scope: str
    value: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class DateRange:
    """``since`` <= date < ``before``. ``which``: 'internal', 'sent' (Date field) or 'saved'."""

    which: str
    since: datetime.date | None = None
    before: datetime.date | None = None


@dataclass(frozen=True, slots=True)
class Within:
    """RFC 5032: YOUNGER (``younger`` True) or OLDER than ``seconds``, by INTERNALDATE."""

    seconds: int
    younger: bool


@dataclass(frozen=True, slots=True)
class Size:
    """Octets, exclusive bounds: ``larger`` < size < ``smaller``."""

    larger: int | None = None
    smaller: int | None = None


@dataclass(frozen=True, slots=True)
class ModSeq:
    """At least ``value`` (RFC 7162 §3.1.5)."""

    value: int


@dataclass(frozen=True, slots=True)
class ObjectId:
    """``kind``: 'email' or 'thread' (RFC 8474 §6)."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class SaveDateSupported:
    """True for every message of a mailbox that keeps save dates (RFC 8514 §4.3)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A named search of the user's (RFC 5466 §3.1), resolved before evaluation."""

    name: str


Query = (
    All
    | And
    | Or
    | Not
    | Sequence
    | Uid
    | Saved
    | Flag
    | Header
    | Text
    | DateRange
    | Within
    | Size
    | ModSeq
    | ObjectId
    | SaveDateSupported
    | Filter
)
