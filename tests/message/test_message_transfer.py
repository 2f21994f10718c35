"""Transfer encodings and charsets: known answers, chunks, and rubbish."""

from __future__ import annotations

import base64
import itertools
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import charset, transfer


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"aGVsbG8=", b"hello"),
        (b"aGVs\r\nbG8=\r\n", b"hello"),
        (b"aGVsbG8", b"hello"),  # no padding
        (b"aGVsbG8x\r\n--\r\nrubbish", b"hello1" + base64.b64decode(b"rubbish=")),
        (b"aGVsbG8= ignored", b"hello"),
        (b"=aGVs=bG8=", b"hello"),  # padding where none can be
        (b"a", b""),
        (b"aGVsb", b"hel"),
        (b"?!*", b""),
        (b"\xff\0aGVs", b"hel"),
        (b"aGVsbA==bG8=", b"hell"),
    ],
)
def test_base64(data: bytes, expected: bytes) -> None:
    assert transfer.base64(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"a=3D=\r\nb", b"a=b"),
        (b"a=\nb", b"ab"),
        (b"a= \t\r\nb", b"ab"),  # RFC 2045 §6.7 rule 3
        (b"a \t\r\nb  ", b"a\r\nb"),
        (b"=c3=BC", b"\xc3\xbc"),
        (b"=ZZ", b"=ZZ"),
        (b"a=\rb\r\nc", b"a=\rb\r\nc"),
        (b"a=", b"a"),
        (b"\xff\0", b"\xff\0"),
    ],
)
def test_quoted_printable(data: bytes, expected: bytes) -> None:
    assert transfer.quoted_printable(data) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"", b"7bit"),
        (b"7bit", b"7bit"),
        (b"8-BIT", b"8bit"),
        (b" Base64; ", b"base64"),
        (b"quoted_printable", b"quoted-printable"),
        (b"BINARY", b"binary"),
        (b"x-uuencode", None),
        (b"\xff", None),
    ],
)
def test_names(name: bytes, expected: bytes | None) -> None:
    assert transfer.canonical(name) == expected
    assert transfer.known(name) == (expected is not None)


def test_unknown_encodings_change_nothing() -> None:
    assert transfer.decode(b"=3D aGVs", b"x-none") == b"=3D aGVs"
    assert transfer.decode(b"=3D aGVs", b"8bit") == b"=3D aGVs"


@given(st.binary(max_size=300))
def test_what_others_encode(data: bytes) -> None:
    assert transfer.base64(base64.encodebytes(data)) == data
    assert transfer.quoted_printable(quopri.encodestring(data)) == data


OCTETS = st.lists(st.sampled_from(list(b"=aG3D \t\r\n\xff-")), max_size=60).map(bytes) | st.binary(
    max_size=60
)


@given(
    OCTETS,
    st.lists(st.integers(0, 60), max_size=8),
    st.sampled_from([b"base64", b"quoted-printable", b"8bit"]),
)
def test_chunks_change_nothing(data: bytes, cuts: list[int], encoding: bytes) -> None:
    decoder = transfer.Decoder(encoding)
    edges = [0, *sorted(cuts), len(data)]
    fed = b"".join(decoder.feed(data[a:b]) for a, b in itertools.pairwise(edges))
    assert fed + decoder.close() == transfer.decode(data, encoding)


def test_an_endless_line_is_not_kept() -> None:
    decoder = transfer.QuotedPrintableDecoder()
    out = b"".join(decoder.feed(b"abc=3D" * 5000) for _ in range(50))
    assert len(decoder._rest) < 1 << 17
    assert out + decoder.close() == b"abc=" * 250_000
    decoder = transfer.QuotedPrintableDecoder()
    for _ in range(10):
        decoder.feed(b"=" * 50_000)
        assert len(decoder._rest) < 1 << 17


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        (b"utf-8", "utf-8"),
        (b'"UTF8"', "utf-8"),
        (b"latin1", "cp1252"),
        (b"ISO-8859-1", "cp1252"),
        (b"iso_8859-1:1987", "cp1252"),
        (b"iso-8859-8-i", "iso8859-8"),
        (b"ISO8859-15", "iso8859-15"),
        (b"x-mac-roman", "mac-roman"),
        (b"windows-874", "cp874"),
        (b"cp-850", "cp850"),
        (b"x-cp1251", "cp1251"),
        (b"win-1251", "cp1251"),
        (b"x-sjis", "cp932"),
        (b"x-gbk", "gb18030"),
        (b"gb2312", "gb18030"),
        (b"ks_c_5601-1987", "cp949"),
        (b"koi8-r", "koi8-r"),
        (b"us-ascii", None),
        (b"ANSI_X3.4-1968", None),
        (b"unknown-8bit", None),
        (b"iso-2022-cn", None),
        (b"base64", None),
        (b"rot13", None),
        (b"zlib", None),
        (b"idna", None),
        (b"punycode", None),
        (b"unicode_escape", None),
        (b"undefined", None),
        (b"../etc/passwd", None),
        (b"a\0b", None),
        (b"\xff", None),
        (b"", None),
        (b"cp99999", None),
        (b"iso-8859-99", None),
    ],
)
def test_charset_names(name: bytes, codec: str | None) -> None:
    assert charset.codec(name) == codec


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        (b"abc", None, "abc"),
        ("ü".encode(), None, "ü"),
        (b"\xfc", None, "ü"),
        (b"\x80\x81", b"us-ascii", "€\ufffd"),
        ("ü".encode(), b"us-ascii", "ü"),
        ("при".encode("koi8-r"), b"KOI8-R", "при"),
        ("при".encode(), b"no-such", "при"),
        ("ü".encode(), b"shift_jis", "ﾃｼ"),  # the declaration counts, even if it looks odd
        # One broken octet does not turn the rest to windows-1252.
        ("при вет мир и вам".encode() + b"\xff", b"utf-8", "при вет мир и вам\ufffd"),
        (b"\xff\xfe\xfd", b"utf-8", "ÿþý"),
        ("あ".encode("iso2022_jp"), b"iso-2022-jp", "あ"),
        (b"+2AA-", b"utf-7", "\ufffd"),
        ("a".encode("utf-16"), b"utf-16", "a"),
    ],
)
def test_decode(data: bytes, declared: bytes | None, expected: str) -> None:
    assert charset.decode(data, declared) == expected


CHARSET_NAMES = (
    b"utf-8 utf-7 utf-16 utf-16le utf-32 iso-2022-jp iso-2022-kr hz gb18030 big5 shift_jis euc-jp"
    b" euc-kr koi8-r us-ascii x"
)
CHARSETS = st.sampled_from([*CHARSET_NAMES.split(), None])


@given(st.binary(max_size=80), CHARSETS)
def test_decode_gives_what_utf8_can_hold(data: bytes, declared: bytes | None) -> None:
    charset.decode(data, declared).encode("utf-8")
    charset.decode_raw(data, declared).encode("utf-8")


@given(st.binary(max_size=70))
def test_any_name(name: bytes) -> None:
    charset.decode(b"abc \xff", name)
