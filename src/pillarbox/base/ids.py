"""Randomness and identifiers, injected so that a test can replay a run.

Whoever draws a Message-ID, a boundary, a salt or a jitter takes an ``Rng``. ``SystemRng`` is the
operating system's generator and fit for secrets; ``SeededRng`` repeats itself and is not.
"""

from __future__ import annotations

import random
import secrets
from typing import Protocol

from pillarbox.base.clock import Clock

#: Crockford's base 32 in lower case: sorts like the number, no ``i l o u`` to misread aloud.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in ALPHABET for b in ALPHABET)


class Rng(Protocol):
    """A source of randomness."""

    def token(self, n: int) -> str:
        """``n`` characters of ``ALPHABET``, 5 bits each: safe in headers, file names and logs."""
        ...

    def bytes(self, n: int) -> bytes:
        """``n`` random bytes."""
        ...

    def uniform(self, a: float, b: float) -> float:
        """A number between ``a`` and ``b``, for jitter."""
        ...


_LETTERS = bytes(ord(ALPHABET[octet & 31]) for octet in range(256))


def _encode(octets: bytes) -> str:
    return octets.translate(_LETTERS).decode("ascii")


class SystemRng:
    """The operating system's generator."""

    def token(self, n: int) -> str:
        return _encode(secrets.token_bytes(n))

    def bytes(self, n: int) -> bytes:
        return secrets.token_bytes(n)

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * secrets.randbits(53) / (1 << 53)


class SeededRng:
    """The same sequence for the same seed. For tests and benches only: never for secrets."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  (repeating itself is the point)

    def token(self, n: int) -> str:
        return _encode(self._random.randbytes(n))

    def bytes(self, n: int) -> bytes:
        return self._random.randbytes(n)

    def uniform(self, a: float, b: float) -> float:
        return self._random.uniform(a, b)


class ConnectionIds:
    """Short identifiers that sort by the time they were given out.

    Nine characters of milliseconds since 1970 and two that tell processes apart, so the lines of
    one connection can be found again among those of all workers and of last week. Never twice the
    same within a process: when the clock stands still or jumps back, counting goes on.
    """

    def __init__(self, clock: Clock, rng: Rng) -> None:
        self._clock = clock
        self._suffix = rng.token(2)
        self._last = 0

    def next(self) -> str:
        """A fresh identifier of 11 characters."""
        last = self._last = max(self._last + 1, int(self._clock.now() * 1000))
        return (
            ALPHABET[last >> 40 & 31]
            + _PAIRS[last >> 30 & 1023]
            + _PAIRS[last >> 20 & 1023]
            + _PAIRS[last >> 10 & 1023]
            + _PAIRS[last & 1023]
            + self._suffix
        )
