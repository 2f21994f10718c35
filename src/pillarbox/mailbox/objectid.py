"""Object identifiers as clients see them (RFC 8474 §4): letters, digits, ``-`` and ``_``."""

from __future__ import annotations


def email_id(blob: int) -> str:
    """EMAILID of a message: equal for copies, because copies share the immutable message."""
    return f"E{blob}"


def blob_of(email: str) -> int | None:
    """The opposite; None for what was never given out."""
    digits = email[1:]
    if email[:1] != "E" or not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        return None
    return int(digits)
