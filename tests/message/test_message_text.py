"""Text for searching and previews."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import text
from pillarbox.message.scan import scan


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("plain", "plain"),
        ("<p>one</p><p>two</p>", "one two"),
        ("w<b>or</b>d <a href='x'>link</a>", "word link"),
        ("a<br>b<br/>c", "a b c"),
        ("a<!-- > hidden -->b", "ab"),
        ("a<!-- never closed", "a"),
        ("<style>p { x }</style>a<SCRIPT>if (a<b) {}</Script >b", "a b"),
        ("a<script>never closed", "a"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a <never closed", "a <never closed"),
        ("<!DOCTYPE html><?xml?>a", "a"),
        ("&lt;&eacute;&#8364;&#x20AC;&nbsp;&unknown;", "<é€€ &unknown;"),
        ("&#" + "9" * 5000 + ";x", "�x"),
        ("&#xD800;", "�"),
        ("", ""),
    ],
)
def test_strip_html(markup: str, expected: str) -> None:
    assert " ".join(text.strip_html(markup).split()) == expected


def of(head: str, body: bytes) -> str:
    data = head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body
    return " ".join(" ".join(text.body_texts(scan(data), data)).split())


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("Subject: x", "grüß".encode(), "grüß"),
        ("Subject: x", b"gr\xfc\xdf", "grüß"),
        ("Content-Type: text/plain; charset=koi8-r", "при".encode("koi8-r"), "при"),
        (
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
            b"gr=C3=BC=\r\n=C3=9F",
            "grüß",
        ),
        (
            "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64",
            b"PGI+aGk8L2I+",
            "hi",
        ),
        ("Content-Type: text/html", b'<meta charset="koi8-r">\xd0\xd2\xc9', "при"),
        ("Content-Type: text/html", b"<meta content='text/html; charset=koi8-r'>\xd0", "п"),
        ("Content-Type: application/pdf", b"not text", ""),
        ("Content-Type: text/plain; charset=nonsense", b"x", "x"),
    ],
)
def test_parts(head: str, body: bytes, expected: str) -> None:
    assert of(head, body) == expected


def test_embedded_messages_are_searched_with_their_headers() -> None:
    body = b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nstray\r\nFrom: a@b\r\n\r\ninside"
    assert of("Content-Type: message/rfc822", body) == ("subject: grüße stray from: a@b inside")


def test_header_text() -> None:
    data = b"Subject: a\r\n b =?utf-8?q?=C3=BC?=\r\nTo: x@y\r\n\r\nbody"
    assert text.header_text(data, 0, len(data) - 4) == "subject: a b ü\nto: x@y"


def test_part_text_within_a_limit() -> None:
    data = b"Subject: x\r\n\r\n" + b"word " * 1000
    assert text.part_text(scan(data).root, data, 9) == "word word"


def alternative(*parts: tuple[str, str]) -> bytes:
    made = "".join(f"--b\r\nContent-Type: {kind}\r\n\r\n{body}\r\n" for kind, body in parts)
    return f"Content-Type: multipart/alternative; boundary=b\r\n\r\n{made}--b--".encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\r\n  hello \r\n\r\n world\0\r\n", "hello world"),
        (alternative(("text/html", "<p>html"), ("text/plain", "plain")), "plain"),
        (alternative(("text/html", "<p>html"), ("text/plain", " \t")), "html"),
        (alternative(("image/png", "x")), ""),
        (
            alternative(
                ("text/plain\r\nContent-Disposition: attachment", "no"), ("text/html", "yes")
            ),
            "yes",
        ),
        (b"", ""),
    ],
)
def test_preview(data: bytes, expected: str) -> None:
    assert text.preview(scan(data), data) == expected


def _of(kind: bytes, *parts: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        [b"--b\r\nContent-Type: " + kind + b"\r\n\r\n" + text + b"\r\n" for kind, text in parts]
    )
    return b"Content-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + body + b"--b--\r\n"


PLAIN, HTML = (b"text/plain", b"plain"), (b"text/html", b"<p>html</p>")
INNER = (b"message/rfc822", b"Subject: x\r\n\r\ninner")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (_of(b"alternative", HTML, PLAIN), "plain"),
        (_of(b"mixed", HTML, (b"text/plain", b"-- list footer")), "html"),
        (_of(b"mixed", HTML, INNER), "html"),
        (_of(b"mixed", INNER, PLAIN), "plain"),
        (_of(b"mixed", (b"application/pdf", b"x"), INNER), "inner"),
        (_of(b"mixed", (b"text/html", b"<p></p>"), PLAIN), "plain"),
    ],
)
def test_preview_is_of_what_a_reader_sees_first(data: bytes, expected: str) -> None:
    assert text.preview(scan(data), data) == expected


def test_preview_is_short() -> None:
    data = b"\r\n" + "ü".encode() * 50_000
    assert text.preview(scan(data), data) == "ü" * 200
    assert len(text.preview(scan(data), data, 10)) == 10


PIECES = "< > <!-- --> <script> </script &# &lt ; 99999999 <p x=' <style a \0"
TAGS = st.sampled_from(PIECES.split(" "))


@given(st.lists(TAGS, max_size=30).map("".join))
def test_any_markup(markup: str) -> None:
    text.strip_html(markup).encode("utf-8")
