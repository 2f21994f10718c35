"""What a value in the file must look like, and the typed value it becomes.

A check takes what TOML gave and returns the value, or raises ValueError with words that complete
the sentence "<key> must be …".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

from pillarbox.model.address import normal_domain, parse_address
from pillarbox.wire.imap.capability import ROWS

Check = Callable[[object], Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\Z")


@dataclass(frozen=True, slots=True)
class Bind:
    """An address to listen on. ``host`` is an IP address; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SendRoute:
    """How some mail leaves. One of ``domains`` (recipients) and ``senders`` is empty."""

    domains: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    relay: str = ""
    user: str = ""
    password: Path | None = None
    sources: tuple[str, ...] = ()


def text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise ValueError("a text in quotes")
    return value


def zone(value: object) -> str:
    """A time zone by its name, or nothing."""
    name = text(value)
    try:
        return str(ZoneInfo(name)) if name else ""
    except (KeyError, ValueError, OSError):
        raise ValueError("the name of a time zone such as Europe/Oslo") from None


def flag(value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def count(low: int = 0, high: int = 1 << 40) -> Check:
    """A whole number within bounds."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def choice(*allowed: str) -> Check:
    """One of some words."""

    def check(value: object) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(f'"{word}"' for word in allowed))
        return str(value)

    return check


def size(value: object) -> int:
    """Octets: a number, or a text such as "50M"."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"(\d{1,15})\s*([kmgt]?)i?b?", value.lower()) if _is(value) else None
    if match is None:
        raise ValueError('a size in octets such as 52428800 or "50M"')
    return int(match[1]) * _UNITS[match[2]]


def duration(value: object) -> float:
    """Seconds: a number, or a text such as "30d"."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    match = re.fullmatch(r"(\d{1,9})\s*([smhdw])", value.lower()) if _is(value) else None
    if match is None:
        raise ValueError('a time such as 90 (seconds), "10m", "4h" or "30d"')
    return float(int(match[1]) * _TIMES[match[2]])


def hostname(value: object) -> str:
    """A host name in lower case (RFC 1123 §2.1)."""
    if not _is(value) or not _HOST.match(value) or len(value) > 253:
        raise ValueError('a host name such as "mail.example.org"')
    return value.lower()


def address(value: object) -> str:
    """A mail address, or nothing."""
    if value == "":
        return ""
    parsed = parse_address(value) if _is(value) else None
    if parsed is None:
        raise ValueError('a mail address such as "ann@example.org"')
    return parsed.normal()


def path(value: object) -> Path | None:
    """A path, or nothing; ~ is expanded."""
    if not isinstance(value, str):
        raise ValueError("a path in quotes")
    return Path(value).expanduser() if value else None


def paths(value: object) -> tuple[Path, ...]:
    """A list of absolute paths; ~ is expanded."""
    found = tuple(Path(one).expanduser() for one in words(value))
    if not all(one.is_absolute() for one in found):
        raise ValueError("a list of absolute paths")
    return found


def binds(value: object) -> tuple[Bind, ...]:
    """Addresses to listen on: one or a list of "ip:port"; an empty list closes the door."""
    values = value if isinstance(value, list) else [value]
    return tuple(_bind(one) for one in values)


def words(value: object) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("a list of texts")
    return tuple(value)


def at_least(low: int) -> Check:
    """0, or a whole number from ``low`` on."""

    def check(value: object) -> int:
        number: int = count()(value)
        if 0 < number < low:
            raise ValueError(f"0, or a whole number from {low} on")
        return number

    return check


def url(*schemes: str) -> Check:
    """A URI of one of some schemes, or nothing."""

    def check(value: object) -> str:
        if value == "" or (_is(value) and re.match(rf"({'|'.join(schemes)}):[!-~]+\Z", value)):
            return str(value)
        raise ValueError("a URI that begins with " + " or ".join(f"{one}:" for one in schemes))

    return check


def mask(value: object) -> tuple[str, ...]:
    """IMAP capabilities, each with a door in front or not."""
    for word in words(value):
        door, _, name = word.rpartition(":")
        if door not in {"", "imap", "imaps"} or name not in ROWS or name == "IMAP4rev1":
            raise ValueError(f"a list of capabilities that can be masked, not {word!r}")
    return words(value)


def client_masks(value: object) -> tuple[tuple[str, frozenset[str]], ...]:
    """Names of programs, and capabilities hidden from each."""
    found = []
    for line in words(value):
        name, colon, rest = line.rpartition(":")
        if not colon or not name.strip() or not rest.split():
            raise ValueError('a list of texts such as "Outlook: UIDONLY QRESYNC"')
        found.append((name.strip(), frozenset(mask(rest.split()))))
    return tuple(found)


_ROUTE = {"to", "from", "relay", "user", "password", "sources"}


def routes(value: object) -> tuple[SendRoute, ...]:
    """Tables that say how some mail leaves."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("tables, each begun by [[send.routes]]")
    return tuple(_route(one) for one in value)


def _route(table: dict[str, object]) -> SendRoute:
    unknown = sorted(table.keys() - _ROUTE)
    if unknown:
        raise ValueError(f"tables of {', '.join(sorted(_ROUTE))}, without {unknown[0]}")
    made = SendRoute(
        tuple(normal_domain(one) for one in words(table.get("to", []))),
        tuple(_sender(one) for one in words(table.get("from", []))),
        text(table.get("relay", "")),
        text(table.get("user", "")),
        path(table.get("password", "")),
        words(table.get("sources", [])),
    )
    if bool(made.domains) == bool(made.senders):
        raise ValueError("tables with one of to and from")
    if bool(made.relay) == bool(made.sources) or (made.sources and made.domains):
        raise ValueError("tables with a relay, or with from and sources")
    for source in made.sources:
        ipaddress.ip_address(source)
    return made


def _sender(value: str) -> str:
    """A domain or an address in normal form."""
    parsed = parse_address(value)
    return parsed.normal() if parsed is not None else normal_domain(value)


def grants(value: object) -> tuple[Grant, ...]:
    """A list of texts, each account=address or account=@domain."""
    found = []
    for one in words(value):
        account, _, sender = (part.strip() for part in one.partition("="))
        whole = sender.startswith("@") and _HOST.match(sender[1:])
        if parse_address(account) is None or not (whole or parse_address(sender)):
            raise ValueError(f"a list of texts as account=address, and {one!r} is not")
        name = f"@{normal_domain(sender[1:])}" if whole else address(sender)
        found.append(Grant(address(account), name))
    return tuple(found)


def networks(value: object) -> tuple[Network, ...]:
    """A list of networks, each in the form of 192.0.2.0/24 or one address."""
    try:
        return tuple(ipaddress.ip_network(one) for one in words(value))
    except ValueError as error:
        raise ValueError(f"a list of networks ({error})") from error


@dataclass(frozen=True, slots=True)
class Grant:
    """An account, and an address (or ``@domain``) that it may send as; in normal form."""

    account: str
    sender: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A list in the DNS and its weight."""

    name: str
    weight: int


def zones(value: object) -> tuple[Zone, ...]:
    """A list of texts, each name=points."""
    found = []
    for one in words(value):
        name, _, weight = one.partition("=")
        if not _HOST.match(name) or not re.fullmatch(r"-?[0-9]{1,3}", weight or "1"):
            raise ValueError(f"a list of texts as name=points, and {one!r} is not")
        found.append(Zone(name.lower(), int(weight or "1")))
    return tuple(found)


def domains(value: object) -> tuple[str, ...]:
    """A list of domain names, as A-labels."""
    return tuple(normal_domain(one) for one in words(value))


def _bind(value: object) -> Bind:
    host, colon, port = value.rpartition(":") if _is(value) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not colon or not 0 <= number <= 65535:
        raise ValueError('an address such as "0.0.0.0:25" or "[::]:25", or a list of them')
    return Bind(host, number)


def _is(value: object) -> TypeGuard[str]:
    return isinstance(value, str)
