"""GETMETADATA and SETMETADATA (RFC 5464 §4, §5)."""

from __future__ import annotations

from typing import Any

from pillarbox.wire.imap.extensions import GetMetadata, SetMetadata
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser

ENTRIES = 1_000
"""Entries in one command (a count)."""

_DEPTHS: dict[str, int | None] = {"0": 0, "1": 1, "INFINITY": None}


def entry_name(cur: Cursor) -> str:
    """``entry``: slashes first and between, no wildcards, printable ASCII (RFC 5464 §3.2)."""
    name = cur.astring()
    if (
        not name.startswith("/")
        or name.endswith("/")
        or "//" in name
        or "*" in name
        or "%" in name
        or not name.isascii()
        or not name.isprintable()
    ):
        raise Bad("There is no such metadata entry")
    return name.lower()  # §3.2: names are case-insensitive


def _options(cur: Cursor) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    def option() -> None:
        word = cur.word()
        cur.space()
        if word == "MAXSIZE":
            asked["max_size"] = cur.number()
            return
        depth = cur.atom().upper()
        if word != "DEPTH" or depth not in _DEPTHS:
            raise Bad("Unknown GETMETADATA option")
        asked["depth"] = _DEPTHS[depth]

    cur.items(option)
    return asked


def get_metadata(cur: Cursor, tag: str) -> GetMetadata:
    """``GETMETADATA [(options)] mailbox entries``.

    The grammar puts the options before the mailbox, the RFC's own examples (§4.2) behind it;
    both are read.
    """
    options: dict[str, Any] = {}
    cur.space()
    if cur.peek() == "(":
        options = _options(cur)
        cur.space()
    mailbox = cur.mailbox()
    cur.space()
    if not options and cur.peek() == "(" and not _names_entries(cur):
        options = _options(cur)
        cur.space()

    def entry() -> str:
        return entry_name(cur)

    entries = cur.items(entry) if cur.peek() == "(" else [entry()]
    cur.end()
    if len(entries) > ENTRIES:
        raise Bad("Too many entries", "LIMIT", "NO")
    return GetMetadata(tag, mailbox, tuple(dict.fromkeys(entries)), **options)


def _names_entries(cur: Cursor) -> bool:
    """Whether a list is one of entries: they begin with a slash or are strings."""
    return cur.text[cur.pos + 1 :].lstrip(" ")[:1] in ("/", '"', "\n", "")


def set_metadata(cur: Cursor, tag: str) -> SetMetadata:
    """``SETMETADATA mailbox (entry value …)``."""
    cur.space()
    mailbox = cur.mailbox()
    cur.space()

    def pair() -> tuple[str, bytes | None]:
        name = entry_name(cur)
        cur.space()
        return name, _value(cur)

    values = cur.items(pair)
    cur.end()
    if len(values) > ENTRIES:
        raise Bad("Too many entries", "LIMIT", "NO")
    return SetMetadata(tag, mailbox, tuple(values))


def _value(cur: Cursor) -> bytes | None:
    """``nstring / literal8``."""
    if cur.take("~\n"):
        cur.pos -= 1
        return cur.literal()
    if cur.peek() in ('"', "\n"):
        return cur.octets()
    if cur.word() != "NIL":
        raise Bad("Expected a string, a literal or NIL")
    return None


PARSERS: dict[str, Parser] = {"GETMETADATA": get_metadata, "SETMETADATA": set_metadata}
