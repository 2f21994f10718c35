"""FILTER: a Sieve script over messages that are here already (draft-bosch-imap-filter-sieve)."""

from __future__ import annotations

from functools import partial

from pillarbox.wire.imap.extensions import Filter, Rules
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.search import Reader, next_word

_KINDS = {kind.value: kind for kind in Rules}


def filter_(cur: Cursor, tag: str, *, uid: bool = False) -> Filter:
    """``FILTER SIEVE kind [argument] [CHARSET name] keys`` (§7)."""
    reader = Reader(cur)
    cur.space()
    if cur.word() != "SIEVE":
        raise Bad("Unknown type of filter")
    cur.space()
    rules = _KINDS.get(cur.word())
    if rules is None:
        raise Bad("Unknown filter specification")
    given = b""
    if rules is not Rules.DELIVERY:
        cur.space()
        given = cur.octets() if rules is Rules.SCRIPT else cur.astring().encode("utf-8", "replace")
    cur.space()
    if next_word(cur, "CHARSET"):
        if cur.one_charset:
            raise Bad("Strings are UTF-8 by ENABLE UTF8=ACCEPT")  # RFC 6855 §3
        cur.space()
        reader.use_charset(cur.astring())
        cur.space()
    query = reader.program()
    cur.end()
    return Filter(tag, uid, rules, given, query, reader.modseq)


PARSERS: dict[str, Parser] = {"FILTER": filter_, "UID FILTER": partial(filter_, uid=True)}
