"""Lists of IMAP flags as Sieve writes them (RFC 5232 §2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pillarbox.sieve.state import State
from pillarbox.sieve.words import Node

_KEYWORD = re.compile(r"[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]+")
"""RFC 9051 §9: an atom."""
_SYSTEM = frozenset({"\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft"})
_MOST = 64


def flags(words: Iterable[str]) -> tuple[str, ...]:
    """Each flag once, in order, in the case first seen; what is no flag that can be kept is
    passed over."""
    found: dict[str, str] = {}
    for word in words:
        for flag in word.split():
            good = flag.lower() in _SYSTEM if flag[0] == "\\" else _KEYWORD.fullmatch(flag)
            if good and len(found) < _MOST:
                found.setdefault(flag.lower(), flag)
    return tuple(found.values())


def flags_of(state: State, node: Node) -> tuple[str, ...] | None:
    """What an action files a message with: ``:flags``, else the internal variable (§5)."""
    if node.flag("flags"):
        return flags(state.texts(node.texts("flags")))
    return state.flags
