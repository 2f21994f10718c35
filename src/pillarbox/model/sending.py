"""How much an account sends."""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3600
HISTORY = 30 * 24 * HOUR
"""Seconds that a store remembers of an account's sending."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Something that an account did: ``recipients`` it wrote to, ``failures`` that came of it.

    ``at`` in seconds since 1970. ``network`` is where the client came from, '' for nothing said.
    """

    account: int
    at: float
    recipients: int = 0
    failures: int = 0
    network: str = ""


@dataclass(frozen=True, slots=True)
class Hour:
    """All of one account's sending within an hour of the clock."""

    start: int
    """Seconds since 1970, a multiple of 3600."""
    recipients: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """What is remembered of an account: its hours with something in them, oldest first; when each
    network was first and last seen; when somebody was last told that it looks stolen."""

    hours: tuple[Hour, ...] = ()
    networks: tuple[tuple[str, float, float], ...] = ()
    alarmed: float = 0.0
