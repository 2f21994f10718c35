"""All that a run knows besides the message and the answers to its questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of one delivery to one recipient, or of one IMAP event.

    ``envelope``: the parts of the envelope by the names that the ``envelope`` test uses in lower
    case (``from``, ``to``; RFC 6009 §4: ``notify``, ``orcpt``, ``ret``, ``envid``,
    ``bytimeabsolute`` …); ``from`` is '' for the null sender. None at an IMAP event, which has
    none (RFC 6785 §4.6). ``now``: aware, in the zone that counts as local. ``environment``:
    items by name (RFC 5183 §4.1, RFC 6785 §4).
    """

    envelope: Mapping[str, str] | None = field(default_factory=dict)
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    environment: Mapping[str, str] = field(default_factory=dict)
    separator: str = "+"
    """What sets off the detail of an address (RFC 5233 §4)."""
    owner: str = ""
    """Address of whom the script belongs to."""
    home: str = "INBOX"
    """The mailbox that a ``keep`` means; '' for none that a ``fileinto`` could mean too."""
    flags: tuple[str, ...] = ()
    """Flags the message has, at an IMAP event (RFC 6785 §3.8)."""
    spam: float | None = None
    """0 to 1, None if nobody looked (RFC 5235 §3.2)."""
    spam_text: str = ""
    virus: int = 0
    """0 to 5, 0 if nobody looked (RFC 5235 §3.3)."""
    virus_text: str = ""
    vacation_days: tuple[int, int, int] = (1, 7, 60)
    """Least, usual and most of ``vacation :days`` (RFC 5230 §4.1)."""
    vacation_seconds: int = 60
    """Least of ``vacation :seconds`` (RFC 6131 §2)."""
    duplicate_seconds: tuple[int, int] = (7 * 86_400, 90 * 86_400)
    """Usual and most of ``duplicate :seconds`` (RFC 7352 §3.3)."""
