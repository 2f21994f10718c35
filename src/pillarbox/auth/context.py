"""On what kind of connection somebody wants to log in."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Context:
    """What a door knows of a connection; made anew after STARTTLS."""

    proto: str
    """For the log: imap, pop3, smtp, submission …"""
    ip: str
    """The peer's address, '' on a local socket."""
    secure: bool
    """Inside TLS."""
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Channel binding data by type, as ``net.tls`` gives it."""
    conn: str | None = None
    """Identifier of the connection, for the log."""

    @property
    def loopback(self) -> bool:
        """True when the peer is this machine: nobody listens in between."""
        return not self.ip or _loopback(self.ip)


@lru_cache(1024)
def _loopback(ip: str) -> bool:
    """Remembered: it is asked several times a connection, and costs as much as a command."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
