"""Fields of a header, and subsets of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import header

HEADER = (
    b"Received: by x;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"From: a@b\r\nX-Empty:\r\nTo : c@d,\r\n e@f\r\nFROM: g@h\r\n\r\n"
)


def names(data: bytes) -> list[bytes]:
    return [field.name for field in header.fields(data)]


def test_fields_lie_end_to_end() -> None:
    found = header.fields(HEADER)
    assert [f.name for f in found] == [b"received", b"from", b"x-empty", b"to", b"from"]
    assert b"".join(HEADER[f.start : f.end] for f in found) + b"\r\n" == HEADER


def test_values() -> None:
    assert header.first(HEADER, b"to") == b"c@d, e@f"
    assert header.first(HEADER, b"x-empty") == b""
    assert header.first(HEADER, b"x-absent") is None
    assert header.every(HEADER, b"from") == [b"a@b", b"g@h"]
    assert header.first(HEADER, b"received") == b"by x;\tMon, 1 Jan 2024 00:00:00 +0000"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b" a\r\n b\r\n", b"a b"),
        (b"a\n\tb\n", b"a\tb"),
        (b" \r\n \r\n", b""),
        (b"a\rb\r\n", b"a\rb"),
        (b"", b""),
    ],
)
def test_unfold(raw: bytes, expected: bytes) -> None:
    assert header.unfold(raw) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\r\nA: b\r\n", []),
        (b"A: b", [b"a"]),
        (b"A:b\nC:d\n\nE: f\n", [b"a", b"c"]),
        (b"A:b\r\n \r\nC:d\r\n\r\n", [b"a", b"c"]),  # a line of white space is a fold
        (b"A:b\r\n--x\r\nC:d\r\n\r\n", [b"a"]),
        (b"A:b\r\nno field\r\nC:d\r\n\r\n", [b"a", b"", b"c"]),
        (b"A:b\r\nno field\r\nagain\r\nC:d\r\n\r\n", [b"a"]),
        (b"no field\r\n\r\n", []),
        (b" A: b\r\nC: d\r\n\r\n", [b"", b"c"]),
        (b": b\r\nC: d\r\n\r\n", [b"", b"c"]),
        (b"\xc3\xa4: b\r\nC: d\r\n\r\n", [b"", b"c"]),
    ],
)
def test_what_is_a_field(data: bytes, expected: list[bytes]) -> None:
    assert names(data) == expected


@pytest.mark.parametrize(
    ("wanted", "exclude", "expected"),
    [
        ({b"FROM"}, False, b"From: a@b\r\nFROM: g@h\r\n\r\n"),
        ({b"to", b"x-empty"}, False, b"X-Empty:\r\nTo : c@d,\r\n e@f\r\n\r\n"),
        ({b"fro", b"x-absent"}, False, b"\r\n"),
        (set(), False, b"\r\n"),
        (set(), True, HEADER),
        ({b"received", b"FROM", b"To"}, True, b"X-Empty:\r\n\r\n"),
    ],
)
def test_pick(wanted: set[bytes], exclude: bool, expected: bytes) -> None:
    assert header.pick(HEADER, wanted, exclude) == expected


def test_pick_always_ends_with_a_blank_line() -> None:
    assert header.pick(b"A: b", {b"a"}) == b"A: b\r\n\r\n"
    assert header.pick(b"A: b\r\nC: d\r\n", {b"c"}) == b"C: d\r\n\r\n"
    assert header.pick(b"A: b\n\n", {b"a"}) == b"A: b\n\n"
    assert header.pick(b"", {b"a"}) == b"\r\n"
    assert header.pick(b"\r\n", {b"a"}, True) == b"\r\n"


def test_a_stray_line_is_in_no_named_subset() -> None:
    data = b"A: b\r\nstray\r\nC: d\r\n\r\n"
    assert header.pick(data, {b"a", b""}) == b"A: b\r\nstray\r\n\r\n"
    assert header.pick(data, {b"a"}) == b"A: b\r\n\r\n"
    assert header.pick(data, {b"a"}, True) == b"stray\r\nC: d\r\n\r\n"


LINE = st.sampled_from(
    [b"A: b", b"a : c", b" fold", b"\tfold", b"", b"stray", b"--x", b"\xff: z", b"To: x@y"]
)


@given(st.lists(LINE, max_size=12), st.sampled_from([b"\r\n", b"\n"]), st.booleans())
def test_every_octet_of_a_header_is_in_a_field_or_the_blank_line(
    lines: list[bytes], newline: bytes, ends: bool
) -> None:
    data = newline.join(lines) + (newline if ends else b"")
    found = header.section(data, 0, len(data))
    at = 0
    for field in found.fields:
        assert field.start == at
        assert field.end > at
        at = field.end
    rest = data[at : found.body_start]
    assert rest == (newline if found.blank else b"")


@given(st.lists(LINE, max_size=12), st.integers(1, 80), st.integers(1, 8))
def test_limits_cut_the_list_only(lines: list[bytes], octets: int, count: int) -> None:
    data = b"\r\n".join(lines)
    whole = header.section(data, 0, len(data))
    cut = header.section(data, 0, len(data), octets, count)
    assert len(cut.fields) <= count
    if cut.complete:
        assert cut == whole
    for got, true in zip(cut.fields, whole.fields, strict=False):
        assert got.name == true.name
        assert got.start == true.start
        assert got.end <= true.end
