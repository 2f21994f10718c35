"""Trace fields that go in front of a message (RFC 5321 §4.4)."""

from __future__ import annotations

from datetime import UTC, datetime

from pillarbox.message import compose
from pillarbox.model.transaction import Envelope, Role


def fields(envelope: Envelope, hostname: str) -> bytes:
    """Return-Path and Received.

    ``for`` is written for a single recipient only, or Bcc would be told on (RFC 5321 §7.2). Where
    a user's own machine stands and what it is called is nobody's business: submission leaves the
    ``from`` clause out, as large providers do.
    """
    peer, sender, to = envelope.peer, envelope.sender.address, envelope.recipients
    literal = f"[IPv6:{peer.ip}]" if ":" in peer.ip else f"[{peer.ip}]"
    return compose.return_path(str(sender) if sender else None) + compose.received(
        helo=peer.helo,
        client="" if envelope.role is Role.SUBMISSION else literal,
        by=hostname,
        protocol=peer.protocol,
        ident=envelope.id,
        when=datetime.fromtimestamp(envelope.received_at, UTC),
        recipient=str(to[0].address) if len(to) == 1 else None,
        tls=peer.tls,
        priority=envelope.sender.params.get("MT-PRIORITY") or "",
    )
