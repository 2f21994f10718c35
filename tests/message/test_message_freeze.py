"""Frozen scans: equal when thawed, small, and refused when damaged."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.errors import Permanent
from pillarbox.message import freeze as module
from pillarbox.message.freeze import Unreadable, freeze, thaw
from pillarbox.message.header import Field
from pillarbox.message.scan import Defect, Envelope, LineEnds, Part, Scan, scan

MESSAGE = (
    b"From: a@b\r\nSubject: \xc3\xa4\r\nX-Unheard-Of: x\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b'Content-Type: message/rfc822\r\nContent-Disposition: inline; filename=""\r\n\r\n'
    b"Subject: in\r\n\r\nhi\n--b"
)


def test_round_trip() -> None:
    found = scan(MESSAGE)
    assert thaw(freeze(found)) == found


def test_without_the_header() -> None:
    found = scan(MESSAGE)
    lean = dataclasses.replace(found, fields=[], envelope=Envelope())
    assert thaw(freeze(found, header=False)) == lean
    assert len(freeze(found, header=False)) < len(freeze(found))


def test_a_plain_message_takes_few_octets() -> None:
    plain = scan(b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n")
    assert len(freeze(plain, header=False)) <= 40


@pytest.mark.parametrize("size", [65_535, 65_536, 1 << 32, 1 << 40])
def test_sizes(size: int) -> None:
    part = Part(0, 10, size, b"text", b"plain")
    found = Scan(size, part, [], Envelope(), LineEnds.CRLF, True, False, {Defect.NUL})
    assert thaw(freeze(found)) == found


def test_every_defect_and_line_end_has_its_place() -> None:
    part = Part(0, 0, 0, b"text", b"plain")
    for ends in LineEnds:
        for defect in Defect:
            found = Scan(0, part, [], Envelope(), ends, False, True, {defect})
            assert thaw(freeze(found)) == found
    assert len(Defect) <= 32


def test_the_table_has_no_duplicates() -> None:
    assert len(set(module._TABLE)) == len(module._TABLE)


@pytest.mark.parametrize("damaged", [b"", b"\x01", b"\x02" + freeze(scan(MESSAGE))[1:]])
def test_another_version_is_unreadable(damaged: bytes) -> None:
    with pytest.raises(Unreadable):
        thaw(damaged)


def test_unreadable_is_permanent() -> None:
    assert issubclass(Unreadable, Permanent)


@given(st.data())
def test_damage_is_noticed_or_harmless(data: st.DataObject) -> None:
    whole = bytearray(freeze(scan(MESSAGE)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut]), bytes(whole) + b"x"):
        try:
            thaw(damaged)
        except Unreadable:
            pass


TEXT = st.binary(max_size=8) | st.sampled_from([b"text", b"charset", b"us-ascii", b"from"])
PARAMS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
ENVELOPE = st.builds(Envelope, *[st.none() | TEXT] * 10)
NUMBER = st.integers(0, 1 << 40)


def part(children: st.SearchStrategy[list[Part]]) -> st.SearchStrategy[Part]:
    return st.builds(
        Part,
        *[NUMBER] * 3,
        TEXT,
        TEXT,
        params=PARAMS,
        encoding=TEXT,
        lines=NUMBER,
        content_id=st.none() | TEXT,
        description=st.none() | TEXT,
        md5=st.none() | TEXT,
        disposition=st.none() | st.tuples(TEXT, PARAMS),
        language=st.lists(TEXT, max_size=2).map(tuple),
        location=st.none() | TEXT,
        children=children,
        envelope=st.none() | ENVELOPE,
    )


PART = st.recursive(
    part(st.just([])), lambda inner: part(st.lists(inner, max_size=3)), max_leaves=5
)


@st.composite
def fields(draw: st.DrawFn) -> list[Field]:
    at = draw(NUMBER)
    found = []
    for _ in range(draw(st.integers(0, 4))):
        end = at + draw(st.integers(0, 1 << 20))
        found.append(Field(draw(TEXT), at, end))
        at = end
    return found


SCAN = st.builds(
    Scan,
    NUMBER,
    PART,
    fields(),
    ENVELOPE,
    st.sampled_from(LineEnds),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from(Defect)),
)


@pytest.mark.slow
@given(SCAN)
def test_any_scan(found: Scan) -> None:
    assert thaw(freeze(found)) == found
