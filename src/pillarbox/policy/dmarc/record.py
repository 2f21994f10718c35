"""DMARC policy records (RFC 9989 §4.7, §4.8): text to values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Policy(Enum):
    """What the domain's owner would like done with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Suffix(Enum):
    """The psd tag: what the domain says about its place in the tree."""

    PUBLIC = "y"
    ORGANIZATION = "n"
    UNSAID = "u"


MILDER = {
    Policy.NONE: Policy.NONE,
    Policy.QUARANTINE: Policy.NONE,
    Policy.REJECT: Policy.QUARANTINE,
}
"""What is applied while the owner tests (the t tag)."""


@dataclass(frozen=True, slots=True)
class Record:
    """``p``, ``sp``, ``np`` are None where the record says nothing.

    ``sound`` is False where p is absent or wrong, or sp or np wrong (§4.10.1). ``rua`` and
    ``ruf`` are URIs as written, without the old size limits.
    """

    p: Policy | None = None
    sp: Policy | None = None
    np: Policy | None = None
    sound: bool = True
    strict_dkim: bool = False
    strict_spf: bool = False
    suffix: Suffix = Suffix.UNSAID
    testing: bool = False
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    failure_options: frozenset[str] = frozenset("0")

    def wanted(self, *, below: bool, exists: bool = True) -> Policy | None:
        """The policy for the domain itself, or for one ``below`` it; None when there is none.

        ``exists``: whether that subdomain exists in the DNS. The t tag is not applied here.
        """
        if not self.sound:
            return Policy.NONE if self.rua else None  # RFC 9989 §4.10.1
        if not below:
            return self.p
        if not exists and self.np is not None:
            return self.np
        return self.sp or self.p


_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*:[^\s!,]+)(?:![0-9]+[kmgtKMGT]?)?\Z")


def read_record(texts: Iterable[bytes]) -> Record | None:
    """The record in the TXT records of one name; None unless exactly one is DMARC's (§4.10)."""
    ours = [text for text in texts if _VERSION.match(text)]
    if len(ours) != 1:
        return None
    tags: dict[str, str] = {}
    for field in ours[0].decode("ascii", "replace").split(";")[1:]:
        name, equals, value = field.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    return _record(tags)


_POLICIES = {policy.value: policy for policy in Policy}
_SUFFIXES = {suffix.value: suffix for suffix in Suffix}


def _record(tags: Mapping[str, str]) -> Record:
    """Errors beyond the version give way to defaults (§4.8), save in the policies (§4.10.1)."""
    low = {name: value.lower() for name, value in tags.items()}
    read = {name: _POLICIES.get(low[name]) for name in ("p", "sp", "np") if name in low}
    return Record(
        p=read.get("p"),
        sp=read.get("sp"),
        np=read.get("np"),
        sound="p" in read and None not in read.values(),
        strict_dkim=low.get("adkim") == "s",
        strict_spf=low.get("aspf") == "s",
        suffix=_SUFFIXES.get(low.get("psd", ""), Suffix.UNSAID),
        testing=low.get("t") == "y",
        rua=_uris(tags.get("rua", "")),
        ruf=_uris(tags.get("ruf", "")),
        failure_options=_options(low.get("fo", "")),
    )


def _uris(text: str) -> tuple[str, ...]:
    found = (_URI.match(one.strip(" \t")) for one in text.split(","))
    return tuple(uri[1] for uri in found if uri)


def _options(text: str) -> frozenset[str]:
    options = frozenset(one.strip(" \t") for one in text.split(":"))
    return options if options <= set("01ds") and not options >= set("01") else frozenset("0")
