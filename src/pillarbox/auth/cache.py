"""Passwords that were right a moment ago.

A mail client opens a handful of connections at once and logs in on each; only the first pays for
Argon2. What is remembered is a keyed hash with a key of this run, so the memory of a process
holds no password longer than its check takes. What is kept of the password in the directory is
part of the hash: after a change the old one is not found.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from pillarbox.base.clock import Clock
from pillarbox.base.ids import Rng
from pillarbox.model.account import Credentials

KEY_OCTETS = 32
_DIGEST_OCTETS = 16


class SuccessCache:
    """Digests of successful logins for ``seconds``, at most ``entries`` of them."""

    def __init__(
        self,
        clock: Clock,
        rng: Rng,
        *,
        key: bytes = b"",
        seconds: float = 60.0,
        entries: int = 10_000,
    ) -> None:
        """``key``: of the other processes of the house, so that they know a wrong password again
        by its digest too; without one it is made up here."""
        self._clock = clock
        self._key = key or rng.bytes(KEY_OCTETS)
        self._seconds = seconds
        self._entries = entries
        self._until: OrderedDict[bytes, float] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._until)

    def digest(self, account: int, password: str, credentials: Credentials) -> bytes:
        """What stands for this password of this account with these credentials."""
        hasher = hashlib.blake2b(key=self._key, digest_size=_DIGEST_OCTETS)
        # The two texts cannot run into each other: their lengths go first.
        kept = credentials.argon2.encode()
        given = password.encode(errors="surrogatepass")
        hasher.update(b"%d,%d,%d," % (account, len(kept), len(given)))
        hasher.update(kept)
        hasher.update(given)
        return hasher.digest()

    def holds(self, digest: bytes) -> bool:
        """True within ``seconds`` after ``add``; asking does not prolong it."""
        until = self._until.get(digest)
        return until is not None and self._clock.monotonic() < until

    def add(self, digest: bytes) -> None:
        """The password behind the digest was checked and is right."""
        now = self._clock.monotonic()
        self._until.pop(digest, None)
        self._until[digest] = now + self._seconds
        while self._until and (
            len(self._until) > self._entries or next(iter(self._until.values())) <= now
        ):
            self._until.popitem(last=False)
