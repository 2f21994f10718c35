"""The DNS tree walk (RFC 9989 §4.10) without the DNS: names to ask about, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.policy.dmarc.record import Record, Suffix

SHORTENED = 7
"""Labels left after the first step from a long name (§4.10, step 4)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record and the domain that it is about."""

    domain: str
    record: Record


def steps(domain: str) -> list[str]:
    """The domains to ask about, ``domain`` first: eight at most."""
    labels = domain.split(".")
    rest = labels[1:][-SHORTENED:]
    return [domain, *(".".join(rest[place:]) for place in range(len(rest)))]


def ends(record: Record) -> bool:
    """Whether the walk stops at this record (§4.10, steps 2 and 6)."""
    return record.suffix is not Suffix.UNSAID


def organizational(start: str, walked: Sequence[Found]) -> str:
    """Whose domain ``start`` is, by the records of its walk, longest name first (§4.10.2)."""
    for found in walked:
        if found.record.suffix is Suffix.ORGANIZATION:
            return found.domain
        if found.record.suffix is Suffix.PUBLIC:
            # One label more than the suffix; where the walk began at it there is none, and
            # the suffix is its own organization, as the third rule has it.
            labels = found.domain.count(".") + 1
            return ".".join(start.split(".")[-labels - 1 :])
    return walked[-1].domain if walked else start


def applicable(author: str, walked: Sequence[Found]) -> Found | None:
    """The record for mail of ``author`` (§4.10.1): its own, its organization's, its suffix's."""
    by_domain = {found.domain: found for found in walked}
    public = next((one for one in walked if one.record.suffix is Suffix.PUBLIC), None)
    own = by_domain.get(author)
    return own or by_domain.get(organizational(author, walked)) or public
