"""What the sender asked of the queue itself: when, how fast, how urgent. Pure.

DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865) and MT-PRIORITY (RFC 6710) come as parameters of
MAIL whose grammar the engine has checked; what is nevertheless odd is as if it were absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pillarbox.model.transaction import Envelope, Recipient


@dataclass(frozen=True, slots=True)
class By:
    """DELIVERBY: ``at`` is in seconds since 1970; ``final``: return the message then (mode R)."""

    at: float
    final: bool
    trace: bool = False


def deliver_by(envelope: Envelope) -> By | None:
    """RFC 2852 §4; the seconds count from when the message was handed over."""
    value = envelope.sender.params.get("BY") or ""
    seconds, _, mode = value.partition(";")
    try:
        at = envelope.received_at + int(seconds)
    except ValueError:
        return None
    return By(at, mode[:1].upper() == "R", mode[1:].upper() == "T")


def passed_on(by: By, now: float) -> str:
    """The parameter for the next server: what is left of the time (RFC 2852 §4.1.4)."""
    left = int(by.at - now)
    left = max(left, 1) if by.final else max(left, -999_999_999)
    return f"{left};{'R' if by.final else 'N'}{'T' if by.trace else ''}"


def release(envelope: Envelope) -> float:
    """Not before this time, in seconds since 1970 (RFC 4865 §4); when it was received if nothing
    was asked."""
    params, received = envelope.sender.params, envelope.received_at
    try:
        if "HOLDFOR" in params:
            return received + int(params["HOLDFOR"] or 0)
        if "HOLDUNTIL" in params:
            until = datetime.fromisoformat((params["HOLDUNTIL"] or "").upper())
            return max(received, (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        pass
    return received


def passed_notify(recipient: Recipient) -> frozenset[str]:
    """NOTIFY for the next server. Of an alias with several goals we told the sender ourselves
    that it was expanded, so none of them shall tell of success (RFC 3461 §5.2.7.3 c)."""
    if len(recipient.routes) < 2 or "SUCCESS" not in recipient.notify:
        return recipient.notify
    return (recipient.notify - {"SUCCESS"}) or frozenset({"NEVER"})


def priority(envelope: Envelope) -> int:
    """-9 to 9; 0 when nothing was asked (RFC 6710 §3)."""
    try:
        return max(-9, min(9, int(envelope.sender.params.get("MT-PRIORITY") or 0)))
    except ValueError:
        return 0
