"""Parameters by RFC 2045 and RFC 2231."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import params
from pillarbox.message.params import Params


def read(value: bytes) -> Params:
    return params.parse(value, 0, 64)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 2231 §3, §4, §4.1
        (
            b'; access-type=URL; URL*0="ftp://"; URL*1="cs.utk.edu/pub/moore/bulk-mailer.tar"',
            [(b"access-type", b"URL"), (b"url", b"ftp://cs.utk.edu/pub/moore/bulk-mailer.tar")],
        ),
        (
            b"; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            [(b"title*", b"us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A")],
        ),
        (
            b"; title*0*=us-ascii'en'This%20is%20even%20more%20;"
            b' title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2="isn\'t it!"',
            [
                (
                    b"title*",
                    b"us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!",
                )
            ],
        ),
        (b"; a*1=y; a*0=x; b=1", [(b"a", b"xy"), (b"b", b"1")]),
        (b"; a*0=x; a*2=z", [(b"a", b"x")]),  # a gap ends it
        (b"; a*0=x; a*0=y", [(b"a", b"x")]),
        (b"; a*0=x; a*1*=%C3%BC", [(b"a*", b"''x%C3%BC")]),
        (
            b"; a*01=x; a*=y; *=z; a**=w",
            [(b"a*01", b"x"), (b"a*", b"y"), (b"*", b"z"), (b"a**", b"w")],
        ),
    ],
)
def test_collapse(value: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert list(params.collapse(read(value))) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"; n=plain.txt", "plain.txt"),
        (b"; n*=utf-8''%E2%82%AC%20rates", "€ rates"),
        (b"; n*=iso-8859-1'en'%A3%20rates", "£ rates"),
        (b"; n=fallback; n*=utf-8''better", "better"),
        (b"; n*0*=utf-8''%C3; n*1*=%BC", "ü"),
        (b'; n="=?utf-8?q?=C3=BC?="', "ü"),
        ('; n="ü"'.encode(), "ü"),
        (b'; n="\xfc"', "ü"),
        (b"; n*=no%20charset", "no charset"),
        (b"; n*=''%C3%BC", "ü"),
        (b"; n*=x-none''%C3%BC", "ü"),
        (b"; n*=utf-8''%zz%4", "%zz%4"),
        (b"; other=x", None),
    ],
)
def test_text(value: bytes, expected: str | None) -> None:
    assert params.text(read(value), b"n") == expected


def test_disposition_of_nothing() -> None:
    assert params.disposition(b"", 64) is None


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_seven_bit(name: bytes, value: bytes) -> None:
    low_name, low = params.seven_bit(b"n", value)
    assert low.isascii()
    if not value.isascii() and b"=?" not in value:
        assert params.extended(low).encode() == value or b"\xef\xbf\xbd" not in value
        assert low_name == b"n*"
    assert params.seven_bit(b"n*", value)[1].isascii()


PIECE = st.sampled_from([b"\0", b"\xff", b" ", *b"; a b* 0 1 * = \" \\ ( ) %C3 '".split()])


@given(st.lists(PIECE, max_size=40).map(b"".join))
def test_anything(value: bytes) -> None:
    found = read(value)
    for name, _ in params.collapse(found):
        assert name
        text = params.text(found, name)
        assert text is None or text.encode("utf-8") is not None
    params.media_type(b"a/b;" + value, 8)
    params.disposition(value, 8)
