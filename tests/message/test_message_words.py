"""Encoded words, both ways."""

from __future__ import annotations

import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"plain", "plain"),
        # RFC 2047 §8
        (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
        (b"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"),
        (b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?utf-8*de?q?=C3=BC?=", "ü"),  # RFC 2231 §5
        # A character split between words, as many senders do.
        (b"=?utf-8?q?=C3?= =?UTF-8?q?=BC?=", "ü"),
        (b"=?utf-8?b?w7w?=", "ü"),  # padding lost
        (b"=?utf-8?q?two words?=", "two words"),
        (b"=?utf-8?q??=", ""),
        (b"x=?utf-8?q?=C3=BC?=y", "xüy"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?never closed", "=?utf-8?q?never closed"),
        (b"=?no-such?q?=C3=BC?=", "ü"),
        (b"=?no-such?q?=FC?=", "ü"),
        (b"=?iso-2022-jp?b?GyRCJCIbKEI=?=", "あ"),
        ("rü =?utf-8?q?=C3=BC?=".encode(), "rü ü"),
        (b"r\xfc", "rü"),
    ],
)
def test_decode(value: bytes, expected: str) -> None:
    assert words.decode(value) == expected


def test_the_hint_is_for_raw_octets() -> None:
    assert words.decode(b"\xd0\xd2\xc9", b"koi8-r") == "при"
    assert words.decode("при".encode(), b"koi8-r") == "при"


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=120))
def test_encode_is_undone_by_decode(text: str) -> None:
    written = words.encode(text)
    assert words.decode(written) == text
    assert all(len(word) <= 75 for word in written.split(b" "))  # RFC 2047 §2


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=120))
def test_others_read_what_we_encode(text: str) -> None:
    header = email.header.make_header(email.header.decode_header(words.encode(text).decode()))
    assert str(header) == text


def test_no_character_is_split() -> None:
    for text in ("ü" * 200, "a" * 60 + "😀" * 40, "…" * 30):
        for word in words.encode(text).split(b" "):
            assert "\ufffd" not in words.decode(word)


def test_surrogates_are_no_text() -> None:
    assert words.decode(words.encode("a\ud800b")) == "a?b"


@given(st.binary(max_size=80))
def test_downgrade_reads_the_same_and_is_seven_bit(value: bytes) -> None:
    low = words.downgrade(value)
    assert low.isascii()
    if b"=?" not in value and value == value.strip() and b"  " not in value:
        assert words.decode(low) == words.decode(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ascii", b"ascii"),
        ("a ü b".encode(), b"a =?utf-8?b?w7w=?= b"),
        ("ü ö".encode(), "ü ö"),
        ("=?utf-8?q?x?= ü".encode(), "x ü"),
        ("ü =?utf-8?q?x?=".encode(), "ü x"),
        ("ü x ü".encode(), "ü x ü"),
    ],
)
def test_downgrade(value: bytes, expected: bytes | str) -> None:
    low = words.downgrade(value)
    assert (words.decode(low) if isinstance(expected, str) else low) == expected


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"=?", b"?=", b"utf-8", b"?q?", b"?b?", b" ", b"=C3", b"w7"])).map(
        b"".join
    )
)
def test_decode_is_total(value: bytes) -> None:
    words.decode(value).encode("utf-8")
