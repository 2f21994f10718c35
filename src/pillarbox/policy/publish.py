"""The DNS records that a mail domain publishes, as lines of a zone file. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pillarbox.dns.answers import Tlsa
from pillarbox.policy.mtasts import Policy, write_policy

_CHUNK = 255
"""Octets of one string in a TXT record (RFC 1035 §3.3)."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that mail programs look up (RFC 6186, RFC 8314 §5.1, RFC 5804 §1.8); port 0: it
    is not offered."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a house knows of itself and of one of its domains (A-labels)."""

    domain: str
    hostname: str
    keys: Sequence[tuple[str, str]] = ()
    """Name and text of each DKIM key record; those that sign first."""
    services: Sequence[Service] = ()
    certificate: bytes = b""
    """PEM, as shown on port 25; empty for none."""
    policy: Policy | None = None
    """MTA-STS, where it is served."""
    web: str = ""
    """Name of the host with the account set-up and policies; '' where no pages are served."""
    sources: Sequence[str] = ()
    """Addresses that mail leaves from, where they are not those of ``hostname``."""
    mail_ends_here: bool = True
    """False for a domain that we only stand in front of: its SPF, keys and users are others'."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One record: absolute name without final dot, type, value as a zone file has it."""

    name: str
    kind: str
    value: str
    why: str


def records(facts: Facts) -> list[Wanted]:
    """Everything to publish, the most important first."""
    domain, host = facts.domain, facts.hostname
    out = [Wanted(domain, "MX", f"10 {host}.", "where mail for the domain goes")]
    if facts.mail_ends_here:
        dmarc = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
        out += [
            Wanted(domain, "TXT", quoted(spf(facts)), "SPF: who may send for the domain"),
            *(Wanted(name, "TXT", quoted(text), "DKIM: a key") for name, text in facts.keys),
            Wanted(f"_dmarc.{domain}", "TXT", quoted(dmarc), "DMARC: what forgeries deserve"),
        ]
        if host != domain:
            out.append(Wanted(host, "TXT", quoted(host_spf(facts)), "SPF: reports have no sender"))
    if facts.policy is not None:
        record = f"v=STSv1; id={policy_id(facts.policy)}"
        out += [
            Wanted(f"_mta-sts.{domain}", "TXT", quoted(record), "MTA-STS: insist on TLS"),
            Wanted(f"mta-sts.{domain}", "CNAME", f"{facts.web}.", "MTA-STS: its policy"),
        ]
    reports = f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"
    out.append(Wanted(f"_smtp._tls.{domain}", "TXT", quoted(reports), "reports on TLS"))
    mark = tlsa(facts.certificate)
    if mark is not None:
        why = "DANE: our key, where DNSSEC signs the zone"
        out.append(Wanted(f"_25._tcp.{host}", "TLSA", str(mark), why))
    if not facts.mail_ends_here:
        return out
    for service in facts.services:
        value = f"0 1 {service.port} {host}." if service.port else "0 0 0 ."
        out.append(Wanted(f"_{service.name}._tcp.{domain}", "SRV", value, "mail programs"))
    if facts.web:
        out.append(
            Wanted(f"autoconfig.{domain}", "CNAME", f"{facts.web}.", "setting up mail programs")
        )
    return out


def spf(facts: Facts) -> str:
    """Who sends: the mail host, and addresses named for it (RFC 7208 §4.6.1)."""
    return _spf("mx", facts)


def host_spf(facts: Facts) -> str:
    """Who says hello with the name of the mail host: that is what counts of mail with the null
    sender (RFC 7208 §2.4)."""
    return _spf("a", facts)


def _spf(first: str, facts: Facts) -> str:
    words = [f"ip{6 if ':' in one else 4}:{one}" for one in facts.sources]
    return " ".join(["v=spf1", first, *words, "-all"])


def policy_id(policy: Policy) -> str:
    """Changes when the policy does (RFC 8461 §3.1)."""
    return hashlib.sha256(write_policy(policy)).hexdigest()[:16]


def tlsa(certificate: bytes) -> Tlsa | None:
    """DANE-EE by the key, which a renewal may keep (RFC 7672 §3.1.1); None without one."""
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except ValueError:
        return None
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Tlsa(3, 1, 1, hashlib.sha256(der).digest())


def quoted(text: str) -> str:
    """As strings of a TXT record."""
    pieces = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    return " ".join(f'"{piece}"' for piece in pieces)
