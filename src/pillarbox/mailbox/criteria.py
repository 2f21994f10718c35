"""The leaves of a search: what each asks of a message, and what it costs to know.

ARRAYS leaves are answered from the arrays in memory, for all messages at once. The others look at
a row: a few numbers, the kept header fields, or the message itself.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pillarbox.mailbox import common, fuzzy, keys
from pillarbox.mailbox.document import Document, Needle, field_value, field_values
from pillarbox.mailbox.kept import FIELDS, UNREAD
from pillarbox.mailbox.objectid import blob_of, thread_of
from pillarbox.model import query as q
from pillarbox.store.api import Column

_EPOCH: Final = datetime.date(1970, 1, 1)


class Tier(IntEnum):
    """Where an answer comes from, cheapest first."""

    ARRAYS = 0
    NUMBERS = 1
    FIELDS = 2
    MESSAGE = 3


NO, YES, UNKNOWN = 0, 1, 2
RowTest = Callable[..., int]
"""Given the values of the leaf's columns, in its order: NO, YES, or UNKNOWN, which means look at
the next dearer source. A bool will do."""
DocumentTest = Callable[[Document], float]
"""0 is no; what is more is yes, for a fuzzy leaf its score."""


@dataclass(frozen=True, slots=True)
class Rows:
    """How to answer a leaf from columns of its row."""

    tier: Tier
    columns: tuple[Column, ...]
    test: RowTest


@dataclass(frozen=True, slots=True)
class Criterion:
    """A leaf: ``rows`` if columns can answer it, perhaps not for each message; ``document`` if
    the message itself must or may be asked."""

    rows: Rows | None = None
    document: DocumentTest | None = None
    text: q.Text | q.Header | None = None
    """Set where an index of texts may name candidates."""
    kept: str = ""
    """The column of ``kept`` that can answer, as ``of_kept`` looks at it."""
    needle: Needle | None = None
    """What is looked for, unless it is fuzzy."""


def criterion(leaf: q.Query, now: float) -> Criterion | None:
    """The criterion of a leaf that is not answered from the arrays; None if it is one of those.

    ``now``: seconds since 1970 UTC.
    """
    match leaf:
        case q.Size():
            return _size(leaf)
        case q.DateRange():
            return _date_range(leaf)
        case q.Within():
            return _within(leaf, now)
        case q.ObjectId(kind="email"):
            blob = blob_of(leaf.value)
            return _numbers((Column.BLOB,), lambda found: found == blob)
        case q.ObjectId(kind="thread"):
            thread = thread_of(leaf.value)
            return _numbers((Column.THREAD,), lambda found: found == thread)
        case q.Header():
            return _header(leaf)
        case q.Text():
            return _text(leaf)
    return None


def _numbers(columns: tuple[Column, ...], test: RowTest) -> Criterion:
    return Criterion(Rows(Tier.NUMBERS, columns, test))


def _size(leaf: q.Size) -> Criterion:
    low = -1 if leaf.larger is None else leaf.larger
    high = 1 << 63 if leaf.smaller is None else leaf.smaller
    return _numbers((Column.SIZE,), lambda size: low < size < high)


def _within(leaf: q.Within, now: float) -> Criterion:
    target = int(now) - leaf.seconds
    if leaf.younger:  # RFC 5032 §2: both include the target second
        return _numbers((Column.INTERNALDATE,), lambda date: date >= target)
    return _numbers((Column.INTERNALDATE,), lambda date: date <= target)


def _date_range(leaf: q.DateRange) -> Criterion:
    """Whole days, in the time zone that the date was written in (RFC 9051 §6.4.4)."""
    low = -(1 << 62) if leaf.since is None else (leaf.since - _EPOCH).days
    high = 1 << 62 if leaf.before is None else (leaf.before - _EPOCH).days
    if leaf.which == "sent":

        def sent(column: bytes) -> bool:
            day = keys.sent_day(column)
            return day is not None and low <= day < high

        return _numbers((Column.KEYS,), sent)
    if leaf.which == "saved":
        return _numbers((Column.SAVED,), lambda date: low <= date // 86400 < high)
    return _numbers(
        (Column.INTERNALDATE, Column.ZONE),
        lambda date, zone: low <= (date + 60 * zone) // 86400 < high,
    )


def _header(leaf: q.Header) -> Criterion:
    name = leaf.name.lower().encode("ascii", "replace")
    if leaf.fuzzy and leaf.value:
        return _fuzzy_header(leaf, name)
    needle = Needle(leaf.value)
    asked = leaf if leaf.value else None

    def in_message(document: Document) -> bool:
        return any(needle.within(value) for value in field_values(document.header, name))

    if not common.covered((name,)):
        return Criterion(document=in_message, text=asked)
    plain = needle.octets
    skip = len(name)

    def in_fields(column: bytes) -> int:
        if plain is not None and common.surely_lacks(column, plain):
            return NO
        fields = common.cut(column, (name,))
        if fields is None:
            return UNKNOWN
        for field in fields:
            value = field[skip:]
            if plain is not None and value.isascii() and b"=?" not in value:
                if plain in value.partition(b":")[2].upper():
                    return YES
            elif needle.within(field_value(field)):
                return YES
        return NO

    rows = Rows(Tier.FIELDS, (Column.COMMON,), in_fields)
    return Criterion(rows, in_message, asked, FIELDS.get(name, ""), needle)


def of_kept(needle: Needle, values: Sequence[str | int | None]) -> bytes:
    """NO, YES or UNKNOWN for each value of a kept column of header fields."""
    within = needle.within
    return bytes(
        [
            within(value) if value.__class__ is str else UNKNOWN if value == UNREAD else NO
            for value in values
        ]
    )


def of_texts(needle: Needle, scope: str, known: Iterable[tuple[str | None, str]]) -> bytes:
    """The same for texts that are kept (``kept.Texts``)."""
    within = needle.within
    if scope == "body":
        return bytes([within(text) for _, text in known])
    return bytes(
        [
            within(text) or (UNKNOWN if headers is None else within(headers))
            for headers, text in known
        ]
    )


def _fuzzy_header(leaf: q.Header, name: bytes) -> Criterion:
    wanted = fuzzy.Fuzzy(leaf.value)
    weight = fuzzy.SUBJECT if name == b"subject" else fuzzy.HEADER

    def score(document: Document) -> float:
        values = field_values(document.header, name)
        return wanted.score((value, weight) for value in values)

    return Criterion(document=score, text=leaf)


def _fuzzy_text(leaf: q.Text) -> Criterion:
    wanted = fuzzy.Fuzzy(leaf.value)

    def score(document: Document) -> float:
        places = [(found, fuzzy.BODY) for found in document.texts()]
        if leaf.scope != "body":
            subjects = field_values(document.header, b"subject")
            places = [
                *((found, fuzzy.SUBJECT) for found in subjects),
                *((found, fuzzy.HEADER) for found in document.headers()),
                *places,
            ]
        return wanted.score(places)

    return Criterion(document=score, text=leaf)


def _text(leaf: q.Text) -> Criterion:
    if leaf.fuzzy:
        return _fuzzy_text(leaf)
    needle = Needle(leaf.value)

    def in_body(document: Document) -> bool:
        return any(needle.within(found) for found in document.texts())

    def anywhere(document: Document) -> bool:
        return any(needle.within(found) for found in document.headers()) or in_body(document)

    test = in_body if leaf.scope == "body" else anywhere
    return Criterion(document=test, text=leaf, needle=needle)
