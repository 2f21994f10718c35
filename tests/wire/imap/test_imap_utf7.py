"""Modified UTF-7: the RFC's example, one spelling a name, nothing raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.imap import utf7

NAMES = {
    "~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-",  # RFC 9051 §A.1, RFC 3501 §5.1.3
    "Entwürfe": "Entw&APw-rfe",
    "R&D": "R&-D",
    "&": "&-",
    "": "",
    "ä&": "&AOQ-&-",
    "😀": "&2D3eAA-",
}
WRONG = [
    "&", "R&D", "&AOQ", "&AOQ-&AOQ-x&", "&Jjo!", "&AOQ=-",  # not closed, not base64
    "&AGE-",  # printable ASCII coded
    "&AOQA5A-&AOQ-",  # two runs that touch: one run would do
    "&AOR-", "&AO-",  # spare bits, half a unit
    "&2AA-", "&3gA-",  # lone surrogates
    "Entwürfe", "a\x00b", "a\tb", "a\x7fb",
]  # fmt: skip


@pytest.mark.parametrize(("name", "spelt"), NAMES.items())
def test_known_spellings(name: str, spelt: str) -> None:
    assert utf7.encode(name) == spelt
    assert utf7.decode(spelt) == name


@pytest.mark.parametrize("text", WRONG)
def test_what_is_not_the_right_spelling_of_any_name(text: str) -> None:
    assert utf7.decode(text) is None


@given(st.text())
def test_every_name_comes_back(name: str) -> None:
    spelt = utf7.encode(name)
    assert spelt.isascii()
    assert spelt.isprintable() or not spelt
    assert utf7.decode(spelt) == name


@given(st.text(alphabet=st.characters(max_codepoint=0x7F)))
def test_a_name_has_one_spelling(text: str) -> None:
    name = utf7.decode(text)
    assert name is None or utf7.encode(name) == text


def test_lone_surrogates_are_spelt_and_not_read() -> None:
    assert utf7.decode(utf7.encode("\ud800")) is None
