"""Refusals of the rooms below as response codes (RFC 5530): one table."""

from __future__ import annotations

from pillarbox.model.refusal import Kind
from pillarbox.wire.imap.render import codes

CODES = {
    Kind.NONEXISTENT: codes.NONEXISTENT,
    Kind.ALREADY_EXISTS: codes.ALREADYEXISTS,
    Kind.OVER_QUOTA: codes.OVERQUOTA,
    Kind.LIMIT: codes.LIMIT,
    Kind.TOO_BIG: codes.TOOBIG,
    Kind.CANNOT: codes.CANNOT,
    Kind.HAS_CHILDREN: codes.HASCHILDREN,
    Kind.IN_USE: codes.INUSE,
    Kind.NO_PERMISSION: codes.NOPERM,
    Kind.STALE: codes.EXPUNGEISSUED,
}


def into(kind: Kind) -> str:
    """The code where the refused thing was to receive a message: TRYCREATE tells the client to
    make the mailbox and try again (RFC 9051 §6.3.12, §6.4.7)."""
    return codes.TRYCREATE if kind is Kind.NONEXISTENT else CODES[kind]
