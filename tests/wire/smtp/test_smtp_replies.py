"""Replies on the wire: nothing in a text can end a line, forge a code or outgrow a line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.model.reply import OK, Reply
from pillarbox.wire.smtp.replies import render, wrap

LINE = re.compile(rb"250([ -])2\.0\.0 [^\x00-\x1f\x7f]*\Z")


@pytest.mark.parametrize(
    ("reply", "wire"),
    [
        (OK, b"250 2.0.0 OK\r\n"),
        (Reply(250, "", "x"), b"250 2.0.0 x\r\n"),
        (Reply(452, "", "x"), b"452 4.0.0 x\r\n"),
        (Reply(354, "", "go"), b"354 go\r\n"),
        (Reply(250, "2.1.5", ""), b"250 2.1.5 \r\n"),
        (Reply(250, "2.0.0", "a\nb"), b"250-2.0.0 a\r\n250 2.0.0 b\r\n"),
        (Reply(250, "2.0.0", "a\r\n550 b"), b"250-2.0.0 a\r\n250 2.0.0 550 b\r\n"),
        (Reply(550, "5.1.1", "a\rb\x00c\td"), b"550 5.1.1 a?b?c d\r\n"),
        (Reply(550, "5.1.1", "m\u00fcller"), b"550 5.1.1 m\\xfcller\r\n"),
    ],
)
def test_render(reply: Reply, wire: bytes) -> None:
    assert render(reply) == wire


def test_without_enhanced_codes() -> None:
    assert render(Reply(220, "2.0.0", "x"), enhanced=False) == b"220 x\r\n"


def test_utf8_where_it_may_be() -> None:
    assert render(Reply(252, "2.5.2", "m\u00fcller"), utf8=True) == "252 2.5.2 müller\r\n".encode()


@given(st.text(), st.booleans())
def test_any_text(text: str, utf8: bool) -> None:
    wire = render(Reply(250, "2.0.0", text), utf8=utf8)
    assert wire.endswith(b"\r\n")
    lines = wire[:-2].split(b"\r\n")
    marks = [LINE.match(line) for line in lines]
    assert all(marks)
    assert [m[1] for m in marks if m] == [b"-"] * (len(lines) - 1) + [b" "]
    assert all(len(line) <= 510 for line in lines)
    assert utf8 or wire.isascii()
    wire.decode("utf-8")


def test_long_words_and_long_sentences() -> None:
    assert [len(line) for line in wrap("x" * 1000)] == [480, 480, 40]
    assert b" ".join(wrap("word " * 300)).split() == [b"word"] * 300
    assert b"".join(wrap("\u00fc" * 700, utf8=True)).decode() == "\u00fc" * 700
