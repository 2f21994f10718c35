"""SORT, THREAD and ESEARCH, which search and answer differently (RFC 5256, RFC 5267, RFC 7377)."""

from __future__ import annotations

from functools import partial

from pillarbox.wire.imap.commands import SearchReturn
from pillarbox.wire.imap.extensions import (
    CancelUpdate,
    MailboxFilter,
    MultiSearch,
    Sort,
    SortBy,
    SortKey,
    Thread,
)
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.filters import mailbox_filter
from pillarbox.wire.imap.parse.search import Reader, next_word, returns

KEYS = 20
"""Criteria of one SORT (a count): more than there are to combine."""
SOURCES = 100
"""Mailbox filters in one ESEARCH (a count)."""

_BY = {by.value: by for by in SortBy}
_NEEDS = {
    "DISPLAYFROM": "SORT=DISPLAY",
    "DISPLAYTO": "SORT=DISPLAY",
    "RELEVANCY": "SEARCH=FUZZY",
}


def _sort_key(cur: Cursor) -> SortKey:
    word = cur.word()
    reverse = word == "REVERSE"
    if reverse:
        cur.space()
        word = cur.word()
    by = _BY.get(word)
    if by is None:
        raise Bad("Unknown sort criterion")
    if word in _NEEDS:
        cur.need(_NEEDS[word])
    return SortKey(by, reverse)


def _criteria(cur: Cursor, reader: Reader) -> None:
    """``charset SP``, which SORT and THREAD always have."""
    reader.use_charset(cur.astring())
    cur.space()


def sort(cur: Cursor, tag: str, *, uid: bool = False) -> Sort:
    """``SORT [RETURN (options)] (criteria) charset keys``."""
    reader = Reader(cur)
    asked = None
    cur.space()
    if next_word(cur, "RETURN"):
        cur.need("ESORT")  # RFC 5267 §3
        cur.space()
        asked = returns(cur, "CONTEXT=SORT")
        cur.space()
    keys = cur.items(partial(_sort_key, cur))
    if len(keys) > KEYS:
        raise Bad("Too many sort criteria", "LIMIT", "NO")
    cur.space()
    _criteria(cur, reader)
    query = reader.program()
    cur.end()
    reader.check_relevancy(asked, sorted_by=any(key.by is SortBy.RELEVANCY for key in keys))
    return Sort(tag, uid, tuple(keys), query, asked, reader.modseq)


def thread(cur: Cursor, tag: str, *, uid: bool = False) -> Thread:
    """``THREAD algorithm charset keys``."""
    reader = Reader(cur)
    cur.space()
    algorithm = cur.word()
    cur.need(f"THREAD={algorithm}")
    cur.space()
    _criteria(cur, reader)
    query = reader.program()
    cur.end()
    return Thread(tag, uid, algorithm, query)


def multi_search(cur: Cursor, tag: str) -> MultiSearch:
    """``ESEARCH [IN (sources)] [RETURN (options)] [CHARSET name] keys`` (RFC 7377 §4)."""
    reader = Reader(cur)
    sources: tuple[MailboxFilter, ...] = ()
    asked = SearchReturn(all=True)
    cur.space()
    if next_word(cur, "IN"):
        cur.space()
        sources = _sources(cur)
        cur.space()
    if next_word(cur, "RETURN"):
        cur.space()
        asked = returns(cur)
        cur.space()
    if next_word(cur, "CHARSET"):
        if cur.one_charset:
            raise Bad("Strings are UTF-8 by ENABLE UTF8=ACCEPT")  # RFC 6855 §3
        cur.space()
        reader.use_charset(cur.astring())
        cur.space()
    query = reader.program()
    cur.end()
    reader.check_relevancy(asked)
    return MultiSearch(tag, sources, query, asked, reader.modseq)


def _sources(cur: Cursor) -> tuple[MailboxFilter, ...]:
    """``source-mbox [scope-options]``; no scope option exists, so none is known."""

    def source() -> MailboxFilter:
        if cur.peek() == "(":
            raise Bad("Unknown ESEARCH option")
        found = mailbox_filter(cur, subtree_one=True)
        if found.kind == "selected-delayed":
            raise Bad("SELECTED-DELAYED is for NOTIFY")  # RFC 7377 §4
        return found

    found = cur.items(source)
    if len(found) > SOURCES:
        raise Bad("Too many mailbox filters", "LIMIT", "NO")
    return tuple(found)


def cancel_update(cur: Cursor, tag: str) -> CancelUpdate:
    """``CANCELUPDATE`` and the quoted tags of searches (RFC 5267 §4.4)."""
    searches = []
    while cur.more():
        searches.append(cur.string())
    if not searches:
        raise Bad("Missing argument")
    cur.end()
    return CancelUpdate(tag, tuple(searches))


PARSERS: dict[str, Parser] = {
    "SORT": sort,
    "UID SORT": partial(sort, uid=True),
    "THREAD": thread,
    "UID THREAD": partial(thread, uid=True),
    "ESEARCH": multi_search,
    "CANCELUPDATE": cancel_update,
}
