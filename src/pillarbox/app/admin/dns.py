"""Operations on what a domain publishes: its signing keys, its records."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from pillarbox.app import web
from pillarbox.app.admin.rooms import Call, Value, domain_of
from pillarbox.app.internet import dns_options
from pillarbox.base.errors import Misuse
from pillarbox.config.schema import Config
from pillarbox.model.account import Domain, DomainKind
from pillarbox.net.contexts import ClientTls
from pillarbox.net.dnsclient import DnsClient
from pillarbox.net.https import Fetcher
from pillarbox.policy.dkim.keys import Key
from pillarbox.policy.publish import Facts, Service, records
from pillarbox.policy.published import Harm, Inspector

SERVICES = (
    ("submissions", "smtps"),
    ("submission", "submission"),
    ("imaps", "imaps"),
    ("imap", "imap"),
    ("pop3s", "pop3s"),
    ("pop3", "pop3"),
)
"""SRV names of RFC 6186 and RFC 8314 §5.1, and the door of each."""


async def domain_keys(call: Call, name: str, new: bool = False) -> Value:
    """Make the keys that sign the domain's mail; with ``new`` another pair takes over."""
    domain = (await _served(call, name)).name
    ring = call.rooms.keys
    if new or not ring.all(domain):
        day = datetime.fromtimestamp(call.rooms.clock.now(), UTC).strftime("%Y%m%d")
        await call.rooms.lane.run(ring.add, domain, day)
    signing = ring.signing(domain)
    return {
        "name": domain,
        "keys": [_key(key, signing=key in signing) for key in ring.all(domain)],
    }


def _key(key: Key, *, signing: bool) -> Value:
    return {
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "signs": signing,
        "name": key.name,
        "record": key.record,
    }


async def dns_records(call: Call, name: str) -> Value:
    """Everything to publish for a domain, as lines of a zone file."""
    facts = await _facts(call, name)
    found = [
        {"name": one.name, "type": one.kind, "value": one.value, "why": one.why}
        for one in records(facts)
    ]
    return {"name": facts.domain, "records": found}


async def dns_check(call: Call, name: str) -> Value:
    """What the live DNS says of a domain, and what is wrong with it, most harmful first."""
    facts = await _facts(call, name)
    rooms = call.rooms
    resolver = DnsClient(rooms.clock, dns_options(rooms.config))
    tls = ClientTls(ca=rooms.internet.ca)
    fetch = Fetcher(resolver, tls, rooms.internet.https, timeout=20.0, private=True).policy
    findings = await Inspector(facts, resolver, rooms.clock, fetch).findings()
    return {
        "name": facts.domain,
        "ok": all(one.harm > Harm.REFUSED for one in findings),
        "findings": [
            {"harm": one.harm.name.lower(), "record": one.name, "text": one.text, "hint": one.hint}
            for one in findings
        ],
    }


async def _facts(call: Call, name: str) -> Facts:
    domain = await _served(call, name)
    config, ring = call.rooms.config, call.rooms.keys
    signing = ring.signing(domain.name)
    here = domain.kind is DomainKind.LOCAL
    site = web.url(config)
    return Facts(
        domain.name,
        config.server.hostname,
        [(key.name, key.record) for key in signing],
        [
            Service(name, places[0].port if (places := getattr(config.listen, door)) else 0)
            for name, door in SERVICES
        ],
        await call.rooms.lane.run(_certificate, config),
        web.sts_policy(config) if site else None,
        urlsplit(site).hostname or "",
        config.send.sources,
        here,
    )


def _certificate(config: Config) -> bytes:
    """PEM of what other servers are shown; b'' for none that can be read."""
    path = config.tls.certificate
    try:
        return path.read_bytes() if path is not None else b""
    except OSError:
        return b""


async def _served(call: Call, text: str) -> Domain:
    name = domain_of(text)
    domain = await call.store.domain(name)
    if domain is None:
        raise Misuse(f"there is no domain {name}", hint="see: pillarbox domain list")
    return domain
