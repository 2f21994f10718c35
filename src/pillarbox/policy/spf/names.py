"""Domain names and addresses as SPF asks for them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

Ip = IPv4Address | IPv6Address
LONGEST = 253
_SAYABLE = re.compile(r"[\x20-\x5b\x5d-\x7e]+\Z")
"""A backslash would be an escape in a zone file; what else is not here no macro can produce."""


def client(ip: str) -> Ip | None:
    """The client's address, an IPv4-mapped one as IPv4 (RFC 7208 §5); None when it has none."""
    try:
        found = ip_address(ip.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def is_askable(name: str) -> bool:
    """Whether a DNS question can be made of ``name`` (RFC 1035 §3.1), without the final dot."""
    return (
        len(name) <= LONGEST
        and _SAYABLE.match(name) is not None
        and all(0 < len(label) <= 63 for label in name.split("."))
    )


def is_domain(name: str) -> bool:
    """RFC 7208 §4.3: several labels, well formed, not an address literal."""
    return "." in name and not name.startswith("[") and is_askable(name)


def target(name: str) -> str:
    """What was expanded, as a name to ask for: without final dot, cut to fit (§7.3)."""
    name = name.removesuffix(".")
    if len(name) <= LONGEST:
        return name
    dot = name.find(".", len(name) - LONGEST - 1)
    return name[dot + 1 :] if dot >= 0 else name[-LONGEST:]


def dotted(ip: Ip) -> str:
    """``%{i}``: an IPv6 address as nibbles (§7.3)."""
    return str(ip) if isinstance(ip, IPv4Address) else ".".join(ip.exploded.replace(":", ""))


def reverse(ip: Ip) -> str:
    """The name of the PTR records (RFC 1035 §3.5, RFC 3596 §2.5)."""
    return ip.reverse_pointer


def same_network(one: Ip, other: Ip, prefix: int) -> bool:
    """Whether the first ``prefix`` bits agree; never true across IP versions."""
    if one.version != other.version:
        return False
    return (int(one) ^ int(other)) >> (one.max_prefixlen - prefix) == 0


def is_below(name: str, domain: str) -> bool:
    """Whether ``name`` is ``domain`` or a subdomain of it."""
    name, domain = name.lower(), domain.lower()
    return name == domain or name.endswith("." + domain)
