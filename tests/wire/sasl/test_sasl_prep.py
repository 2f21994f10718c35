"""SASLprep: the examples of RFC 4013 §3, the rules around them, and stability."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.sasl.prep import saslprep


@pytest.mark.parametrize(
    ("given_text", "prepared"),
    [
        ("I\u00adX", "IX"),  # RFC 4013 §3, the seven examples in order
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", None),
        ("\u06271", None),
        ("", ""),
        ("pass word", "pass word"),
        ("e\u0301", "\u00e9"),
        ("\u00e9", "\u00e9"),
        ("\u00a0x\u3000y", " x y"),
        ("a\u007f", None),
        ("a\u0085b\u00e9", None),
        ("\ue000", None),
        ("\ufffe\u00e9", None),
        ("\ud800", None),
        ("\ufffdx", None),
        ("\u200e\u00e9", None),
        ("\U000e0041\u00e9", None),
        ("\u06271\u0628", "\u06271\u0628"),
        ("\u0627a\u0628", None),
        ("\u00bd", "1\u20442"),
        ("\u00b4", " \u0301"),
        ("line\nbreak", None),
        ("nul\0", None),
    ],
)
def test_prepared(given_text: str, prepared: str | None) -> None:
    assert saslprep(given_text) == prepared


def test_unassigned_code_points_may_be_asked_for_but_not_kept() -> None:
    assert saslprep("\U0001f680") == "\U0001f680"
    assert saslprep("\U0001f680", stored=True) is None
    assert saslprep("gr\u00fcn", stored=True) == "gr\u00fcn"


@given(st.text(max_size=12))
def test_preparing_twice_changes_nothing(text: str) -> None:
    once = saslprep(text)
    if once is not None:
        assert saslprep(once) == once
