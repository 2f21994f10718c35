"""date (RFC 5260 §4, §5): when a message was written, and what time it is."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from pillarbox.message import date as message_date
from pillarbox.sieve.extensions.core import KEYS
from pillarbox.sieve.extensions.fields import selected
from pillarbox.sieve.match import matches
from pillarbox.sieve.problem import Failed
from pillarbox.sieve.state import State
from pillarbox.sieve.words import Arg, Extension, Kind, Node, Tag, Word

_ZONE = re.compile(r"([+-])([0-9]{2})([0-5][0-9])")
_JULIAN = date(1858, 11, 17).toordinal()
_FORMS = {
    "month": "%m",
    "day": "%d",
    "hour": "%H",
    "minute": "%M",
    "second": "%S",
    "time": "%H:%M:%S",
}
_PARTS = frozenset({*_FORMS, "year", "date", "julian", "iso8601", "std11", "zone", "weekday"})


def _offset(when: datetime) -> str:
    """``+hhmm``; Zulu has a positive sign (RFC 5260 §4.2)."""
    minutes = round((when.utcoffset() or timedelta()).total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def part_of(when: datetime, part: str) -> str:
    """RFC 5260 §4.2."""
    zone = _offset(when)
    match part:
        case "year":
            return f"{when.year:04d}"
        case "julian":
            return str(when.toordinal() - _JULIAN)
        case "iso8601":
            end = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
            return f"{when.year:04d}-{when:%m-%dT%H:%M:%S}{end}"
        case "date":
            return f"{when.year:04d}-{when:%m-%d}"
        case "std11":
            return message_date.write(when)
        case "zone":
            return zone
        case "weekday":
            return str(when.isoweekday() % 7)
        case _:
            return when.strftime(_FORMS[part])


def _zone(text: str) -> str:
    return "" if _as_zone(text) else f'"{text}" is no offset such as "+0100"'


def _as_zone(text: str) -> tzinfo | None:
    found = _ZONE.fullmatch(text)
    if found is None or int(found[2]) > 23:
        return None
    span = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-span if found[1] == "-" else span)


def _part(text: str) -> str:
    return "" if text.lower() in _PARTS else f'a date has no part "{text}"'


def _shown(state: State, node: Node, when: datetime) -> str:
    part = state.text(node.text("part")).lower()
    if part not in _PARTS:
        raise Failed(f'a date has no part "{part}"')
    if not node.flag("originalzone"):
        zone = state.context.now.tzinfo
        if node.flag("zone"):
            zone = _as_zone(state.text(node.text("zone")))
            if zone is None:
                raise Failed("this is no offset of a time zone")
        try:
            when = when.astimezone(zone or UTC)
        except OverflowError:
            pass  # at the ends of time a shift is not worth an error
    return part_of(when, part)


def _date(state: State, node: Node) -> bool:
    fields = selected(state, node, [state.text(node.text("field"))])[:1]
    values = []
    for one in fields:
        # RFC 5260 §4: the whole field, or what follows its last semicolon.
        when = message_date.parse(one.octets().rpartition(b";")[2].strip())
        if when is not None:
            values.append(_shown(state, node, when))
    return matches(state, node, values, state.texts(node.texts("keys")))


def _currentdate(state: State, node: Node) -> bool:
    shown = _shown(state, node, state.context.now)
    return matches(state, node, [shown], state.texts(node.texts("keys")))


_WHICH = Arg("part", Kind.STRING, check=_part)
_OFFSET = Arg("zone", Kind.STRING, check=_zone)

EXTENSIONS = (
    Extension(
        "date",
        "RFC 5260",
        tests=(
            Word("date", _date, (Arg("field", Kind.STRING), _WHICH, KEYS), ("MATCH", "INDEX")),
            Word("currentdate", _currentdate, (_WHICH, KEYS), ("MATCH",)),
        ),
        tags=(
            Tag("zone", ("date", "currentdate"), _OFFSET, group="zone"),
            Tag("originalzone", ("date",), group="zone"),
        ),
    ),
)
