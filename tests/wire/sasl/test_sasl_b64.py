"""Base64 is canonical or refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.sasl import b64


@given(st.binary(max_size=200))
def test_there_and_back(data: bytes) -> None:
    assert b64.decode(b64.encode(data)) == data
    assert b64.encode(data) == base64.b64encode(data)


@pytest.mark.parametrize(
    "text",
    [
        b"=AAA", b"AAA=BBB", b"AA", b"A", b"AAA", b"AAAA=", b"AAAA====", b"AA==AA==", b"====",
        b"AA=A", b"AAAA\n", b" AAAA", b"AA AA", b"AA\r\n==", b"A\x00AA", b"\xff\xfe\xfd\xfc",
        b"AB==",  # bits that say nothing: decodes to the same as AA==
        b"AAB=", b"AA-_", b"*",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: bytes) -> None:
    assert b64.decode(text) is None


@given(st.binary(max_size=24))
def test_no_two_texts_for_one_meaning(text: bytes) -> None:
    data = b64.decode(text)
    assert data is None or b64.encode(data) == text


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    assert b64.decode_initial(b"=") == b""
    assert b64.encode_initial(b"") == b"="
    assert b64.decode(b"=") is None
    assert b64.decode_initial(b"AGE=") == b"\0a"
