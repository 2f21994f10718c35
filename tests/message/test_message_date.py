"""Dates, proper and found."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import date


def at(*when: int, zone: int = 0) -> datetime:
    return datetime(*when, tzinfo=timezone(timedelta(minutes=zone)))  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 5322 appendix A and §4.3
        (b"Fri, 21 Nov 1997 09:55:06 -0600", at(1997, 11, 21, 9, 55, 6, zone=-360)),
        (b"21 Nov 97 09:55:06 GMT", at(1997, 11, 21, 9, 55, 6)),
        (
            b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
            at(1997, 11, 21, 9, 55, 6, zone=-360),
        ),
        (b"Thu, 13 Feb 1969 23:32 -0330", at(1969, 2, 13, 23, 32, zone=-210)),
        (
            b"Thu,\t13\t Feb  1969\t23:32:54\t-0330 (Newfoundland Time)",
            at(1969, 2, 13, 23, 32, 54, zone=-210),
        ),
        (b"1 Jan 49 00:00 +0000", at(2049, 1, 1)),
        (b"1 Jan 50 00:00 +0000", at(1950, 1, 1)),
        (b"1 Jan 103 00:00 +0000", at(2003, 1, 1)),
        (b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", at(1996, 7, 17, 2, 23, 25, zone=-420)),
        (b"Wed, 17 Jul 1996 02:23:25 PDT", at(1996, 7, 17, 2, 23, 25, zone=-420)),
        (b"Wed, 17 Jul 1996 02:23:25 est", at(1996, 7, 17, 2, 23, 25, zone=-300)),
        (b"Wed, 17 Jul 1996 02:23:25 Z", at(1996, 7, 17, 2, 23, 25)),
        (b"Wed, 17 Jul 1996 02:23:25 A", at(1996, 7, 17, 2, 23, 25)),
        (b"Wed, 17 Jul 1996 02:23:25 MESZ", at(1996, 7, 17, 2, 23, 25)),
        (b"Wed, 17 Jul 1996 02:23:25", at(1996, 7, 17, 2, 23, 25)),
        (b"Wed, 17 Jul 1996 02:23:25 GMT+0200", at(1996, 7, 17, 2, 23, 25, zone=120)),
        (b"Wed, 17 Jul 1996 02:23:25 +02:00", at(1996, 7, 17, 2, 23, 25, zone=120)),
        (b"Wed, 17 Jul 1996 02:23:25 +9999", at(1996, 7, 17, 2, 23, 25)),
        (b"Sat, 31 Dec 2016 23:59:60 +0000", at(2016, 12, 31, 23, 59, 59)),
        (b"Wednesday, 17 July 1996 2:23 +0000", at(1996, 7, 17, 2, 23)),
        (b"Wed,17 Jul 1996 02:23:25 +0000", at(1996, 7, 17, 2, 23, 25)),
        (b"17-Jul-1996 02:44:25 -0700", at(1996, 7, 17, 2, 44, 25, zone=-420)),
        (b"Wed Jul 17 02:23:25 1996", at(1996, 7, 17, 2, 23, 25)),
        (b"Wed Jul 17 02:23:25 PDT 1996", at(1996, 7, 17, 2, 23, 25, zone=-420)),
        (b"Wed Jul  7 02:23:25 +0200 1996", at(1996, 7, 7, 2, 23, 25, zone=120)),
        (b"1996-07-17T02:23:25.5-07:00", at(1996, 7, 17, 2, 23, 25, zone=-420)),
        (b"1996-07-17 02:23", at(1996, 7, 17, 2, 23)),
        (b"", None),
        (b"yesterday", None),
        (b"32 Jan 2020 00:00 +0000", None),
        (b"29 Feb 2023 00:00 +0000", None),
        (b"1 Foo 2020 00:00 +0000", None),
        (b"1 Jan 2020 25:00 +0000", None),
        (b"1 Jan 0001 00:00 +0000", None),
        (b"1 Jan 9999 23:59 -2359", None),
        (b"2020-13-01T00:00:00Z", None),
        (b"\xff\0", None),
    ],
)
def test_parse(value: bytes, expected: datetime | None) -> None:
    found = date.parse(value)
    assert found == expected
    if found is not None and expected is not None:
        assert found.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (at(1997, 11, 21, 9, 55, 6, zone=-360), "Fri, 21 Nov 1997 09:55:06 -0600"),
        (at(2026, 4, 7, zone=330), "Tue, 07 Apr 2026 00:00:00 +0530"),
        (datetime(2026, 4, 7, 1, 2, 3), "Tue, 07 Apr 2026 01:02:03 -0000"),  # noqa: DTZ001
        (datetime(2026, 4, 7, 1, 2, 3, 999, UTC), "Tue, 07 Apr 2026 01:02:03 +0000"),
    ],
)
def test_write(when: datetime, expected: str) -> None:
    assert date.write(when) == expected


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(st.datetimes(datetime(1900, 1, 1), datetime(9998, 1, 1), timezones=ZONES))  # noqa: DTZ001
def test_round_trip(when: datetime) -> None:
    when = when.replace(microsecond=0)
    written = date.write(when)
    assert date.parse(written.encode()) == when
    assert email.utils.parsedate_to_datetime(written) == when


@given(st.binary(max_size=60))
def test_anything(value: bytes) -> None:
    found = date.parse(value)
    assert found is None or found.astimezone(UTC)
