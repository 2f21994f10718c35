"""Message flags: five system flags as bits, keywords as bits interned per mailbox.

A mailbox gives each keyword a bit the first time it is used, so that the flags of a message are
one integer in the store and two machine words in memory. The order of names in the mailbox's
keyword list is the order of bits and never changes while the mailbox lives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SEEN = 1
ANSWERED = 2
FLAGGED = 4
DELETED = 8
DRAFT = 16
POP3_HIDDEN = 32
"""Internal: deleted over POP3 in keep mode; has no name and is never shown to IMAP."""
SYSTEM_MASK = 0xFF
"""The low byte is for system flags (three bits spare); keywords begin at bit 8."""
KEYWORD_SHIFT = 8
MAX_KEYWORDS = 55
"""8 + 55 = 63: the whole set fits the signed 64-bit integers of SQL databases."""

SYSTEM_FLAGS: dict[str, int] = {  # RFC 3501 §2.3.2, RFC 9051 §2.3.2
    "\\Seen": SEEN,
    "\\Answered": ANSWERED,
    "\\Flagged": FLAGGED,
    "\\Deleted": DELETED,
    "\\Draft": DRAFT,
}
_BY_LOWER = {name.lower(): bit for name, bit in SYSTEM_FLAGS.items()}
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class FlagSet:
    """Flags as names: what crosses between mailboxes and protocols.

    ``system`` is a mask of the constants above, ``keywords`` the other names as first spelt.
    Equality of keywords ignores case in a mailbox (RFC 3501 §2.3.2 is silent, RFC 5788 §2
    says they are case-insensitive), so compare bits, not FlagSets, where that matters.
    """

    system: int = 0
    keywords: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.system or self.keywords)


NO_FLAGS = FlagSet()


@dataclass(frozen=True, slots=True)
class FlagScope:
    """The flags that somebody may change: system flags by their bits, and keywords or none."""

    system: int = SYSTEM_MASK
    keywords: bool = True

    def __bool__(self) -> bool:
        return bool(self.system or self.keywords)

    def cut(self, flags: FlagSet) -> FlagSet:
        """Those of ``flags`` within the scope."""
        keywords = flags.keywords if self.keywords else NO_FLAGS.keywords
        return FlagSet(flags.system & self.system, keywords)

    @property
    def spared(self) -> int:
        """Mask of the bits out of reach, under any mailbox's keywords."""
        return ~self.system & SYSTEM_MASK | (0 if self.keywords else ~SYSTEM_MASK)


EVERY_FLAG = FlagScope()
NO_SCOPE = FlagScope(0, keywords=False)


def system_bit(name: str) -> int:
    """The bit of a system flag, 0 for any other name; case-insensitive (RFC 3501 §9)."""
    return _BY_LOWER.get(name.lower(), 0)


def is_keyword(name: str) -> bool:
    """True for a name the IMAP grammar allows as flag-keyword (an atom, RFC 3501 §9)."""
    return _KEYWORD.match(name) is not None


def flag_set(names: Iterable[str]) -> FlagSet:
    """Sort names into system flags and keywords; unknown backslash flags are dropped."""
    system = 0
    keywords = set()
    for name in names:
        bit = system_bit(name)
        if bit:
            system |= bit
        elif not name.startswith("\\"):
            keywords.add(name)
    return FlagSet(system, frozenset(keywords))


def system_names(bits: int) -> list[str]:
    """Names of the system flags set in ``bits``, in a fixed order."""
    return [name for name, bit in SYSTEM_FLAGS.items() if bits & bit]


def flag_names(bits: int, keywords: Sequence[str]) -> list[str]:
    """All flag names set in ``bits`` under a mailbox's keyword list."""
    names = system_names(bits)
    rest = bits >> KEYWORD_SHIFT
    index = 0
    while rest and index < len(keywords):
        if rest & 1:
            names.append(keywords[index])
        rest >>= 1
        index += 1
    return names


def keyword_bit(name: str, keywords: Sequence[str]) -> int:
    """The bit that ``name`` has in a mailbox's keyword list; 0 when the mailbox lacks it."""
    lowered = name.lower()
    for index, known in enumerate(keywords):
        if known.lower() == lowered:
            return 1 << (KEYWORD_SHIFT + index)
    return 0


def intern_keywords(wanted: Iterable[str], keywords: list[str]) -> int:
    """Bits for ``wanted``, appending to ``keywords`` what is new.

    Names beyond MAX_KEYWORDS get no bit: the caller compares and refuses with LIMIT, or drops
    them where nobody can be told (a delivery).
    """
    bits = 0
    for name in sorted(wanted):
        bit = keyword_bit(name, keywords)
        if not bit and len(keywords) < MAX_KEYWORDS:
            keywords.append(name)
            bit = 1 << (KEYWORD_SHIFT + len(keywords) - 1)
        bits |= bit
    return bits


def to_flag_set(bits: int, keywords: Sequence[str]) -> FlagSet:
    """The portable form of ``bits``: what COPY carries to a mailbox with other keywords."""
    names = flag_names(bits & ~SYSTEM_MASK, keywords)
    return FlagSet(bits & SYSTEM_MASK, frozenset(names))
