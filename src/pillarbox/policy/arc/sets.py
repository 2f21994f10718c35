"""ARC Sets in a header (RFC 8617 §4.2), read into values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.policy.dkim.canon import Head
from pillarbox.policy.dkim.signature import Signature, Signer, message_signature, read_signer
from pillarbox.policy.dkim.tags import Malformed, number, octets, read_tags

RESULTS = b"arc-authentication-results"
MESSAGE = b"arc-message-signature"
SEAL = b"arc-seal"
KINDS = (RESULTS, MESSAGE, SEAL)
MOST = 50
"""Sets of one message (§5.2)."""

_INSTANCE = re.compile(rb"(?:\A|;)[ \t]*i[ \t]*=[ \t]*([0-9]{1,10})[ \t]*(?:;|\Z)")
_VALUES = frozenset({"none", "pass", "fail"})


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal field; ``status`` is cv=."""

    signer: Signer
    status: str
    value: bytes
    made: int | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """One hand that the message went through. The places are those in the header."""

    instance: int
    results: int
    message: int
    seal: int


def instance(text: bytes) -> int:
    """i= of the value of a field. Raises Malformed."""
    found = _INSTANCE.search(text)
    if found is None or not 1 <= int(found[1]) <= MOST:
        raise Malformed("i= is not a number from 1 to 50")
    return int(found[1])


def read_sets(head: Head) -> list[Set]:
    """All Sets, the oldest first; [] without any. Raises Malformed (§5.2, steps 1 and 3)."""
    found: dict[bytes, dict[int, int]] = {}
    for kind in KINDS:
        places = head.places(kind)
        if len(places) > MOST:
            raise Malformed("more than 50 sets")
        numbered = found.setdefault(kind, {})
        for place in places:
            which = instance(head.value(place))
            if which in numbered:
                raise Malformed(f"set {which} is there twice")
            numbered[which] = place
    count = len(found[SEAL])
    wanted = set(range(1, count + 1))
    if any(set(numbered) != wanted for numbered in found.values()):
        raise Malformed("the sets have gaps")
    return [
        Set(n, found[RESULTS][n], found[MESSAGE][n], found[SEAL][n]) for n in range(1, count + 1)
    ]


def read_seal(raw: bytes) -> Seal:
    """An ARC-Seal field, name and line end included. Raises Malformed (§4.1.3)."""
    tags = read_tags(raw[raw.find(b":") + 1 :])
    if "h" in tags:
        raise Malformed("a seal signs no named fields")
    status = tags.get("cv", "").lower()
    if status not in _VALUES:
        raise Malformed("cv= is missing")
    return Seal(read_signer(tags), status, _signature(tags), number(tags.get("t"), "t"))


def read_message(raw: bytes) -> Signature:
    """An ARC-Message-Signature field. Raises Malformed (§4.1.2)."""
    found = message_signature(raw, read_tags(raw[raw.find(b":") + 1 :]))
    if SEAL in found.names:
        raise Malformed("seals are not for this signature")
    return found


def _signature(tags: Mapping[str, str]) -> bytes:
    value = octets(tags.get("b", ""), "b")
    if not value:
        raise Malformed("b= is missing")
    return value
