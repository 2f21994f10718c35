"""Messages in the selected mailbox: STORE, COPY, MOVE, EXPUNGE (RFC 9051 §6.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pillarbox.model.flags import FlagSet
from pillarbox.wire.imap.commands import Copy, Expunge, Move, Ranges, Store, StoreMode
from pillarbox.wire.imap.lex import Bad, Cursor, read_flags
from pillarbox.wire.imap.parse.base import Bare, Parser

_MODES = {
    mode.value + silent: (mode, bool(silent)) for mode in StoreMode for silent in ("", ".SILENT")
}
MovedOrCopied = TypeVar("MovedOrCopied", Copy, Move)


def store(cur: Cursor, tag: str, *, uid: bool = False) -> Store:
    """``STORE set [(modifier)] item flags``."""
    cur.space()
    ranges = cur.ranges()
    cur.space()
    unchanged = None
    if cur.peek() == "(":
        unchanged = _unchanged_since(cur)
        cur.space()
    mode = _MODES.get(cur.word())
    if mode is None:
        raise Bad("Unknown STORE item")
    cur.space()
    flags = cur.flags() if cur.peek() == "(" else _bare_flags(cur)
    cur.end()
    return Store(tag, uid, ranges, mode[0], flags, mode[1], unchanged)


def _unchanged_since(cur: Cursor) -> int:
    """``(UNCHANGEDSINCE n)``, the only store-modifier, once (RFC 7162 §3.1.3, §7)."""
    cur.need("CONDSTORE")
    cur.open()
    if cur.word() != "UNCHANGEDSINCE":
        raise Bad("Unknown STORE modifier")
    cur.space()
    value = cur.modseq()
    if not cur.close():
        raise Bad("Unknown STORE modifier")
    return value


def _bare_flags(cur: Cursor) -> FlagSet:
    """``flag *(SP flag)``, the form without parentheses."""
    names = [cur.flag()]
    while cur.more():
        names.append(cur.flag())
    return read_flags(" ".join(names))


def _to_mailbox(
    command: Callable[[str, bool, Ranges, str], MovedOrCopied], *, uid: bool
) -> Callable[[Cursor, str], MovedOrCopied]:
    def parse(cur: Cursor, tag: str) -> MovedOrCopied:
        cur.space()
        ranges = cur.ranges()
        cur.space()
        name = cur.mailbox()
        cur.end()
        return command(tag, uid, ranges, name)

    return parse


def uid_expunge(cur: Cursor, tag: str) -> Expunge:
    """``UID EXPUNGE set`` (RFC 4315 §2.1)."""
    cur.need("UIDPLUS")  # RFC 4315 §2.1
    cur.space()
    ranges = cur.ranges()
    cur.end()
    return Expunge(tag, ranges)


BARE: Bare = {"EXPUNGE": Expunge}

PARSERS: dict[str, Parser] = {
    "STORE": store,
    "UID STORE": partial(store, uid=True),
    "COPY": _to_mailbox(Copy, uid=False),
    "UID COPY": _to_mailbox(Copy, uid=True),
    "MOVE": _to_mailbox(Move, uid=False),
    "UID MOVE": _to_mailbox(Move, uid=True),
    "UID EXPUNGE": uid_expunge,
}
