"""The POP3 engine under random streams, for as long as there is time."""

from __future__ import annotations

from support.fuzz import fuzz
from support.pop3streams import EXAMPLES, check


def test_pop3_engine() -> None:
    assert fuzz(check, EXAMPLES) > 0
