"""The table of mechanisms, strongest first: what each needs, and how to make its two sides.

What a connection has (privacy, channel bindings; later a client certificate, a token verifier) is
a set; a mechanism is offered when its needs are in that set. A new mechanism is one row and one
module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache, partial

from pillarbox.wire.sasl import scram
from pillarbox.wire.sasl.login import LoginClient, LoginServer
from pillarbox.wire.sasl.machine import (
    ClientContext,
    ClientMachine,
    ServerContext,
    ServerMachine,
)
from pillarbox.wire.sasl.plain import PlainClient, PlainServer


class Need(Enum):
    """What a connection must have before a mechanism may be offered on it."""

    PRIVACY = auto()
    """TLS, or both ends on one machine: the password crosses in the clear."""
    BINDING = auto()
    """Channel binding data of the TLS connection."""
    SCRAM_KEYS = auto()
    """The directory keeps SCRAM keys."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One row. ``client`` makes the client's side, given whether -PLUS was offered."""

    name: str
    needs: frozenset[Need]
    server: Callable[[ServerContext], ServerMachine]
    client: Callable[[ClientContext], ClientMachine]


def _row(
    name: str,
    needs: Iterable[Need],
    server: Callable[[ServerContext], ServerMachine],
    client: Callable[[ClientContext], ClientMachine],
) -> Mechanism:
    return Mechanism(name, frozenset(needs), server, client)


MECHANISMS: tuple[Mechanism, ...] = (
    _row(
        scram.NAME_PLUS,
        (Need.BINDING, Need.SCRAM_KEYS),
        partial(scram.ScramServer, plus=True),
        partial(scram.ScramClient, plus_seen=True),
    ),
    _row(scram.NAME, (Need.SCRAM_KEYS,), scram.ScramServer, scram.ScramClient),
    _row("PLAIN", (Need.PRIVACY,), PlainServer, PlainClient),
    _row("LOGIN", (Need.PRIVACY,), LoginServer, LoginClient),
)

_BY_NAME = {row.name: row for row in MECHANISMS}


def mechanism(name: str) -> Mechanism | None:
    """The row for a name in any case; None when it is not known."""
    return _BY_NAME.get(name.upper())


def offered(has: Collection[Need]) -> list[str]:
    """Names of what a connection that ``has`` this may use, strongest first."""
    return list(_offered(frozenset(has)))


@lru_cache
def _offered(has: frozenset[Need]) -> tuple[str, ...]:
    """Remembered: every connection asks, and there are few kinds of them."""
    return tuple(row.name for row in MECHANISMS if row.needs <= has)


def choose(server_offers: Iterable[str], context: ClientContext) -> ClientMachine | None:
    """A client's machine for the strongest mechanism in common; None when there is none.

    A password never goes out in the clear without privacy, whatever the server offers.
    """
    has = {Need.SCRAM_KEYS}
    if context.private:
        has.add(Need.PRIVACY)
    if context.bindings:
        has.add(Need.BINDING)
    there = {name.upper() for name in server_offers}
    row = next((r for r in MECHANISMS if r.name in there and r.needs.issubset(has)), None)
    return row.client(context) if row else None
