"""The words of a message."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message.tokens import LOOKED_AT, MOST, tokens

LETTER = (
    b"Received: from secret.example\r\n"
    b'From: "Bank Support" <help@bank.example>\r\n'
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= today\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/html\r\n\r\n"
    b"<p>CHEAP pi<b>ll</b>s 12345 ok <a href=3D'https://u@Shop.example/buy'>here</a></p>\r\n"
    b"--x\r\nContent-Type: application/zip\r\n\r\nabc\r\n--x--\r\n"
)


def test_of_a_letter() -> None:
    found = tokens(LETTER)
    assert found == [
        *("from:bank", "from:support", "from:help", "from:example"),
        *("subject:grüsse", "subject:today"),
        "link:shop.example",
        *("cheap", "pills", "here"),
        "part:application/zip",
    ]


def test_scripts_without_spaces_go_by_pairs() -> None:
    text = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n今日は無料\r\n"
    assert tokens(text.encode()) == ["今日", "日は", "は無", "無料"]


def test_a_large_message_costs_no_more() -> None:
    body = b"".join(b"w%dx " % n for n in range(100_000))
    assert len(tokens(b"Subject: abc\r\n\r\n" + body)) == MOST
    late = b"Subject: abc\r\n\r\n" + b"x" * LOOKED_AT + b"\r\nlate word\r\n"
    assert tokens(late) == ["subject:abc"]


@given(st.binary(max_size=2000))
def test_any_octets(octets: bytes) -> None:
    found = tokens(octets)
    assert len(found) == len(set(found)) <= MOST


def test_real_and_hostile_mail(corpus_file: Path) -> None:
    found = tokens(corpus_file.read_bytes())
    assert len(found) <= MOST
    assert all(len(token) < 150 for token in found)
