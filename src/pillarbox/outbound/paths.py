"""Which ways lead to a destination, best first, each with the TLS it must have.

DANE goes before MTA-STS (RFC 8461 §2), both before taking what is there (RFC 7435). A way that
a policy forbids is not in the list; why is told by a ``Blocked``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from pillarbox.base.ids import Rng
from pillarbox.dns.answers import Kind, Resolver, Status, Tlsa
from pillarbox.model.reply import Reply
from pillarbox.outbound.options import OPPORTUNISTIC, PLAIN, Demand, Level, Options, Relay, Way
from pillarbox.policy import dane
from pillarbox.policy.mtasts import Mode, Policies, Policy
from pillarbox.policy.nexthop import DNS_FAILED, Host, addresses, next_hop

NO_ADDRESS = Reply(450, "4.4.4", "The mail host has no address that can be used")
TLSA_FAILED = Reply(451, "4.7.5", "The DNS of the mail host does not say whom to trust")
NOT_IN_POLICY = Reply(451, "4.7.5", "The mail host is not in the domain's MTA-STS policy")
NOT_SECURE = Reply(
    550, "5.7.10", "REQUIRETLS: nothing says securely which servers take the domain's mail"
)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A host that cannot be used; ``reply`` says why. ``result`` by RFC 8460 §4.3."""

    host: str
    reply: Reply
    result: str = ""
    demand: Demand = PLAIN
    """What could not be met, where ``result`` is set."""


class Wish(Enum):
    """What the sender says about TLS (RFC 8689)."""

    USUAL = "usual"
    REQUIRED = "required"
    """REQUIRETLS: with a peer that is who it should be, or not at all."""
    OPTIONAL = "optional"
    """TLS-Required: No: arriving is worth more."""


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds ways. Knows nothing of connections."""

    options: Options
    resolver: Resolver
    rng: Rng
    policies: Policies | None = None
    """MTA-STS; None does without."""

    async def relayed(
        self, relay: Relay, sender: str, wish: Wish = Wish.USUAL
    ) -> AsyncIterator[Way | Blocked]:
        """The ways to a relay: named by the operator, so loopback and any port are fine."""
        demand = Demand(relay.level) if relay.level is not Level.MAY else OPPORTUNISTIC
        if wish is Wish.REQUIRED and not relay.host.startswith("/"):
            demand = Demand(Level.VERIFIED)  # RFC 8689 §4.2.1
        if relay.host.startswith("/"):
            found: list[str] | None = [relay.host]
        elif _ip(relay.host):
            found = [relay.host]
        else:
            found = await addresses(Host(relay.host), self.resolver, ipv6=self.options.ipv6)
        if not found:
            yield Blocked(relay.host, NO_ADDRESS if found == [] else DNS_FAILED)
            return
        for address in found:
            yield Way(
                relay.host,
                address,
                relay.port,
                demand,
                _source(self.options.sources, sender, address),
                relay.implicit_tls,
                relay.lmtp,
                relay.login,
            )

    async def direct(
        self, domain: str, sender: str, wish: Wish = Wish.USUAL
    ) -> AsyncIterator[Way | Blocked]:
        """The ways to the mail hosts of ``domain`` (RFC 5321 §5)."""
        options = self.options
        hop = await next_hop(domain, self.resolver, self.rng, own_names=(options.hostname,))
        if isinstance(hop, Reply):
            yield Blocked(domain, hop)
            return
        policy = await self.policies.of(domain) if self.policies and options.mta_sts else None
        for host in hop.hosts:
            found = await addresses(host, self.resolver, ipv6=options.ipv6)
            names = tuple(dict.fromkeys(filter(None, (domain, hop.name))))
            demand = await self._demand(host, names, policy, wish is Wish.REQUIRED)
            if wish is Wish.OPTIONAL:  # RFC 8689 §4.2.2
                demand = OPPORTUNISTIC if isinstance(demand, Blocked) else demand.or_else(PLAIN)
            if isinstance(demand, Blocked):
                yield demand
                continue
            usable = [one for one in found or () if options.loopback or _outside(one)]
            if not usable:
                yield Blocked(host.name, DNS_FAILED if found is None else NO_ADDRESS)
            # RFC 7672 §8.1: the name that TLSA records were found under
            name = demand.names[0] if demand.level is Level.DANE else host.name
            for address in usable:
                source = _source(options.sources, sender, address)
                yield Way(name, address, options.port, demand, source)

    async def _demand(
        self, host: Host, names: Sequence[str], sts: Policy | None, require_tls: bool
    ) -> Demand | Blocked:
        """``names``: the domain, and where its aliases led."""
        if self.options.dane and host.secure:
            base, records = await self._tlsa(host.name)
            if records is None:
                demand = Demand(Level.DANE, policy="tlsa", patterns=(base,))
                return Blocked(host.name, TLSA_FAILED, "dnssec-invalid", demand)
            if records:
                good = dane.usable(records)
                # RFC 7672 §2.2: with none that is usable, TLS all the same
                level = Level.DANE if good else Level.MUST
                if level is Level.DANE or not require_tls:
                    return Demand(
                        level,
                        good,
                        (base, *names),  # RFC 7672 §3.2.2
                        policy="tlsa",
                        rule=tuple(map(str, records)),
                        patterns=(base,),
                    )
        if sts is not None and sts.mode is not Mode.NONE:
            demand = Demand(Level.VERIFIED, policy="sts", rule=sts.lines, patterns=sts.mx)
            if sts.mode is Mode.TESTING and not require_tls:  # RFC 8461 §5
                return demand.or_else(OPPORTUNISTIC) if sts.lists(host.name) else OPPORTUNISTIC
            if sts.lists(host.name):
                return demand
            if sts.mode is Mode.ENFORCE:
                return Blocked(host.name, NOT_IN_POLICY, "validation-failure", demand)
        if require_tls:  # RFC 8689 §4.2.1
            if host.secure:
                return Demand(Level.VERIFIED)
            return Blocked(host.name, NOT_SECURE)
        return OPPORTUNISTIC

    async def _tlsa(self, host: str) -> tuple[str, list[Tlsa] | None]:
        """The host's TLSA records as far as they may be believed, and the name they belong to;
        None when nobody can tell.

        An address that was not validated makes them meaningless, except where a validated alias
        led there (RFC 7672 §2.2.2).
        """
        answers = [await self.resolver.ask(host, kind) for kind in (Kind.A, Kind.AAAA)]
        secure = [answer.name or host for answer in answers if answer and answer.secure]
        if secure:
            bases = list(dict.fromkeys((secure[0], host)))
        else:
            alias = await self.resolver.ask(host, Kind.CNAME) if any(answers) else None
            bases = [host] if alias and alias.secure else []
        for base in bases:
            answer = await self.resolver.ask(f"_{self.options.port}._tcp.{base}", Kind.TLSA)
            if answer.status is Status.FAILED:
                return base, None  # RFC 7672 §2.1.1: not the same as having none
            records = [record for record in answer.records if isinstance(record, Tlsa)]
            if records and answer.secure:
                return base, records
        return host, []


@lru_cache(1024)
def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _outside(address: str) -> bool:
    """False for addresses that lead to this very machine or to nobody, also in the form that IPv6
    has for those of IPv4 (RFC 4291 §2.5.5.2), which the kernel takes for the same."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return not (ip.is_loopback or ip.is_unspecified or ip.is_multicast)


def _source(sources: Mapping[str, Sequence[str]], sender: str, address: str) -> str:
    """The local address to come from, of the same family; '' leaves it to the kernel."""
    chosen = sources.get(sender.rpartition("@")[2].lower(), sources.get("*", ())) if sources else ()
    if not chosen or address.startswith("/"):
        return ""
    version = ipaddress.ip_address(address).version
    return next((one for one in chosen if ipaddress.ip_address(one).version == version), "")
