"""All parsers by command name. ``append`` reads APPEND and REPLACE in pieces."""

from __future__ import annotations

from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse import fetch, listing, mailbox, message, search, session
from pillarbox.wire.imap.parse.base import Parser

STREAMED = frozenset({"APPEND"})


def _no_message(_cur: Cursor, _tag: str) -> None:
    raise Bad("Missing message")


PARSERS: dict[str, Parser] = {
    name: parser
    for family in (session, mailbox, listing, message, fetch, search)
    for name, parser in family.PARSERS.items()
} | dict.fromkeys(STREAMED, _no_message)
