"""The IMAP engine under random streams, for as long as there is time."""

from __future__ import annotations

from support.fuzz import fuzz
from support.imapstreams import EXAMPLES, check


def test_imap_engine() -> None:
    assert fuzz(check, EXAMPLES) > 0
