"""Comparators (RFC 4790, RFC 5051): when two texts are equal, and which comes first. Pure.

A comparator is a way to write a text so that plain comparison says the right thing. UTF-8 keeps
the order of code points, so ``i;octet`` compares texts as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pillarbox.message.casemap import fold

_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}


def ascii_casemap(text: str) -> str:
    """RFC 4790 §9.2.1: a to z in upper case, all else as it is."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def _itself(text: str) -> str:
    return text


def number_of(text: str) -> float:
    """RFC 4790 §9.1.1: the digits in front as a number; without any, positive infinity."""
    end = 0
    while end < len(text) and "0" <= text[end] <= "9":
        end += 1
    digits = text[:end].lstrip("0")
    if len(digits) > 4000:
        return float("inf")
    return (int(digits) if digits else 0) if end else float("inf")


@dataclass(frozen=True, slots=True)
class Comparator:
    """``write``: the comparable form. ``piecewise``: it compares octets, and writes each character
    as one. ``substrings``: it can be used with ``:contains`` and ``:matches``."""

    name: str
    write: Callable[[str], str]
    piecewise: bool = True
    substrings: bool = True

    def key(self, text: str) -> str | float:
        """What is equal for equal texts, and ordered as they are."""
        return self.write(text) if self.substrings else number_of(text)


DEFAULT = "i;ascii-casemap"
"""RFC 5228 §2.7.3."""

COMPARATORS: Mapping[str, Comparator] = {
    one.name: one
    for one in (
        Comparator("i;octet", _itself),
        Comparator("i;ascii-casemap", ascii_casemap),
        Comparator("i;unicode-casemap", fold, piecewise=False),
        Comparator("i;ascii-numeric", _itself, substrings=False),
    )
}

RELATIONS: Mapping[str, Callable[[str | float, str | float], bool]] = {
    "gt": lambda a, b: a > b,  # type: ignore[operator]
    "ge": lambda a, b: a >= b,  # type: ignore[operator]
    "lt": lambda a, b: a < b,  # type: ignore[operator]
    "le": lambda a, b: a <= b,  # type: ignore[operator]
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}
"""RFC 5231 §4.2; both sides come from one comparator."""
