"""Refusals: the answer is no, and nothing is broken.

A refusal is a value, returned where a result would be. Each door turns its kind into its own
language (IMAP response code, SMTP reply, POP3 -ERR) by a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    NONEXISTENT = "nonexistent"
    ALREADY_EXISTS = "alreadyexists"
    OVER_QUOTA = "overquota"
    LIMIT = "limit"
    TOO_BIG = "toobig"
    CANNOT = "cannot"
    """Never possible: a bad name, deleting INBOX, renaming into its own child."""
    HAS_CHILDREN = "haschildren"
    IN_USE = "inuse"
    NO_PERMISSION = "noperm"
    STALE = "stale"
    """What it referred to has changed: UIDVALIDITY, a lease taken by another."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """``text`` is for the person at the other end."""

    kind: Kind
    text: str
