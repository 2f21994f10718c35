"""Dot-stuffing and TOP: what a client takes out again is what was put in, however it was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.pop3.stuff import DotStuffer, TopCutter

MESSAGES = st.lists(
    st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"a", b"bc", b"\r\n.\r\n", b"..", b"\n."]),
    max_size=30,
).map(b"".join)


def cuts(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def stuffed(message: bytes, size: int = 1 << 20) -> bytes:
    stuffer = DotStuffer()
    return b"".join([*map(stuffer.feed, cuts(message, size)), stuffer.end()])


def received(answer: bytes) -> bytes:
    """What a client of RFC 1939 §3 makes of it; nothing may follow the end."""
    lines = []
    while True:
        line, found, answer = answer.partition(b"\r\n")
        assert found
        if line == b".":
            assert answer == b""
            return b"".join(lines)
        # A bare LF also begins a line here: its dots were doubled.
        line = line.replace(b"\n..", b"\n.")
        lines.append((line[1:] if line.startswith(b".") else line) + b"\r\n")


@given(MESSAGES, st.integers(1, 9))
def test_nothing_is_lost_or_cut_short(message: bytes, size: int) -> None:
    answer = stuffed(message, size)
    assert answer == stuffed(message)
    assert received(answer) == (message if message.endswith(b"\r\n") or not message else
                                message + b"\r\n")  # fmt: skip


@given(MESSAGES, st.integers(1, 9))
def test_no_client_sees_an_end_inside(message: bytes, size: int) -> None:
    """Not even one that takes a bare LF for the end of a line."""
    answer = b"\n" + stuffed(message, size)
    assert answer.replace(b"\r\n", b"\n").count(b"\n.\n") == 1


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
        (b"a\n", b"a\n\r\n.\r\n"),
        (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
        (b"..\r\n", b"...\r\n.\r\n"),
    ],
)
def test_stuffing(message: bytes, answer: bytes) -> None:
    assert stuffed(message) == answer
    assert stuffed(message, 1) == answer


def top(message: bytes, lines: int, size: int = 1 << 20) -> bytes:
    cutter = TopCutter(lines)
    out = b""
    for chunk in cuts(message, size):
        out += cutter.feed(chunk)
        if cutter.done:
            assert cutter.feed(b"more\r\n") == b""
            break
    return out


@pytest.mark.parametrize(
    ("message", "lines", "wanted"),
    [
        (b"A: b\r\n\r\none\r\ntwo\r\n", 0, b"A: b\r\n\r\n"),
        (b"A: b\r\n\r\none\r\ntwo\r\n", 1, b"A: b\r\n\r\none\r\n"),
        (b"A: b\r\n\r\none\r\ntwo\r\n", 2, b"A: b\r\n\r\none\r\ntwo\r\n"),
        (b"A: b\r\n\r\none\r\ntwo\r\n", 9, b"A: b\r\n\r\none\r\ntwo\r\n"),
        (b"A: b\r\n\r\none", 1, b"A: b\r\n\r\none"),
        (b"A: b\r\n\r\n\r\n\r\nx\r\n", 1, b"A: b\r\n\r\n\r\n"),
        (b"A: b\r\n", 5, b"A: b\r\n"),
        (b"A: b", 0, b"A: b"),
        (b"\r\nbody\r\nmore\r\n", 0, b"\r\n"),
        (b"\r\nbody\r\nmore\r\n", 1, b"\r\nbody\r\n"),
        (b"\nbody\nmore\n", 1, b"\nbody\n"),
        (b"A: b\n\none\ntwo\n", 1, b"A: b\n\none\n"),
        (b"A: b\n\r\none\ntwo\n", 1, b"A: b\n\r\none\n"),
        (b"", 3, b""),
    ],
)
def test_top(message: bytes, lines: int, wanted: bytes) -> None:
    for size in (1, 2, 3, 1 << 20):
        assert top(message, lines, size) == wanted


@given(MESSAGES, st.integers(0, 4), st.integers(1, 5))
def test_top_is_a_beginning_and_indifferent_to_chunks(message: bytes, n: int, size: int) -> None:
    whole = top(message, n)
    assert message.startswith(whole)
    assert top(message, n, size) == whole
    assert top(message, n + 1, size).startswith(whole)


def test_reading_can_stop_early() -> None:
    cutter = TopCutter(0)
    assert cutter.feed(b"A: b\r\n\r\nbody") == b"A: b\r\n\r\n"
    assert cutter.done
