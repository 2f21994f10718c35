"""The one text in which people name a server that takes mail for others."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qs, urlsplit

from pillarbox.outbound.options import Level, Login, Relay

_PORTS = {"smtp": 25, "smtps": 465, "lmtp": 24}
_HOST = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\Z"
)


def read_relay(text: str, *, level: Level | None = None, login: Login | None = None) -> Relay:
    """``host``, ``host:port``, ``smtp://host:port``, ``smtps://…``, ``lmtp://…`` or, for a unix
    socket, ``lmtp:/path``; ``?tls=`` and a level may follow. ``level`` is for texts without.

    Raises ValueError for anything else.
    """
    if text.startswith("/"):
        text = f"smtp:{text}"
    parts = urlsplit(text if re.match(r"(smtps?|lmtp):/", text) else f"smtp://{text}")
    wanted = parse_qs(parts.query, strict_parsing=bool(parts.query)).get("tls")
    implicit = parts.scheme == "smtps"
    if wanted == [Level.DANE.value]:
        raise ValueError(f"{text!r}: DANE is found in the DNS, not asked for")
    level = Level(wanted[0]) if wanted else level or (Level.VERIFIED if implicit else Level.MAY)
    lmtp = parts.scheme == "lmtp"
    if not parts.netloc and parts.path.startswith("/"):
        return Relay(parts.path, 0, lmtp, level=Level.NONE, login=login)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if (
        parts.username
        or parts.netloc.endswith(":")
        or parts.path not in {"", "/"}
        or not (_HOST.match(host) or _ip(host))
    ):
        raise ValueError(f"{text!r} names no server")
    return Relay(host, port, lmtp, implicit, level, login)


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
