"""What is checked of mail from other servers, and what follows from it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum

from pillarbox.policy.dnsxl import Zone

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Obey(Enum):
    """How far the wishes of the author's domain are followed (DMARC)."""

    FULLY = "obey"
    JUNK = "junk"
    """What should be refused is filed as junk."""
    NOT = "note"
    """Results are written into the message; nothing else happens."""


class OnFail(Enum):
    """What becomes of mail whose sending host the domain disowns, where DMARC is silent."""

    ACCEPT = "accept"
    JUNK = "junk"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Options:
    """``server`` names us in results (the authserv-id).

    ``trusted``: networks whose mail is not looked at. ``sealers``: domains whose ARC seals are
    believed. ``lists``: domains whose mailing lists may pass on mail of others.
    """

    server: str
    trusted: tuple[Network, ...] = ()
    sealers: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    dmarc: Obey = Obey.FULLY
    spf_fail: OnFail = OnFail.JUNK
    zones: tuple[Zone, ...] = ()
    """Lists that are asked about the client's address."""
    junk_score: int = 3
    refuse_score: int = 6
    """Sums of the weights of ``zones`` from which on mail is junk, or refused."""
    deadline: float = 15.0
    """Seconds, from the end of the header, until what is not known stays unknown."""
    questions: int = 150
    """Asked of the DNS for one message, at most."""

    def trusts(self, ip: str) -> bool:
        """Whether a client's mail is not looked at."""
        try:
            address = ipaddress.ip_address(ip.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.trusted)
