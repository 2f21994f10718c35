"""DNS questions and answers as values.

An answer is never an exception: that a name does not exist, or that nobody would tell, is what
mail routing and sender checks decide by (RFC 5321 §5.1, RFC 7208 §2.6), so both are values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Kind(Enum):
    """Record types that mail asks for."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    PTR = "PTR"
    SRV = "SRV"
    TLSA = "TLSA"
    TXT = "TXT"


class Status(Enum):
    FOUND = "found"
    NO_DATA = "no data"
    """The name exists, without records of this type."""
    NO_NAME = "no such name"
    FAILED = "failed"
    """No answer, a refusal, or a bogus signature: ask again later."""


@dataclass(frozen=True, slots=True)
class Mx:
    """RFC 1035 §3.3.9; ``host`` without the final dot, '' for the root (RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """RFC 6698 §2.1."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        """RFC 6698 §2.2."""
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


@dataclass(frozen=True, slots=True)
class Srv:
    """RFC 2782."""

    priority: int
    weight: int
    port: int
    target: str


Record = str | bytes | Mx | Tlsa | Srv
"""A, AAAA: an address. CNAME, PTR: a name without final dot. TXT: the strings joined."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``ttl`` in seconds, for negative answers too. ``secure``: validated by a resolver that may
    be believed (AD bit over a loopback path). ``name`` is where aliases led."""

    status: Status
    records: tuple[Record, ...] = ()
    ttl: int = 0
    secure: bool = False
    name: str = ""
    detail: str = ""
    """For logs: why it failed."""

    def __bool__(self) -> bool:
        return self.status is Status.FOUND

    @property
    def texts(self) -> list[str]:
        """Records that are names or addresses."""
        return [record for record in self.records if isinstance(record, str)]

    @property
    def octets(self) -> list[bytes]:
        """TXT records."""
        return [record for record in self.records if isinstance(record, bytes)]


FAILED = Answer(Status.FAILED)


class Resolver(Protocol):
    """Whoever can be asked. Follows CNAMEs; never raises."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        """``name`` in A-labels, with or without the final dot."""
        ...
