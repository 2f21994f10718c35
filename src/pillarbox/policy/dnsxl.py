"""Lists of addresses in the DNS (RFC 5782): bad ones add to a score, good ones take away."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.base.together import together
from pillarbox.dns.answers import Kind, Resolver

_ANSWERS = ipaddress.ip_network("127.0.0.0/8")
_COMPLAINTS = ipaddress.ip_network("127.255.255.0/24")
"""What some lists answer to those whose questions they do not like: it is about us."""


@dataclass(frozen=True, slots=True)
class Zone:
    """``weight`` is added for an address that is listed: below 0 for a list of good ones."""

    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The zones that list an address, and the sum of their weights."""

    zones: tuple[str, ...]
    score: int


async def check(ip: str, zones: Sequence[Zone], resolver: Resolver) -> Listed:
    """Never raises; a list that does not answer lists nobody."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return Listed((), 0)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    begin = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    answers = await together([resolver.ask(f"{begin}.{one.name}", Kind.A) for one in zones])
    found = [
        one
        for one, answer in zip(zones, answers, strict=True)
        if any(map(_says_listed, answer.texts))
    ]
    return Listed(tuple(one.name for one in found), sum(one.weight for one in found))


def _says_listed(text: str) -> bool:
    try:
        said = ipaddress.ip_address(text)
    except ValueError:
        return False
    # RFC 5782 §2.1, §2.3
    return said in _ANSWERS and said not in _COMPLAINTS
