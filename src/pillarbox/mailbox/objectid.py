"""Object identifiers as clients see them (RFC 8474 §4): letters, digits, ``-`` and ``_``.

Their first letters keep those of messages (E), threads (T), mailboxes (M) and accounts (A) apart
(§5.2).
"""

from __future__ import annotations

import re

_THREAD = re.compile(r"T([rm])([0-9a-f]{1,16})\Z")
_SIGNS = {"r": 1, "m": -1}


def email_id(blob: int) -> str:
    """EMAILID of a message: equal for copies, because copies share the immutable message."""
    return f"E{blob}"


def account_id(account: int) -> str:
    """ACCOUNTID of whom a mailbox belongs to."""
    return f"A{account}"


def blob_of(email: str) -> int | None:
    """The opposite; None for what was never given out."""
    digits = email[1:]
    if email[:1] != "E" or not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        return None
    return int(digits)


def thread_id(thread: int) -> str:
    """THREADID of messages in a thread (``rules.thread_of``): one that a root names, or the
    message itself where it has no Message-ID."""
    return f"T{'r' if thread > 0 else 'm'}{abs(thread):x}"


def thread_of(threadid: str) -> int | None:
    """The opposite; None for what was never given out."""
    found = _THREAD.match(threadid)
    if found is None or found[2].startswith("0"):
        return None
    return _SIGNS[found[1]] * int(found[2], 16)
