"""The line-end rule, in one piece and in chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message.normalise import CrlfNormaliser, to_crlf


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"a\r\nb", b"a\r\nb"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\n\r\n\nb", b"a\r\n\r\n\r\nb"),
        (b"a\rb", b"a\rb"),
        (b"a\r\r\nb", b"a\r\r\nb"),
        (b"\n\r", b"\r\n\r"),
        (b"a\0\n", b"a\0\r\n"),
    ],
)
def test_rule(data: bytes, expected: bytes) -> None:
    assert to_crlf(data) == expected


def test_mail_in_normal_form_is_not_copied() -> None:
    data = b"a\r\nb\rc\r\n"
    assert to_crlf(data) is data
    assert CrlfNormaliser().feed(data) is data


@given(st.lists(st.lists(st.sampled_from(list(b"\r\nx\0"))).map(bytes), max_size=8))
def test_chunks(chunks: list[bytes]) -> None:
    normaliser = CrlfNormaliser()
    fed = b"".join(map(normaliser.feed, chunks)) + normaliser.close()
    whole = b"".join(chunks)
    assert fed == to_crlf(whole)
    assert to_crlf(fed) == fed
    assert fed.count(b"\n") == fed.count(b"\r\n") == whole.count(b"\n")
    assert fed.replace(b"\r\n", b"\n") == whole.replace(b"\r\n", b"\n")


def test_close_forgets() -> None:
    normaliser = CrlfNormaliser()
    assert normaliser.feed(b"a\r") == b"a\r"
    normaliser.close()
    assert normaliser.feed(b"\n") == b"\r\n"
