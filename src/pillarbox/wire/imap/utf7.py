"""Modified UTF-7, in which IMAP4rev1 spells mailbox names (RFC 3501 §5.1.3).

Printable ASCII stands for itself, ``&-`` for an ampersand; the rest is UTF-16BE in base64 with
``,`` for ``/``, between ``&`` and ``-``. A name has exactly one right spelling, and only that one
is read: two spellings of one mailbox would let a client that compares bytes see two mailboxes.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

_PLAIN = re.compile(r"[\x20-\x25\x27-\x7e]*\Z")
_OUTSIDE = re.compile(r"[^\x20-\x7e]+|&")
_SHIFT = re.compile(r"&([A-Za-z0-9+,]*)-")
_DECODABLE = re.compile(r"(?:[\x20-\x25\x27-\x7e]|&[A-Za-z0-9+,]*-)*\Z")


def _shifted(match: re.Match[str]) -> str:
    run = match[0]
    if run == "&":
        return "&-"
    coded = binascii.b2a_base64(run.encode("utf-16-be", "surrogatepass"), newline=False)
    return "&" + coded.decode("ascii").rstrip("=").replace("/", ",") + "-"


def _unshifted(match: re.Match[str]) -> str:
    coded = match[1]
    if not coded:
        return "&"
    padded = coded.replace(",", "/") + "=" * (-len(coded) % 4)
    return binascii.a2b_base64(padded).decode("utf-16-be")


@lru_cache(4096)
def encode(name: str) -> str:
    """The one modified UTF-7 spelling of ``name``; total (even lone surrogates have one)."""
    if _PLAIN.match(name):
        return name
    return _OUTSIDE.sub(_shifted, name)


@lru_cache(4096)
def decode(text: str) -> str | None:
    """The name that ``text`` spells, None when it is not the right spelling of any."""
    if _PLAIN.match(text):
        return text
    if not _DECODABLE.match(text):
        return None
    try:
        name = _SHIFT.sub(_unshifted, text)
    except ValueError:  # base64 of impossible length, odd octets, lone surrogates
        return None
    return name if encode(name) == text else None
