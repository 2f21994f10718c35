"""All parsers by command name. ``append`` reads APPEND and REPLACE in pieces."""

from __future__ import annotations

from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse import (
    connection,
    fetch,
    filters,
    listing,
    mailbox,
    message,
    metadata,
    rights,
    search,
    session,
    sieve,
    sort,
)
from pillarbox.wire.imap.parse.base import Bare, Parser, bare

STREAMED = frozenset({"APPEND", "REPLACE", "UID REPLACE"})


def _no_message(_cur: Cursor, _tag: str) -> None:
    raise Bad("Missing message")


_FAMILIES = (
    session, mailbox, listing, message, fetch, search, sort, filters, metadata, rights, connection,
    sieve,
)  # fmt: skip

BARE: Bare = {
    **session.BARE, **mailbox.BARE, **message.BARE, **connection.BARE
}  # fmt: skip
"""The commands without arguments, which need no parser but their class."""

PARSERS: dict[str, Parser] = {
    **{name: bare(command) for name, command in BARE.items()},
    **{name: parser for family in _FAMILIES for name, parser in family.PARSERS.items()},
    **dict.fromkeys(STREAMED, _no_message),
}
