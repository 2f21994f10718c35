"""Date-times of RFC 5322 §3.3 and §4.3, and the other forms that Date fields are found with."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name.lower().encode("ascii"): number for number, name in enumerate(MONTHS, 1)}

# RFC 5322 §4.3. Single letters are unreliable and count as -0000, like unknown names.
_ZONES = {
    b"EST": -300,
    b"EDT": -240,
    b"CST": -360,
    b"CDT": -300,
    b"MST": -420,
    b"MDT": -360,
    b"PST": -480,
    b"PDT": -420,
}
_COMMENT = re.compile(rb"\([^()]*+\)")
_COLON = rb"\s*+[:.]\s*+"  # RFC 5322 §4.3: white space and comments between any tokens
_TIME = (
    rb"(?P<hour>\d{1,2})"
    + _COLON
    + rb"(?P<minute>\d{2})(?:"
    + _COLON
    + rb"(?P<second>\d{2})(?:[.,]\d++)?)?"
)
_ZONE = rb"(?:(?:GMT|UTC|UT)?(?P<offset>[+-]\d{1,2}:?\d{2})|(?P<zone>[A-Za-z]{1,5}))?"
_GROUPS = ("day", "month", "year", "hour", "minute", "second", "offset", "zone")
_FORMS = (
    # Wed, 17 Jul 1996 02:23:25 -0700; commas, dashes and the weekday are optional.
    re.compile(
        rb"\s*+(?:[A-Za-z]{2,9}+\.?\s*+,?\s*+)?(?P<day>\d{1,2})[\s.-]++(?P<month>[A-Za-z]{3})[a-z]*+"
        rb"[\s.,-]++(?P<year>\d{2,4}),?\s++" + _TIME + rb"\s*+" + _ZONE
    ),
    # Wed Jul 17 02:23:25 PDT 1996 (asctime, date)
    re.compile(
        rb"\s*+[A-Za-z]{3,9}+,?\s++(?P<month>[A-Za-z]{3})[a-z]*+\s++(?P<day>\d{1,2}),?\s++"
        + _TIME
        + rb"\s++"
        + _ZONE
        + rb"\s*+(?P<year>\d{4})"
    ),
    # 1996-07-17T02:23:25-07:00 (RFC 3339)
    re.compile(
        rb"\s*+(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})[Tt\s]\s*+" + _TIME + rb"\s*+" + _ZONE
    ),
)


def parse(value: bytes) -> datetime | None:
    """An aware date-time, None where there is none to be read.

    ``value`` is unfolded. The fields are as written, so ``parse(v).date()`` is the date that
    SENTON compares (RFC 9051 §6.4.4: disregarding time and timezone).
    """
    if b"(" in value:
        value = _COMMENT.sub(b" ", value)
    for form in _FORMS:
        found = form.match(value)
        if found is not None:
            return _build(found)
    return None


def _build(found: re.Match[bytes]) -> datetime | None:
    day, month_text, year_text, hour, minute, second, offset, zone = found.group(*_GROUPS)
    month_text = month_text.lower()
    month = int(month_text) if month_text.isdigit() else _MONTH.get(month_text)
    if month is None:
        return None
    year = int(year_text)
    if len(year_text) == 2 and year < 50:
        year += 2000  # RFC 5322 §4.3
    elif len(year_text) < 4:
        year += 1900
    if not 1900 <= year <= 9998:  # within every time zone of what datetime can do
        return None
    try:
        return datetime(
            year,
            month,
            int(day),
            int(hour),
            int(minute),
            min(int(second or 0), 59),  # RFC 5322 §3.3 allows the leap second 60
            tzinfo=_zone(offset, zone),
        )
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _zone(offset: bytes | None, name: bytes | None) -> timezone:
    if offset is None:
        return timezone(timedelta(minutes=_ZONES.get(name.upper(), 0))) if name else UTC
    digits = offset[1:].replace(b":", b"").rjust(4, b"0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    if minutes >= 24 * 60:
        return UTC
    return timezone(timedelta(minutes=-minutes if offset[:1] == b"-" else minutes))


@lru_cache(maxsize=16)
def utc(second: int) -> str:
    """``write`` of seconds since 1970: in a busy second all messages get the same."""
    return write(datetime.fromtimestamp(second, UTC))


def write(when: datetime) -> str:
    """RFC 5322 §3.3, independent of the locale. Without time zone it is UTC, said as -0000."""
    offset = when.utcoffset()
    minutes = 0 if offset is None else round(offset.total_seconds() / 60)
    sign = "-" if offset is None or minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    day = f"{DAYS[when.weekday()]}, {when.day:02} {MONTHS[when.month - 1]} {when.year:04}"
    return f"{day} {when.hour:02}:{when.minute:02}:{when.second:02} {zone}"
