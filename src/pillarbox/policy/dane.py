"""Is this the server whose certificate the DNS names (RFC 7672, RFC 7671)?

Pure: records and the chain that the server showed go in, a verdict comes out. The records must
have come from answers that were validated; that is for whoever asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pillarbox.dns.answers import Tlsa

TRUST_ANCHOR = 2
END_ENTITY = 3

_MATCHING: Mapping[int, Callable[[bytes], bytes]] = {  # RFC 6698 §2.1.3
    0: bytes,
    1: lambda data: hashlib.sha256(data).digest(),
    2: lambda data: hashlib.sha512(data).digest(),
}
_MAX_CHAIN = 10


class Verdict(Enum):
    """``value`` is the result type of RFC 8460 §4.3, '' for success."""

    MATCH = ""
    NO_MATCH = "validation-failure"
    EXPIRED = "certificate-expired"
    WRONG_NAME = "certificate-host-mismatch"


def usable(records: Sequence[Tlsa]) -> tuple[Tlsa, ...]:
    """The records that mean something to mail: usages 2 and 3 only (RFC 7672 §3.1.3)."""
    return tuple(
        one
        for one in records
        if one.usage in {TRUST_ANCHOR, END_ENTITY}
        and one.selector in {0, 1}
        and one.matching in _MATCHING
        and one.data
    )


def judge(
    records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], now: datetime
) -> Verdict:
    """``chain``: DER, leaf first, as shown. ``names``: what the certificate may be for.

    With DANE-EE neither names nor dates count (RFC 7672 §3.1.1); with DANE-TA both do (§3.1.2).
    """
    try:
        shown = [x509.load_der_x509_certificate(one) for one in chain[:_MAX_CHAIN]]
    except ValueError:
        return Verdict.NO_MATCH
    if not shown:
        return Verdict.NO_MATCH
    if any(one.usage == END_ENTITY and _matches(one, shown[0]) for one in records):
        return Verdict.MATCH
    anchors = [one for one in records if one.usage == TRUST_ANCHOR]
    for depth, certificate in enumerate(shown[1:], 1):
        if any(_matches(one, certificate) for one in anchors) and _leads_to(shown[: depth + 1]):
            path = shown[: depth + 1]
            if not all(c.not_valid_before_utc <= now <= c.not_valid_after_utc for c in path):
                return Verdict.EXPIRED
            return Verdict.MATCH if _is_for(shown[0], names) else Verdict.WRONG_NAME
    return Verdict.NO_MATCH


def _matches(record: Tlsa, certificate: x509.Certificate) -> bool:
    """RFC 6698 §2.1."""
    if record.selector == 0:
        selected = certificate.public_bytes(Encoding.DER)
    else:
        selected = certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    return _MATCHING[record.matching](selected) == record.data


def _leads_to(path: Sequence[x509.Certificate]) -> bool:
    """Whether each certificate was issued by the next, and those may issue."""
    for child, issuer in pairwise(path):
        try:
            constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
            child.verify_directly_issued_by(issuer)
        except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
            return False
        if not constraints.value.ca:
            return False
    return True


def _is_for(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """RFC 9525 §6.3: DNS names only, a wildcard for the leftmost label as a whole."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    shown = {name.lower() for name in found.value.get_values_for_type(x509.DNSName)}
    for name in names:
        name = name.lower().rstrip(".")
        if name in shown or "*." + name.partition(".")[2] in shown:
            return True
    return False
