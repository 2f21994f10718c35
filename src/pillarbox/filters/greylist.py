"""Greylisting: a network that nobody here knows is asked to come again.

Programs that only send spam rarely do. A network that came again once is known, whatever it sends
next, and stays known while it goes on sending. What was seen is kept over restarts.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.base.clock import Clock
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.store.notes import Notes

SEEN, KNOWN = "greylist", "greylist-known"
"""The kinds of our notes."""
COME_AGAIN = Reply(451, "4.7.1", "Not known here yet; please try again in a few minutes")
MOST = 50
"""First attempts remembered in a second; a flood is answered without being written down."""


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds. ``exempt``: clients that need not wait."""

    wait: float = 300.0
    """Before which coming again does not count."""
    patience: float = 2 * 86_400.0
    """Within which it must come again."""
    memory: float = 36 * 86_400.0
    """Without mail from it a network is forgotten: long enough for a monthly letter."""
    exempt: Callable[[str], bool] = lambda ip: False  # noqa: ARG005


class Greylist:
    """One for a house."""

    def __init__(self, notes: Notes, clock: Clock, options: Options) -> None:
        self._notes = notes
        self._clock = clock
        self._options = options
        self._second = 0
        self._written = 0

    async def __call__(self, ip: str, sender: Address | None, to: Address) -> Reply | None:
        """The answer to a recipient who would be accepted; None lets him through."""
        network = network_of(ip)
        if not network or self._options.exempt(ip):
            return None
        now, options = self._clock.now(), self._options
        if await self._notes.recall(KNOWN, prefix=f"{network} ", now=now):
            return None
        text = f"{network} {sender.normal() if sender else ''} {to.normal()}"
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        first = (await self._notes.recall(SEEN, prefix=key, now=now)).get(key)
        if first is None:
            if self._may_write(now):
                value, until = str(int(now)).encode(), now + options.patience
                await self._notes.remember(SEEN, {key: value}, until=until, now=now)
            return COME_AGAIN
        if now - int(first) < options.wait:
            return COME_AGAIN
        known = {f"{network} ": b"1"}
        await self._notes.remember(KNOWN, known, until=now + options.memory, now=now)
        return None

    def _may_write(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._written = int(now), 0
        self._written += 1
        return self._written <= MOST


def network_of(ip: str) -> str:
    """The /24 of IPv4, the /64 of IPv6: large senders try again from a neighbour. '' for none."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, bits), strict=False))
