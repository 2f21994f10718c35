"""Whether the name of a client's address leads back to the address (iprev, RFC 8601 §3)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum

from pillarbox.base.together import together
from pillarbox.dns.answers import Kind, Resolver, Status

MOST_NAMES = 5
"""Names of one address that are looked at: an honest one has one."""


class Verdict(Enum):
    """RFC 8601 §2.7.3."""

    PASS = "pass"  # noqa: S105  the word of the RFC
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class IprevResult:
    """``name`` leads to ``ip`` when it passed; else it is what the address claims, or ''."""

    verdict: Verdict
    ip: str
    name: str = ""


async def check(ip: str, resolver: Resolver) -> IprevResult:
    """Never raises."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return IprevResult(Verdict.PERMERROR, ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    answer = await resolver.ask(address.reverse_pointer, Kind.PTR)
    if answer.status is Status.FAILED:
        return IprevResult(Verdict.TEMPERROR, ip)
    names = answer.texts[:MOST_NAMES]
    if not names:
        return IprevResult(Verdict.PERMERROR, ip)
    kind = Kind.A if address.version == 4 else Kind.AAAA
    answers = await together([resolver.ask(name, kind) for name in names])
    for name, back in zip(names, answers, strict=True):
        if str(address) in [_normal(text) for text in back.texts]:
            return IprevResult(Verdict.PASS, ip, name)
    failed = any(back.status is Status.FAILED for back in answers)
    return IprevResult(Verdict.TEMPERROR if failed else Verdict.FAIL, ip, names[0])


def _normal(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
