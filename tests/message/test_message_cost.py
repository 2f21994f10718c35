"""Input made to be slow. Nothing is timed: what is not linear here never ends."""

from __future__ import annotations

import pytest

from pillarbox.message import header, text
from pillarbox.message.freeze import freeze, thaw
from pillarbox.message.imapform import bodystructure, envelope
from pillarbox.message.scan import scan

pytestmark = pytest.mark.slow  # a megabyte each
MEGABYTE = 1 << 20
KIND = b"Content-Type: text/plain; "
HTML = b"Content-Type: text/html\r\n\r\n"


def field(start: bytes, scrap: bytes, end: bytes = b"") -> bytes:
    """A header of a megabyte in one field."""
    return start + scrap * ((MEGABYTE - 100) // len(scrap)) + end + b"\r\n\r\n"


SLOW = {
    "colons": field(b"To: @", b":"),
    "spaced colons": field(b"To: x@", b" :"),
    "an endless route": field(b"To: <@", b","),
    "angle brackets": field(b"To: ", b"<"),
    "open comments": field(b"To: ", b"("),
    "open quotes": field(b'To: "', b'\\"'),
    "addresses": field(b"To: ", b"a@b, "),
    "semicolons": field(KIND, b"; "),
    "parameters": field(KIND, b"a=b; "),
    "words in a parameter": field(KIND + b"a=", b"x "),
    "spaces in a parameter": field(KIND + b"a=x", b" ", b"b"),
    "comments in a parameter": field(KIND + b"a=", b" (x"),
    "quotes in a parameter": field(KIND + b'(x) a="', b'\\"'),
    "encoded words": field(b"Subject: ", b"=?utf-8?q?a?= "),
    "beginnings of words": field(b"Subject: ", b"=?"),
    "raw octets": field(b"Subject: ", "ü a ".encode()),
    "numbers in a date": field(b"Date: ", b"1 "),
    "comments in a date": field(b"Date: ", b"("),
    "labels": field(b"From: x@", "ü.".encode()),
    "fields": b"X: y\r\n" * (MEGABYTE // 6),
    "repeated fields": b"To: a@b\r\n" * (MEGABYTE // 9),
    "stray lines": b"a: b\r\nstray\r\n" * (MEGABYTE // 13),
    "messages": b"Content-Type: message/rfc822\n\n" * (MEGABYTE // 30),
    "boundaries": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n" * 200_000,
    "near boundaries": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--ab\r\n" * 200_000,
    "open tags": HTML + b"<a " * 300_000,
    "open comments in markup": HTML + b"<!--" * 250_000,
    "open scripts": HTML + b"<script>" * 100_000,
    "references": HTML + b"&#" * 500_000,
    "a long reference": HTML + b"&#" + b"9" * 100_000,
    "white space": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b" \t" * 500_000 + b"=",
    "padding": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * MEGABYTE,
}


@pytest.mark.parametrize("name", SLOW)
def test_a_megabyte_of(name: str) -> None:
    data = SLOW[name]
    found = scan(data)
    assert envelope(found).isascii()
    assert bodystructure(found).isascii()
    assert thaw(freeze(found)) == found
    for one in text.body_texts(found, data):
        assert len(one) <= len(data)
    head = data[: found.root.body_start]
    assert len(text.header_text(data, 0, len(head))) <= 2 * len(data)
    assert len(header.pick(head, {b"to"})) <= len(data) + 4
