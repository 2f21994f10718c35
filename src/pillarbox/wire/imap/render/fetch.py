"""FETCH responses, a batch of messages at a time.

A batch is one format string and one tuple of values, so that the work for a message is a few
dozen nanoseconds whatever its size: 10,000 FLAGS cost about 1.5 ms, 10,000 stored ENVELOPEs
about the same. Literals are joined in instead, so that their octets are copied once. ENVELOPE,
BODYSTRUCTURE and cached header fields are kept as wire bytes and pass through untouched.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pillarbox.model.flags import flag_names
from pillarbox.wire.imap.render.text import literal, nstring

RECENT = 0x80
"""Bit that stands for \\Recent in ``FlagTable`` keys: a spare one among the system flags. The
store never has it; a session adds it to what it shows (RFC 3501 §2.3.2)."""

UIDFETCH = b"UIDFETCH"
"""The word of rows that begin with UIDs (RFC 9586 §4)."""

_INT = b"%d"
_RAW = b"%b"
_PARENTHESIZED = b"(%d)"
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class FlagTable(dict[int, bytes]):
    """Flag bits to ``(\\Seen $Forwarded)``, each combination spelt once.

    Belongs to one mailbox's keyword list; make another when the list has grown.
    """

    def __init__(self, keywords: Sequence[str], limit: int = 4096) -> None:
        super().__init__()
        self.keywords = tuple(keywords)
        self._limit = limit

    def __missing__(self, bits: int) -> bytes:
        if len(self) >= self._limit:
            self.clear()
        names = flag_names(bits & ~RECENT, self.keywords)
        if bits & RECENT:
            names.append("\\Recent")
        spelt = self[bits] = ("(" + " ".join(names) + ")").encode("ascii")
        return spelt


@dataclass(frozen=True, slots=True)
class Column:
    """One FETCH item of all messages of a batch; ``form`` is how a value is formatted.

    ``literal``: values are octets, announced and then sent as they are.
    """

    label: bytes
    values: Iterable[int] | Iterable[bytes]
    form: bytes = _RAW
    literal: bool = False

    def one(self) -> bytes:
        """The value of a column that has just one."""
        value = next(iter(self.values))
        return literal(value) if self.literal and isinstance(value, bytes) else self.form % value


def uid_column(uids: Sequence[int]) -> Column:
    """``UID 4827``."""
    return Column(b"UID", uids, _INT)


def flags_column(bits: Iterable[int], table: FlagTable) -> Column:
    """``FLAGS (\\Seen)`` from bits under the table's keyword list, RECENT added where due."""
    return Column(b"FLAGS", map(table.__getitem__, bits))


def size_column(octets: Sequence[int]) -> Column:
    """``RFC822.SIZE 44827``."""
    return Column(b"RFC822.SIZE", octets, _INT)


def modseq_column(modseqs: Sequence[int]) -> Column:
    """RFC 7162 §3.1.4.2."""
    return Column(b"MODSEQ", modseqs, _PARENTHESIZED)


def date_column(seconds: Iterable[int], label: bytes = b"INTERNALDATE") -> Column:
    """``INTERNALDATE "17-Jul-1996 02:44:25 +0000"``, from seconds since 1970."""
    return Column(label, map(internal_date, seconds))


def dated_column(moments: Iterable[tuple[int, int]], label: bytes = b"INTERNALDATE") -> Column:
    """Moments as (seconds since 1970, minutes east of UTC): in the zone they were given in."""
    return Column(label, [internal_date(seconds, zone) for seconds, zone in moments])


def wire_column(label: bytes, values: Sequence[bytes]) -> Column:
    """Values that are wire bytes already: ENVELOPE, BODYSTRUCTURE, NIL."""
    return Column(label, values)


def literal_column(label: bytes, values: Sequence[bytes | None]) -> Column:
    """Octets sent as literals; None is NIL (there is no such part)."""
    there = [value for value in values if value is not None]
    if len(there) == len(values):
        return Column(label, there, literal=True)
    return Column(label, [b"NIL" if value is None else literal(value) for value in values])


def id_column(label: bytes, ids: Iterable[str | None]) -> Column:
    """EMAILID and THREADID: in parentheses, None is NIL (RFC 8474 §5)."""
    return Column(label, [b"NIL" if i is None else b"(%b)" % i.encode("ascii") for i in ids])


def string_column(label: bytes, values: Iterable[str | None], *, utf8: bool = False) -> Column:
    """Unicode text as nstring: PREVIEW (RFC 8970 §5)."""
    octets = [None if text is None else text.encode("utf-8", "replace") for text in values]
    return Column(label, [nstring(one, utf8=utf8) for one in octets])


def binary_column(label: bytes, values: Iterable[bytes | None]) -> Column:
    """Decoded parts: a literal, or a literal8 where there is a NUL (RFC 3516 §4.2)."""
    return Column(label, [b"NIL" if v is None else literal(v, binary=b"\0" in v) for v in values])


def fetch_rows(numbers: Sequence[int], columns: Sequence[Column], word: bytes = b"FETCH") -> bytes:
    """``* n FETCH (…)`` for every message of the batch.

    ``numbers`` are sequence numbers, or UIDs with ``word`` UIDFETCH (RFC 9586). Every column
    must have as many values; ValueError or TypeError otherwise, which is a bug of the caller.
    """
    if any(column.literal for column in columns):
        return _with_literals(numbers, columns, word)
    count = len(numbers)
    width = len(columns) + 1
    values: list[int | bytes] = [0] * (count * width)
    values[0::width] = numbers
    items = []
    for place, column in enumerate(columns, 1):
        values[place::width] = column.values
        items.append(column.label.replace(b"%", b"%%") + b" " + column.form)
    row = b"* %%d %b (%b)\r\n" % (word, b" ".join(items))
    return row * count % tuple(values)


def _with_literals(numbers: Sequence[int], columns: Sequence[Column], word: bytes) -> bytes:
    """The same where some columns are literals: what stands before each of them is formatted,
    then everything is joined."""
    form = b"* %d " + word + b" ("
    values: list[Iterable[int] | Iterable[bytes]] = [numbers]
    pieces: list[Sequence[bytes]] = []
    for place, column in enumerate(columns):
        form += b" " * bool(place) + column.label.replace(b"%", b"%%") + b" "
        if column.literal:
            octets: list[bytes] = list(column.values)  # type: ignore[arg-type]
            values.append(map(len, octets))
            form += b"{%d}\r\n"
            pieces += ([form % row for row in zip(*values, strict=True)], octets)
            form, values = b"", []
        else:
            form += column.form
            values.append(column.values)
    form += b")\r\n"
    count = len(numbers)
    if values:
        pieces.append([form % row for row in zip(*values, strict=True)])
    else:
        pieces.append([form] * count)
    out = [b""] * (count * len(pieces))
    for place, piece in enumerate(pieces):
        out[place :: len(pieces)] = piece
    return b"".join(out)


def fetch_flags(
    numbers: Sequence[int],
    bits: Iterable[int],
    table: FlagTable,
    uids: Sequence[int] | None = None,
    modseqs: Sequence[int] | None = None,
) -> bytes:
    """The commonest rows: flags, with UID and MODSEQ where the client is to have them."""
    columns = [flags_column(bits, table)]
    if uids is not None:
        columns.insert(0, uid_column(uids))
    if modseqs is not None:
        columns.append(modseq_column(modseqs))
    return fetch_rows(numbers, columns)


def fetch_open(number: int, word: bytes = b"FETCH") -> bytes:
    """The head of a row whose items are written piece by piece, because a body is streamed."""
    return b"* %d %b (" % (number, word)


FETCH_CLOSE = b")\r\n"


def internal_date(seconds: int, zone: int = 0) -> bytes:
    """``date-time``; ``seconds`` since 1970, in the years 1 to 9999, ``zone`` minutes east."""
    day, rest = divmod(seconds + zone * 60, 86_400)
    return _day(day) + _MINUTES[rest // 60] + _SECONDS[rest % 60] + _zone(zone)


_MINUTES = tuple(b"%02d:%02d:" % divmod(minute, 60) for minute in range(1440))
_SECONDS = tuple(b"%02d" % second for second in range(60))


@lru_cache(4096)
def _day(day: int) -> bytes:
    date = datetime.date.fromordinal(_EPOCH + day)
    return f'"{date.day:2d}-{_MONTHS[date.month - 1]}-{date.year:04d} '.encode("ascii")


@lru_cache(512)
def _zone(zone: int) -> bytes:
    return b' %b%02d%02d"' % (b"-" if zone < 0 else b"+", *divmod(abs(zone), 60))
