"""Who may do what to a mailbox (RFC 4314): rights as sets of letters, lists of them by identifier.

An identifier is an account's address, or ``anyone``; behind a ``-`` its rights are taken away.
What someone may do is the union of what is granted to them and to anyone, less the union of what
is taken away from either. The owner of a mailbox is not in the list and may do everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pillarbox.model.flags import (
    DELETED,
    MAX_KEYWORDS,
    NO_SCOPE,
    SEEN,
    SYSTEM_FLAGS,
    SYSTEM_MASK,
    FlagScope,
)

Rights = frozenset[str]

ORDER = "lrswipkxtea"
"""The standard rights (RFC 4314 §2.1), in the order in which they are spelt."""
ALL: Rights = frozenset(ORDER)
NONE: Rights = frozenset()
VIRTUAL = {"c": frozenset("kx"), "d": frozenset("te")}
"""Rights of RFC 2086 and what they are made of now (RFC 4314 §2.1.1)."""
ANYONE = "anyone"
NEGATIVE = "-"


def parse(text: str) -> Rights | None:
    """The rights a client spelt; None when there is an unknown one (RFC 4314 §3.1)."""
    found: set[str] = set()
    for letter in text:
        if letter not in ALL and letter not in VIRTUAL:
            return None
        found |= VIRTUAL.get(letter, {letter})
    return frozenset(found)


def letters(rights: Rights) -> str:
    """The rights in their order."""
    return "".join(letter for letter in ORDER if letter in rights)


def spelt(rights: Rights) -> str:
    """The same for clients: with the virtual rights that go along (RFC 4314 §2.1.1)."""
    return letters(rights) + "".join(v for v, members in VIRTUAL.items() if members & rights)


def effective(entries: Mapping[str, Rights], who: str) -> Rights:
    """What ``who`` (an address in normal form) may do by these entries."""
    granted = entries.get(who, NONE) | entries.get(ANYONE, NONE)
    taken = entries.get(NEGATIVE + who, NONE) | entries.get(NEGATIVE + ANYONE, NONE)
    return granted - taken


def scope(rights: Rights) -> FlagScope:
    """The flags that someone with these rights may change (RFC 4314 §4, "Changing flags")."""
    if {"s", "w", "t"} <= rights:
        return FlagScope()
    if not rights & {"s", "w", "t"}:
        return NO_SCOPE
    system = SYSTEM_MASK & ~(SEEN | DELETED) if "w" in rights else 0
    system |= SEEN if "s" in rights else 0
    system |= DELETED if "t" in rights else 0
    return FlagScope(system, keywords="w" in rights)


@lru_cache(1024)
def permanent(keywords: tuple[str, ...], rights: Rights) -> tuple[str, ...]:
    """The names of these flags in a mailbox with these keywords; ``\\*`` where new ones can be
    made (RFC 9051 §7.1, RFC 4314 §5.1.1). Few answers: most mailboxes are one's own, and bare."""
    allowed = scope(rights)
    system = tuple(name for name, bit in SYSTEM_FLAGS.items() if bit & allowed.system)
    if not allowed.keywords:
        return system
    room = ("\\*",) if len(keywords) < MAX_KEYWORDS else ()
    return (*system, *keywords, *room)
