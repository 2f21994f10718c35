"""Content: its end, its dots, its line ends; against definitions and on random octets."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.smtp.data import Content, DotReader, DotWriter, LineEnds, mend
from pillarbox.wire.smtp.options import BareNewline
from pillarbox.wire.smtp.replies import BARE_NEWLINE, TOO_BIG

REFUSE, NORMALISE = BareNewline.REFUSE, BareNewline.NORMALISE

# Octets that matter, much more often than chance would have them.
octets = st.lists(
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n.", b".", b"\r", b"\n", b"a", b"\0", b"\xff"]),
    max_size=40,
).map(b"".join)
cuts = st.lists(st.integers(0, 80), max_size=8)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(p, len(data)) for p in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def by_definition(data: bytes) -> tuple[bytes, int]:
    """RFC 5321 §4.5.2 as written: split at CRLF, look at the first octet of each line."""
    lines = data.split(b"\r\n")
    out = []
    used = 0
    for line in lines[:-1]:
        used += len(line) + 2
        if line == b".":
            return b"".join(out), used
        out.append((line[1:] if line.startswith(b".") else line) + b"\r\n")
    return b"".join(out), -1


def read(pieces: list[bytes]) -> tuple[bytes, int]:
    reader = DotReader()
    out = b""
    before = 0
    for piece in pieces:
        content, over = reader.feed(piece)
        out += content
        if over >= 0:
            return out, before + over
        before += len(piece)
    return out, -1


@given(octets, cuts)
def test_the_end_and_the_dots(data: bytes, places: list[int]) -> None:
    content, used = by_definition(data)
    found, over = read(cut(data, places))
    assert over == used
    if used >= 0:
        assert found == content
    else:
        # What is held back is only what may still become an end.
        assert (content + data[len(data) - 2 :]).startswith(found[: len(content)])
        finished, over = read([*cut(data, places), b"\r\n.\r\n"])
        assert (finished, over >= 0) == (by_definition(data + b"\r\n.\r\n")[0], True)


@given(st.lists(st.sampled_from([b".", b"..", b".a", b"a", b"", b"..."]), min_size=1, max_size=300))
def test_many_dots(lines: list[bytes]) -> None:
    data = b"\r\n".join(lines) + b"\r\n"
    assert read([data]) == by_definition(data)
    every = [data[i : i + 7] for i in range(0, len(data), 7)]
    assert read(every)[1] == by_definition(data)[1]


@given(octets, cuts, cuts)
def test_dots_on_and_off(data: bytes, here: list[int], there: list[int]) -> None:
    data = mend(data)
    writer = DotWriter()
    wire = b"".join([writer.feed(piece) for piece in cut(data, here)]) + writer.finish()
    whole = data if data.endswith(b"\r\n") or not data else data + b"\r\n"
    assert read(cut(wire, there)) == (whole, len(wire))


LONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@given(octets, cuts)
def test_lone_newlines_are_found(data: bytes, places: list[int]) -> None:
    ends = LineEnds(REFUSE)
    out = b"".join([ends.feed(piece) for piece in cut(data, places)]) + ends.finish()
    assert ends.broken == bool(LONE.search(data))
    if not ends.broken:
        assert out == data


@given(octets, cuts)
def test_lone_newlines_are_mended(data: bytes, places: list[int]) -> None:
    ends = LineEnds(NORMALISE)
    out = b"".join([ends.feed(piece) for piece in cut(data, places)]) + ends.finish()
    assert out == LONE.sub(b"\r\n", data)
    assert not ends.broken


@given(octets, cuts)
def test_dots_doubled_behind_a_bare_newline(data: bytes, places: list[int]) -> None:
    """As a definition: of the dots that a bare LF is followed by, two are one."""
    ends = LineEnds(NORMALISE, doubled=True)
    out = b"".join([ends.feed(piece) for piece in cut(data, places)]) + ends.finish()
    assert out == LONE.sub(b"\r\n", re.sub(rb"(?<!\r)\n\.\.", b"\n.", data))


@given(st.lists(st.sampled_from([b".", b"..", b"...", b"a.", b"", b". "]), max_size=20), cuts)
def test_what_smtplib_doubles_is_undoubled(lines: list[bytes], places: list[int]) -> None:
    """Octets with bare LF given to ``smtplib.SMTP.data``, which puts a dot at ``(?m)^\\.``."""
    text = b"begin\n" + b"\n".join(lines)
    wire = re.sub(rb"(?m)^\.", b"..", text) + b"\r\n.\r\n"
    content, over = read(cut(wire, places))
    assert over == len(wire)
    ends = LineEnds(NORMALISE, doubled=True)
    out = b"".join([ends.feed(piece) for piece in cut(content, places)]) + ends.finish()
    assert out == text.replace(b"\n", b"\r\n") + b"\r\n"


@given(octets, cuts, st.sampled_from([REFUSE, NORMALISE, None]), st.integers(0, 30), st.booleans())
def test_the_verdict_does_not_depend_on_packets(
    data: bytes, places: list[int], rule: BareNewline | None, limit: int, doubled: bool
) -> None:
    def run(pieces: list[bytes]) -> tuple[object, bytes | None]:
        content = Content(rule, limit, doubled=doubled)
        out = b"".join([content.feed(piece) for piece in pieces]) + content.finish()
        assert content.received == len(data)
        assert content.size == len(out)
        return content.defect, out if content.defect is None else None

    assert run([data]) == run(cut(data, places)) == run([data[i : i + 1] for i in range(len(data))])


@pytest.mark.parametrize(
    ("rule", "limit", "data", "defect"),
    [
        (REFUSE, 0, b"a\r\n", None),
        (REFUSE, 3, b"a\r\n", None),
        (REFUSE, 2, b"a\r\n", TOO_BIG),
        (REFUSE, 2, b"a\n\n", TOO_BIG),
        (REFUSE, 3, b"a\n\n", BARE_NEWLINE),
        (REFUSE, 0, b"a\r", BARE_NEWLINE),
        (NORMALISE, 3, b"a\n\n", None),
        (None, 3, b"a\n\r", None),
        (None, 2, b"a\n\r", TOO_BIG),
    ],
)
def test_defects(rule: BareNewline | None, limit: int, data: bytes, defect: object) -> None:
    content = Content(rule, limit)
    content.feed(data)
    content.finish()
    assert content.defect is defect


VARIANTS = [
    first + dot + last
    for first in (b"\n", b"\r", b"\r\n", b"\r\0\n", b"\n\r", b"\r\r\n", b"\r\n\0")
    for dot in (b".", b"..", b".\0", b" .", b". ")
    for last in (b"\n", b"\r", b"\r\n", b"\r\0\n", b"\n\r", b"\r\r\n")
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.hex())
def test_nothing_else_ends_the_data(variant: bytes) -> None:
    """Every mixture of what other servers were found to take for an end."""
    data = b"good" + variant + b"MAIL FROM:<evil@example.com>\r\n.\r\n"
    content, over = read([data[i : i + 1] for i in range(len(data))])
    if b"\r\n.\r\n" in variant:
        assert content == b"good" + variant[: variant.index(b".")]
    else:
        assert over == len(data)
        assert content.endswith(b"MAIL FROM:<evil@example.com>\r\n")
    assert read([data]) == (content, over)


@pytest.mark.parametrize("dots", [0, 1, 3, 200])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000, 1 << 20])
def test_lines_with_a_dot_are_found_where_dots_are_rare(dots: int, size: int) -> None:
    """In large blocks without many dots they are looked for in another way."""
    rows = [b"x" * 70] * 400
    for n in range(dots):
        rows[n * 2] = (b".", b"..", b"a.b", b".c", b"d.", b"..\t.")[n % 6]
    content = b"\r\n".join(rows) + b"\r\n"
    wire = b"\r\n".join(b"." + row if row.startswith(b".") else row for row in rows) + b"\r\n"
    stream = wire + b".\r\nQUIT\r\n"
    reader, out = DotReader(), b""
    for at in range(0, len(stream), size):
        piece, over = reader.feed(stream[at : at + size])
        out += piece
        if over >= 0:
            assert at + over == len(wire) + 3
            break
    assert out == content
