"""Dates as IMAP spells them: ``1-Feb-1994`` in SEARCH, date-time in APPEND (RFC 9051 §9)."""

from __future__ import annotations

import datetime
import re

from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.quirks import DAY

MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1
    )
}
_DATE = re.compile(r'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_TIME = re.compile(
    r"([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})\""
)


def date(cur: Cursor) -> datetime.date:
    """``date``, with or without quotes."""
    found = _DATE.match(cur.text, cur.pos)
    if found is None:
        raise Bad("Expected a date like 1-Feb-1994")
    try:
        value = datetime.date(int(found[4]), MONTHS[found[3].upper()], int(found[2]))
    except (KeyError, ValueError):
        raise Bad("There is no such date") from None
    cur.pos = found.end()
    return value


def date_time(cur: Cursor) -> datetime.datetime:
    """``date-time`` in its quotes; the zone is kept.

    A second of 60 is a leap second (RFC 3339 has it, the IMAP grammar does not forbid it) and
    becomes 59. Zones up to 23:59 either way are all Python and the grammar have in common.
    """
    day = DAY.match(cur.text, cur.pos)
    rest = _TIME.match(cur.text, day.end()) if day is not None else None
    if day is None or rest is None:
        raise Bad('Expected a date and time like "17-Jul-1996 02:44:25 -0700"')
    month, year, hour, minute, second, sign, zone_hours, zone_minutes = rest.groups()
    try:
        offset = datetime.timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        value = datetime.datetime(
            int(year),
            MONTHS[month.upper()],
            int(day[1]),
            int(hour),
            int(minute),
            59 if second == "60" else int(second),
            tzinfo=datetime.timezone(-offset if sign == "-" else offset),
        )
        value.astimezone(datetime.UTC)
    except (KeyError, ValueError, OverflowError):
        raise Bad("There is no such date") from None
    cur.pos = rest.end()
    return value
