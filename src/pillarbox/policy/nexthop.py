"""Which hosts take the mail of a domain, in what order (RFC 5321 §5, RFC 7505).

The answer is a list of hosts to try, or the reply that the recipients get. Addresses are looked
up per host when its turn comes: most mail needs the first host only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from pillarbox.base.ids import Rng
from pillarbox.dns.answers import Answer, Kind, Mx, Resolver, Status
from pillarbox.model.reply import Reply

MAX_HOSTS = 20
"""Of one domain; more is somebody's mistake or somebody's trap."""
MAX_ADDRESSES = 20


@dataclass(frozen=True, slots=True)
class Host:
    """``name`` is what TLS checks and logs show; ``addresses`` are filled for a literal."""

    name: str
    preference: int = 0
    addresses: tuple[str, ...] = ()
    secure: bool = False
    """The way from the domain to this name was validated (RFC 7672 §2.2)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """``hosts`` in the order to try them."""

    hosts: tuple[Host, ...]
    implicit: bool = False
    """No MX: the domain's own address (RFC 5321 §5.1)."""
    name: str = ""
    """Where aliases of the domain led; '' for nowhere."""


NO_SUCH_DOMAIN = Reply(550, "5.1.2", "The recipient's domain does not exist")
NO_MAIL = Reply(556, "5.1.10", "The recipient's domain takes no mail")  # RFC 7505 §4.1
NO_HOST = Reply(550, "5.1.2", "The recipient's domain has no mail host")
DNS_FAILED = Reply(451, "4.4.3", "The DNS of the recipient's domain does not answer")
BAD_LITERAL = Reply(501, "5.1.3", "That is not an address literal")
LOOPS_BACK = Reply(554, "5.4.6", "The best mail host of the domain is this one: mail would loop")


async def next_hop(
    domain: str, resolver: Resolver, rng: Rng, *, own_names: Sequence[str] = ()
) -> Hop | Reply:
    """Where mail for ``domain`` (A-labels, or an address literal) goes.

    ``own_names``: this server under its names; a host of that name and all that are no better
    are left out, or mail would go in circles (RFC 5321 §5.1).
    """
    if domain.startswith("["):
        return _literal(domain)
    answer = await resolver.ask(domain, Kind.MX)
    if answer.status is Status.FAILED:
        return DNS_FAILED
    if answer.status is Status.NO_NAME:
        return NO_SUCH_DOMAIN
    records = [record for record in answer.records if isinstance(record, Mx)]
    if not records:
        return await _implicit(domain, resolver, answer)
    if all(not record.host for record in records):
        return NO_MAIL
    hop = _ordered(records, rng, own_names, secure=answer.secure)
    return replace(hop, name=answer.name) if isinstance(hop, Hop) else hop


def _ordered(
    records: Sequence[Mx], rng: Rng, own_names: Sequence[str], *, secure: bool
) -> Hop | Reply:
    """By preference, equals in random order (RFC 5321 §5.1)."""
    own = {name.lower().rstrip(".") for name in own_names}
    hosts: list[Host] = []
    named = sorted((record for record in records if record.host), key=attrgetter("preference"))
    for _, equals in groupby(named, key=attrgetter("preference")):
        group = list(equals)
        if any(record.host.lower() in own for record in group):
            break
        shuffled = sorted(group, key=lambda _: rng.uniform(0, 1))
        hosts += [Host(one.host.lower(), one.preference, (), secure) for one in shuffled]
    if not hosts:
        return LOOPS_BACK
    return Hop(tuple(hosts[:MAX_HOSTS]))


async def _implicit(domain: str, resolver: Resolver, mx: Answer) -> Hop | Reply:
    """A domain without MX is its own mail host, if it has an address."""
    answers = [await resolver.ask(domain, kind) for kind in (Kind.A, Kind.AAAA)]
    if not any(answers):
        failed = any(answer.status is Status.FAILED for answer in answers)
        return DNS_FAILED if failed else NO_HOST
    return Hop((Host(domain.lower(), 0, (), mx.secure),), implicit=True)


def _literal(domain: str) -> Hop | Reply:
    """``[192.0.2.1]`` or ``[IPv6:2001:db8::1]`` (RFC 5321 §4.1.3)."""
    inside = domain.strip("[]")
    text = inside[5:] if inside.lower().startswith("ipv6:") else inside
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return BAD_LITERAL
    return Hop((Host(domain, 0, (str(address),)),))


async def addresses(host: Host, resolver: Resolver, *, ipv6: bool = True) -> list[str] | None:
    """The addresses of a host, IPv6 first; empty when it has none, None when nobody can tell."""
    if host.addresses:
        return list(host.addresses)
    kinds = (Kind.AAAA, Kind.A) if ipv6 else (Kind.A,)
    answers = [await resolver.ask(host.name, kind) for kind in kinds]
    found = [address for answer in answers for address in answer.texts]
    if not found and any(answer.status is Status.FAILED for answer in answers):
        return None
    return found[:MAX_ADDRESSES]
