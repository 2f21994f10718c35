"""The receive buffer: same answers however the bytes are cut, bounded, and linear."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.base.buffer import TOO_LONG, ReceiveBuffer

LIMIT = 16


def lines_of(data: bytes, cuts: list[int], limit: int = LIMIT) -> list[bytes | None]:
    """What an engine would see: lines, and None for each line that was too long."""
    buffer = ReceiveBuffer(1 << 20)
    seen: list[bytes | None] = []
    skipping = False
    edges = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        assert buffer.append(data[start:end])
        while True:
            if skipping:
                if not buffer.skip_line():
                    break
                skipping = False
            line = buffer.take_line(limit)
            if line is None:
                break
            if line is TOO_LONG:
                seen.append(None)
                skipping = True
            else:
                seen.append(line)
    return seen


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"NOOP\r\n", [b"NOOP"]),
        (b"a\r\nb\r\n\r\nc", [b"a", b"b", b""]),
        (b"bare\nLF\r\n", [b"bare\nLF"]),
        (b"bare\rCR\r\n", [b"bare\rCR"]),
        (b"\r\r\n", [b"\r"]),
        (b"x" * 14 + b"\r\n", [b"x" * 14]),
        (b"x" * 15 + b"\r\nok\r\n", [None, b"ok"]),
        (b"x" * 99 + b"\r\r\nok\r\n", [None, b"ok"]),
    ],
)
def test_lines(data: bytes, lines: list[bytes | None]) -> None:
    assert lines_of(data, []) == lines
    assert lines_of(data, list(range(len(data)))) == lines


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc", b"x" * 13]), max_size=40),
    st.lists(st.integers(0, 200), max_size=20),
)
def test_cuts_do_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole = lines_of(data, [])
    split = lines_of(data, [cut for cut in cuts if cut <= len(data)])
    single = lines_of(data, list(range(len(data))))
    assert whole == split == single
    # Against the plain meaning: cut at CRLF, None for what is too long.
    expected = [part if len(part) + 2 <= LIMIT else None for part in data.split(b"\r\n")[:-1]]
    rest = data.split(b"\r\n")[-1]
    assert whole == expected or (whole == [*expected, None] and len(rest) >= LIMIT)


@given(st.data())
def test_mixed_takes_keep_the_stream(data: st.DataObject) -> None:
    """Whatever is taken in whatever way, put together it is what came."""
    buffer = ReceiveBuffer(1 << 20)
    came, left = b"", b""
    taken = b""
    for _ in range(data.draw(st.integers(0, 30))):
        action = data.draw(st.sampled_from(["append", "line", "take", "some"]))
        if action == "append":
            piece = data.draw(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"abc\r\nde", b""]))
            assert buffer.append(piece)
            came += piece
            left += piece
        elif action == "line":
            line = buffer.take_line(1 << 20)
            if line is None:
                assert b"\r\n" not in left
                continue
            assert line is not TOO_LONG
            taken += line + b"\r\n"
            assert b"\r\n" not in line
        else:
            n = data.draw(st.integers(0, 8))
            block = buffer.take(n) if action == "take" else buffer.take_some(n)
            if block is None:
                assert len(left) < n
                continue
            assert len(block) <= n
            assert block or n == 0 or not left
            taken += block
        left = came[len(taken) :]
        assert taken + left == came
        assert len(buffer) == len(left)


@given(
    st.lists(st.sampled_from([b"a", b"b", b"ab", b"\r\n"]), max_size=12),
    st.sampled_from([b"ab", b"\r\n", b"bab", b"a"]),
    st.integers(0, 9),
    st.integers(0, 5),
)
def test_find_is_that_of_bytes(pieces: list[bytes], sub: bytes, start: int, drop: int) -> None:
    buffer = ReceiveBuffer(1000)
    for piece in pieces:
        buffer.append(piece)
    content = b"".join(pieces)
    if buffer.take(drop) is not None:
        content = content[drop:]
    assert buffer.find(sub, start) == content.find(sub, start)


def test_refuses_to_grow_without_end() -> None:
    buffer = ReceiveBuffer(100)
    assert buffer.append(b"x" * 500)  # a single piece is in memory anyway
    assert not buffer.append(b"y")
    assert len(buffer) == 500
    assert buffer.take(450) == b"x" * 450
    assert buffer.append(b"y")


def test_a_line_without_end_costs_no_memory() -> None:
    buffer = ReceiveBuffer(1000)
    for _ in range(200):
        assert buffer.append(b"x" * 100)
        if buffer.take_line(512) is TOO_LONG:
            assert not buffer.skip_line()
        assert len(buffer) < 1000


def test_empty_buffer_keeps_no_memory() -> None:
    buffer = ReceiveBuffer(1 << 20)
    piece = b"x" * 60000 + b"\r\n"
    before = sys.getrefcount(piece)
    buffer.append(piece)
    assert sys.getrefcount(piece) == before + 1
    buffer.take_line(1 << 20)
    assert sys.getrefcount(piece) == before
    buffer.append(piece + b"rest")
    assert buffer.take_line(1 << 20) == piece[:-2]
    assert buffer.take_line(1 << 20) is None
    assert len(buffer) == 4


def test_clear_says_how_much_was_dropped() -> None:
    buffer = ReceiveBuffer(100)
    buffer.append(b"STARTTLS\r\nEHLO injected\r\n")
    buffer.append(b"more")
    assert buffer.take_line(100) == b"STARTTLS"
    assert buffer.clear() == len(b"EHLO injected\r\nmore")
    assert buffer.take_line(100) is None


def test_single_bytes_are_neither_copied_again_nor_searched_again() -> None:
    buffer = ReceiveBuffer(1 << 20)
    for n in range(1, 1000):
        buffer.append(b"x")
        assert buffer.take_line(1 << 20) is None
        assert len(buffer._head) == 1  # joined only when a line is complete
        assert buffer._tail_scan == max(0, n - 2)  # only the newest byte is looked at
    buffer.append(b"\r\n")
    assert buffer.take_line(1 << 20) == b"x" * 999
