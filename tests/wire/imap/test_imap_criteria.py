"""Searches that stand by themselves (RFC 5466)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.model import query as q
from pillarbox.wire.imap.capability import OFFERED
from pillarbox.wire.imap.lex import Bad
from pillarbox.wire.imap.limits import Limits
from pillarbox.wire.imap.parse.criteria import criteria, is_filter_name


def test_what_it_reads() -> None:
    found = criteria(b'OR SMALLER 5000 FROM "boss@example.com"', OFFERED)  # RFC 5466 §3.1
    parts = (q.Size(smaller=5000), q.Header("FROM", "boss@example.com"))
    assert isinstance(found.query, q.Or)
    assert [type(part) for part in found.query.parts] == [type(part) for part in parts]
    assert (found.modseq, found.keys) == (False, 3)
    assert criteria(b"MODSEQ 5 FILTER other", OFFERED).modseq


@pytest.mark.parametrize(
    "value", [b"", b"OR SEEN", b"ALL ", b"ALL)", b"SUBJECT {3}\r\nabc", b"SUBJECT \xff", b"A\nB"]
)
def test_what_it_does_not(value: bytes) -> None:
    with pytest.raises(Bad):
        criteria(value, OFFERED)


def test_it_is_bounded() -> None:
    with pytest.raises(Bad):
        criteria(b" ".join([b"ALL"] * 11), OFFERED, Limits(keys=10))


@given(st.binary(max_size=60))
def test_any_octets_are_a_search_or_bad(value: bytes) -> None:
    try:
        criteria(value, OFFERED)
    except Bad:
        pass


def test_names() -> None:
    assert is_filter_name("on-the-road")
    for name in ("", "a/b", "a b", "a(", "ä", "a%", "a]"):
        assert not is_filter_name(name)
