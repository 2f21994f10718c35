"""A search that stands by itself: the value of a filter (RFC 5466 §3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pillarbox.model import query as q
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.limits import DEFAULT, Limits
from pillarbox.wire.imap.parse.search import Reader

_NAME = re.compile(r'[^\x00-\x20(){%*"\\\]/\x7f-\U0010ffff]+\Z')


@dataclass(frozen=True, slots=True)
class Criteria:
    """``modseq``: there is a MODSEQ key. ``keys``: how many search keys there are."""

    query: q.Query
    modseq: bool
    keys: int


def criteria(value: bytes, offers: frozenset[str], limits: Limits = DEFAULT) -> Criteria:
    """Read ``search-criteria`` in UTF-8, complete; raises Bad.

    Literals have no place in it, for there is nobody to send them.
    """
    try:
        text = value.decode("utf-8")
    except ValueError:
        raise Bad("Filters are in UTF-8") from None
    if "\n" in text or "\r" in text:
        raise Bad("A search is one line")
    cursor = Cursor(text, offers=offers, limits=limits)
    reader = Reader(cursor)
    query = reader.program()
    cursor.end()
    return Criteria(query, reader.modseq, reader.count)


def is_filter_name(name: str) -> bool:
    """``filter-name`` (RFC 5466 §4)."""
    return _NAME.match(name) is not None
