"""Capabilities that some clients get wrong, and what is therefore kept from them.

RFC 2971 §3 asks that ID not decide what a server does. That is obeyed as far as clients work: a
row stands here only for a client that gets no mail at all without it, with the report that says
so. Everything else is for the masks of an account or a listener.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mask:
    """``name`` is searched for in the name that the client gives by ID, in any case."""

    name: re.Pattern[str]
    hides: frozenset[str]
    why: str
    seen: str
    """Year and month of the report."""
    source: str


def _mask(name: str, hides: str, why: str, seen: str, source: str) -> Mask:
    return Mask(re.compile(name, re.IGNORECASE), frozenset(hides.split()), why, seen, source)


TABLE = (
    _mask(
        r"Microsoft Office 365",
        "UIDONLY",
        "enables UIDONLY, goes on to use message numbers, and shows no mail",
        "2025-09",
        "mjl-/mox#388, modern-email/defects#49",
    ),
)


def masked(
    client: Mapping[str, str | None], more: Iterable[tuple[str, frozenset[str]]] = ()
) -> frozenset[str]:
    """What to hide from a client that says this of itself (keys in lower case). ``more``: texts
    in a name, and what else the operator hides where they are."""
    name = client.get("name") or ""
    hidden = [mask.hides for mask in TABLE if name and mask.name.search(name)]
    hidden += [hides for part, hides in more if part.casefold() in name.casefold()]
    return frozenset[str]().union(*hidden)
