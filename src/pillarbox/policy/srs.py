"""Sender rewriting for mail that is forwarded, so that SPF holds at the next server.

The custom that grew around openspf.org's Sender Rewriting Scheme: the sender becomes an address
here, which leads back to the first one and can be made by nobody else. Bounces return through us.

``SRS0=hash=day=domain=local@here`` for a first rewriting; of a sender that another forwarder had
rewritten, ``SRS1=hash=forwarder==rest@here``, which leads to that forwarder.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from pillarbox.model.address import Address

DAYS = 21
"""A bounce comes back within that time, or not at all."""
_DAY = 86_400
_CYCLE = 1024
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MAX_LOCAL = 200
"""Octets; RFC 5321 §4.5.3.1.1 asks for 64 only, and servers take more."""


@dataclass(frozen=True, slots=True)
class Srs:
    """``secret``: at least 16 octets that nobody else knows."""

    secret: bytes

    def forward(self, sender: Address, here: str, now: float) -> Address:
        """The sender under which mail from ``sender`` is passed on by the domain ``here``.

        Unchanged where it is of that domain or gets too long.
        """
        if sender.domain.lower() == here.lower() or not sender.domain:
            return sender
        kind, _, rest = sender.local.partition("=")
        if kind.upper() == "SRS0" and rest:
            body = f"{sender.domain}=={rest}"
            local = f"SRS1={self._hash(body)}={body}"
        elif kind.upper() == "SRS1" and "==" in rest:
            body = rest.partition("=")[2]  # the first forwarder stays the one to go back to
            local = f"SRS1={self._hash(body)}={body}"
        else:
            body = f"{_day(now)}={sender.domain}={sender.local}"
            local = f"SRS0={self._hash(body)}={body}"
        return Address(local, here) if len(local.encode()) <= _MAX_LOCAL else sender

    def back(self, address: Address, now: float) -> Address | None:
        """Where mail to a rewritten address goes; None if it is not one of ours or too old."""
        kind, _, rest = address.local.partition("=")
        found, _, body = rest.partition("=")
        if not hmac.compare_digest(found.upper().encode(), self._hash(body).encode()):
            return None
        if kind.upper() == "SRS1":
            host, _, inner = body.partition("==")
            return Address(f"SRS0={inner}", host) if host and inner else None
        day, _, original = body.partition("=")
        domain, _, local = original.partition("=")
        if kind.upper() != "SRS0" or not domain or not local or not _fresh(day, now):
            return None
        return Address(local, domain)

    def _hash(self, body: str) -> str:
        """40 bits, in letters that survive any change of case."""
        made = hmac.digest(self.secret, b"srs:" + body.lower().encode(), hashlib.sha256)
        return base64.b32encode(made[:5]).decode("ascii")


def is_rewritten(address: Address) -> bool:
    """Whether it looks like an address of this kind."""
    return address.local[:5].upper() in {"SRS0=", "SRS1="}


def _day(now: float) -> str:
    number = int(now // _DAY) % _CYCLE
    return _DIGITS[number >> 5] + _DIGITS[number & 31]


def _fresh(day: str, now: float) -> bool:
    if len(day) != 2 or any(c not in _DIGITS for c in day.upper()):
        return False
    number = (_DIGITS.index(day[0].upper()) << 5) + _DIGITS.index(day[1].upper())
    return (int(now // _DAY) - number) % _CYCLE <= DAYS
