"""LIST with all its options, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 3501 §6.3.9)."""

from __future__ import annotations

from functools import partial
from typing import Any

from pillarbox.wire.imap.commands import List, ListReturn, Lsub
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.mailbox import status_items
from pillarbox.wire.imap.parse.metadata import entry_name

SELECT_NEEDS = {
    "SUBSCRIBED": "LIST-EXTENDED",
    "REMOTE": "LIST-EXTENDED",
    "RECURSIVEMATCH": "LIST-EXTENDED",
    "SPECIAL-USE": "SPECIAL-USE",  # RFC 6154 §2
}
RETURN_NEEDS = {
    "SUBSCRIBED": "LIST-EXTENDED",
    "CHILDREN": "LIST-EXTENDED",
    "SPECIAL-USE": "SPECIAL-USE",
    "STATUS": "LIST-STATUS",  # RFC 5819 §2
    "MYRIGHTS": "LIST-MYRIGHTS",  # RFC 8440 §3
    "METADATA": "LIST-METADATA",  # RFC 9590 §3
}
PATTERNS = 100
"""Patterns in one LIST (a count); each walks all mailboxes."""


def _option(cur: Cursor, needs: dict[str, str], kind: str) -> str:
    word = cur.word()
    need = needs.get(word)
    if need is None:
        raise Bad(f"Unknown LIST {kind} option")
    cur.need(need)
    return word


def _selection(cur: Cursor) -> frozenset[str]:
    words = frozenset(cur.items(partial(_option, cur, SELECT_NEEDS, "selection"), empty=True))
    if "RECURSIVEMATCH" in words and not words & {"SUBSCRIBED", "SPECIAL-USE"}:
        raise Bad("RECURSIVEMATCH needs another selection option")  # RFC 5258 §3.1
    return words


def _returns(cur: Cursor) -> ListReturn:
    asked: dict[str, Any] = {}

    def option() -> None:
        word = _option(cur, RETURN_NEEDS, "return")
        if word == "STATUS":
            cur.space()
            asked["status"] = status_items(cur)
        elif word == "METADATA":
            cur.space()
            asked["metadata"] = _entries(cur)
        else:
            asked[word.lower().replace("-", "_")] = True

    cur.items(option, empty=True)
    return ListReturn(**asked)


def _entries(cur: Cursor) -> tuple[str, ...]:
    """``entries`` (RFC 5464 §5): one, or a list of them, each once."""
    if cur.peek() != "(":
        return (entry_name(cur),)
    return tuple(dict.fromkeys(cur.items(partial(entry_name, cur))))


def list_(cur: Cursor, tag: str) -> List:
    """``LIST [(selection)] reference patterns [RETURN (options)]``."""
    cur.space()
    select: frozenset[str] = frozenset()
    extended = cur.peek() == "("
    if extended:
        select = _selection(cur)
        cur.space()
    reference = cur.list_mailbox()
    cur.space()
    if cur.peek() == "(":
        cur.need("LIST-EXTENDED")
        patterns = tuple(cur.items(cur.list_mailbox))
        if len(patterns) > PATTERNS:
            raise Bad("Too many patterns", "LIMIT", "NO")
        extended = True
    else:
        patterns = (cur.list_mailbox(),)
    returns = ListReturn()
    if cur.more():
        if cur.word() != "RETURN":
            raise Bad("Expected RETURN")
        cur.space()
        returns = _returns(cur)
        extended = True
    cur.end()
    return List(tag, reference, patterns, select, returns, extended)


def lsub(cur: Cursor, tag: str) -> Lsub:
    """``LSUB reference pattern``, gone from IMAP4rev2 and still in wide use."""
    cur.space()
    reference = cur.list_mailbox()
    cur.space()
    pattern = cur.list_mailbox()
    cur.end()
    return Lsub(tag, reference, pattern)


PARSERS: dict[str, Parser] = {"LIST": list_, "LSUB": lsub}
