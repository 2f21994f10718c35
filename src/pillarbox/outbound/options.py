"""How mail leaves: values that the composition root makes of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from pillarbox.dns.answers import Tlsa


class Level(Enum):
    """How much TLS a connection must have, weakest first."""

    NONE = "none"
    MAY = "opportunistic"
    """Use it when offered, whoever is there (RFC 7435)."""
    MUST = "encrypted"
    """Encrypted, with whoever is there."""
    VERIFIED = "verified"
    """A certificate from a known authority, for the server's name (RFC 9525)."""
    DANE = "dane"
    """A certificate that the validated DNS names (RFC 7672)."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What TLS a way must have, and ``else_`` what may be tried when that fails."""

    level: Level
    tlsa: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()
    """DANE-TA: names the certificate may be for."""
    policy: str = "no-policy-found"
    """Whose rule it is, as RFC 8460 §4.4 calls it: tlsa, sts, no-policy-found."""
    rule: tuple[str, ...] = ()
    """Its text (RFC 8460 §4.5)."""
    patterns: tuple[str, ...] = ()
    """The hosts it is for."""
    else_: Demand | None = None

    def or_else(self, last: Demand) -> Demand:
        """The same, with ``last`` tried when nothing else is left."""
        return replace(self, else_=self.else_.or_else(last) if self.else_ else last)


PLAIN = Demand(Level.NONE)
OPPORTUNISTIC = Demand(Level.MAY, else_=PLAIN)


@dataclass(frozen=True, slots=True)
class Login:
    """For a smarthost."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Relay:
    """A server that takes mail for others: a smarthost, or LMTP behind us.

    ``host``: a name, an IP address, or the path of a unix socket (begins with a slash).
    """

    host: str
    port: int = 25
    lmtp: bool = False
    implicit_tls: bool = False
    level: Level = Level.MAY
    login: Login | None = None

    @property
    def key(self) -> str:
        """Names it as a destination."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds. Domains are in normal form."""

    hostname: str
    """Said in the hello; also what must not be found among the mail hosts of others."""
    port: int = 25
    ipv6: bool = True
    loopback: bool = False
    """Mail hosts on loopback addresses may be used: for tests, a trap otherwise."""
    relays: Mapping[str, Relay | None] = field(default_factory=dict)
    """By recipient domain; ``*`` for every other one. None is the domain's own hosts."""
    sender_relays: Mapping[str, Relay | None] = field(default_factory=dict)
    """By sender address or sender domain; goes before ``relays``."""
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Local addresses to come from, by sender domain; ``*`` for every other one."""
    dane: bool = True
    mta_sts: bool = True
    connect_timeout: float = 30.0
    patience: float = 1.0
    """Factor on the time-outs of RFC 5321 §4.5.3.2; below 1 for tests only."""
    hosts: int = 5
    """Addresses that are tried in one attempt (RFC 5321 §5.1 wants at least two)."""
    recipients: int = 100
    """In one transaction, unless the server allows fewer."""
    messages: int = 100
    """Over one connection."""
    idle: float = 30.0
    """A connection is kept that long for the next message."""
    kept: int = 100
    """Idle connections kept, in all."""
    down: float = 60.0
    """An address that could not be reached is left alone that long."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a server: the key of connections that may be used again."""

    host: str
    """The name that TLS asks for and logs show."""
    address: str
    """IP address, or path of a unix socket."""
    port: int
    demand: Demand
    source: str = ""
    implicit_tls: bool = False
    lmtp: bool = False
    login: Login | None = None
