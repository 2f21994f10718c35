"""Operations on what a domain publishes: its signing keys, its records."""

from __future__ import annotations

from datetime import UTC, datetime

from pillarbox.app.admin.rooms import Call, Value, domain_of
from pillarbox.base.errors import Misuse
from pillarbox.policy.dkim.keys import Key

_CHUNK = 255
"""Octets of one string in a TXT record (RFC 1035 §3.3)."""

SERVICES = (("submissions", 465), ("imaps", 993), ("pop3s", 995))
"""SRV names of RFC 6186 and RFC 8314 §5.1, and the port of each."""


async def domain_keys(call: Call, name: str, new: bool = False) -> Value:
    """Make the keys that sign the domain's mail; with ``new`` another pair takes over."""
    domain = await _served(call, name)
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
    domain = await _served(call, name)
    host = call.rooms.hostname
    dmarc = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
    records = [
        _record(domain, "MX", f"10 {host}."),
        _record(domain, "TXT", _quoted("v=spf1 mx -all")),
        *(_record(key.name, "TXT", _quoted(key.record)) for key in call.rooms.keys.all(domain)),
        _record(f"_dmarc.{domain}", "TXT", _quoted(dmarc)),
        *(
            _record(f"_{service}._tcp.{domain}", "SRV", f"0 1 {port} {host}.")
            for service, port in SERVICES
        ),
    ]
    return {"name": domain, "records": records}


def _record(name: str, kind: str, value: str) -> Value:
    return {"name": name, "type": kind, "value": value}


def _quoted(text: str) -> str:
    pieces = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    return " ".join(f'"{piece}"' for piece in pieces)


async def _served(call: Call, name: str) -> str:
    domain = domain_of(name)
    if await call.store.domain(domain) is None:
        raise Misuse(f"there is no domain {domain}", hint="see: pillarbox domain list")
    return domain
