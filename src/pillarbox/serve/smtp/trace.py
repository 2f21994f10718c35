"""Trace fields that go in front of a message (RFC 5321 §4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.message import compose, date
from pillarbox.model.transaction import Peer, Recipient, Role, Sender


def fields(
    sender: Sender,
    to: Sequence[Recipient],
    role: Role,
    peer: Peer,
    *,
    ident: str,
    hostname: str,
    now: float,
) -> bytes:
    """Return-Path and Received. ``now``: seconds since 1970 UTC.

    ``for`` is written for a single recipient only, or Bcc would be told on (RFC 5321 §7.2). Where
    a user's own machine stands and what it is called is nobody's business: submission leaves the
    ``from`` clause out, as large providers do.
    """
    address = sender.address
    literal = f"[IPv6:{peer.ip}]" if ":" in peer.ip else f"[{peer.ip}]"
    return compose.return_path(str(address) if address else None) + compose.received(
        helo=peer.helo,
        client="" if role is Role.SUBMISSION else literal,
        by=hostname,
        protocol=peer.protocol,
        ident=ident,
        when=date.utc(int(now)),
        recipient=str(to[0].address) if len(to) == 1 else None,
        tls=peer.tls,
        priority=sender.params.get("MT-PRIORITY") or "",
    )
