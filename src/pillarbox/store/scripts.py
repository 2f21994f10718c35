"""What a store keeps for Sieve: each account's scripts, and what was done once and for how long.
Part of ``store.api``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from pillarbox.model.refusal import Refusal

MAX_SCRIPTS = 100
"""Of one account."""
MAX_SCRIPT = 1 << 20
"""Octets of one script."""
MAX_SCRIPT_OCTETS = 4 << 20
"""Of all scripts of one account together."""


@dataclass(frozen=True, slots=True)
class StoredScript:
    """A script by its name; ``size`` in octets."""

    name: str
    size: int
    active: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done for an account, remembered until a time (seconds since 1970).

    ``key`` says what: a hash made by whoever asks (``delivery.marks``).
    """

    account: int
    key: bytes
    until: float


class Scripts(Protocol):
    """The scripts of accounts. Names are as given, compared octet by octet (RFC 5804 §1.6)."""

    async def scripts(self, account: int) -> list[StoredScript]:
        """All of them, by name."""
        ...

    async def script(self, account: int, name: str) -> bytes | None: ...

    async def active_script(self, account: int) -> tuple[str, bytes] | None:
        """Name and octets; asked at every delivery, so that an account without one costs no
        query."""
        ...

    async def put_script(self, account: int, name: str, source: bytes) -> Refusal | None:
        """Add or replace; an active one stays active. LIMIT with too many, OVER_QUOTA or TOO_BIG
        with too large ones."""
        ...

    async def script_room(self, account: int, name: str, size: int) -> Refusal | None:
        """What ``put_script`` would say of a script of that size."""
        ...

    async def rename_script(self, account: int, name: str, new: str) -> Refusal | None:
        """An active one stays active (RFC 5804 §2.11.1)."""
        ...

    async def remove_script(self, account: int, name: str) -> Refusal | None:
        """IN_USE for the active one (RFC 5804 §2.10)."""
        ...

    async def activate_script(self, account: int, name: str) -> Refusal | None:
        """Make it the only active one; '' makes none active (RFC 5804 §2.8)."""
        ...

    async def marked(self, account: int, keys: Collection[bytes], now: float) -> set[bytes]:
        """Those of the keys that are remembered at ``now``, seconds since 1970."""
        ...
