"""Words that stand for a member of a list and that nobody else can make.

They are in addresses, so they survive any change of case, and are short.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

_ID = 5
"""Octets of a member's number."""
_MARK = 10
"""Octets of proof."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """``secret``: at least 16 octets that nobody else knows."""

    secret: bytes

    def make(self, purpose: str, member: int) -> str:
        """24 letters and digits. ``purpose``: what the token is good for."""
        number = member.to_bytes(_ID)
        return base64.b32encode(number + self._mark(purpose, number)).decode("ascii").lower()

    def read(self, purpose: str, token: str) -> int | None:
        """The member's number; None for what is no token of ours for this."""
        try:
            raw = base64.b32decode(token.upper().encode("ascii"))
        except (binascii.Error, UnicodeEncodeError):
            return None
        number, mark = raw[:_ID], raw[_ID:]
        if not hmac.compare_digest(mark, self._mark(purpose, number)):
            return None
        return int.from_bytes(number)

    def _mark(self, purpose: str, number: bytes) -> bytes:
        text = b"list:" + purpose.encode() + b":" + number
        return hmac.digest(self.secret, text, hashlib.sha256)[:_MARK]
