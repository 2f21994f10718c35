"""SEARCH: the query tree, RETURN options and charsets (RFC 9051 §6.4.4)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import partial

from pillarbox.model import query as q
from pillarbox.model.flags import is_keyword
from pillarbox.wire.imap.commands import SAVED_RESULT, FetchItem, Search, SearchReturn
from pillarbox.wire.imap.lex import MAX_NUMBER, MAX_NUMBER64, Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.dates import date
from pillarbox.wire.imap.parse.fetch import fetch_list, partial_range
from pillarbox.wire.imap.quirks import quoted_keyword

CHARSETS = {
    "US-ASCII": "ascii",
    "UTF-8": "utf-8",
    **{f"ISO-8859-{n}": f"iso8859-{n}" for n in (*range(1, 12), 13, 14, 15, 16)},
    **{f"WINDOWS-{n}": f"cp{n}" for n in range(1250, 1259)},
    "KOI8-R": "koi8-r",
    "KOI8-U": "koi8-u",
    "ISO-2022-JP": "iso2022-jp",
    "SHIFT_JIS": "shift-jis",
    "EUC-JP": "euc-jp",
    "EUC-KR": "euc-kr",
    "BIG5": "big5",
    "GB2312": "gb2312",
    "GBK": "gbk",
    "GB18030": "gb18030",
}
_OBJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")  # RFC 8474 §7

_SIMPLE: dict[str, q.Query] = {
    "ALL": q.All(),
    **{
        key: query
        for name in ("Answered", "Deleted", "Draft", "Flagged", "Seen")
        for key, query in (
            (name.upper(), q.Flag("\\" + name)),
            ("UN" + name.upper(), q.Not(q.Flag("\\" + name))),
        )
    },
    "RECENT": q.Flag("\\Recent"),  # RFC 3501 §6.4.4, as OLD and NEW
    "OLD": q.Not(q.Flag("\\Recent")),
    "NEW": q.And((q.Flag("\\Recent"), q.Not(q.Flag("\\Seen")))),
}


class Reader:
    """One search program being read: the cursor, the charset, and what the keys have in common."""

    __slots__ = ("any_fuzzy", "charset", "count", "cur", "fuzzy", "modseq")

    def __init__(self, cur: Cursor) -> None:
        self.cur = cur
        self.charset = "utf-8"
        self.count = 0
        self.fuzzy = False
        self.any_fuzzy = False
        self.modseq = False

    def use_charset(self, name: str) -> None:
        codec = CHARSETS.get(name.upper())
        if codec is None:
            raise Bad("Unknown charset", f"BADCHARSET ({' '.join(CHARSETS)})", "NO")
        self.charset = codec

    def program(self) -> q.Query:
        """``search-key *(SP search-key)`` up to the end of the command."""
        keys = [self.key()]
        while self.cur.more():
            keys.append(self.key())
        return _all_of(keys)

    def key(self) -> q.Query:
        cur = self.cur
        self.count += 1
        if self.count > cur.limits.keys:
            raise Bad("Too many search keys", "LIMIT", "NO")
        first = cur.peek()
        if first == "(":
            return _all_of(cur.items(self.key))
        if first.isdigit() or first in ("*", "$"):
            ranges = cur.ranges()
            if ranges == SAVED_RESULT:
                return q.Saved()
            if cur.uid_only:
                raise Bad("Message numbers are not used any more", "UIDREQUIRED")  # RFC 9586 §3
            return q.Sequence(ranges)
        word = cur.word()
        simple = _SIMPLE.get(word)
        if simple is not None:
            return simple
        read = _KEYS.get(word)
        if read is None:
            raise Bad("Unknown search key")
        return read(self)

    def nested(self) -> q.Query:
        """A key inside NOT, OR or FUZZY."""
        self.cur.space()
        self.cur.deeper()
        inner = self.key()
        self.cur.depth -= 1
        return inner

    def text(self) -> str:
        """SP and a string in the search's charset."""
        self.cur.space()
        octets = self.cur.octets()
        try:
            return octets.decode(self.charset)
        except ValueError:
            raise Bad("A string is not in the charset of the search") from None

    def check_relevancy(self, asked: SearchReturn | None, *, sorted_by: bool = False) -> None:
        """Relevancy MUST NOT be asked for without a FUZZY key (RFC 6203 §4, §6)."""
        if (sorted_by or (asked and asked.relevancy)) and not self.any_fuzzy:
            raise Bad("RELEVANCY needs a FUZZY search key")

    def date(self) -> datetime.date:
        self.cur.space()
        return date(self.cur)

    def number(self) -> int:
        self.cur.space()
        return self.cur.number(MAX_NUMBER64)


def _all_of(keys: list[q.Query]) -> q.Query:
    return keys[0] if len(keys) == 1 else q.And(tuple(keys))


def _header(name: str) -> Callable[[Reader], q.Query]:
    return lambda reader: q.Header(name, reader.text(), reader.fuzzy)


def _any_header(reader: Reader) -> q.Query:
    reader.cur.space()
    name = reader.cur.astring()
    return q.Header(name, reader.text(), reader.fuzzy)


def _text(scope: str) -> Callable[[Reader], q.Query]:
    return lambda reader: q.Text(scope, reader.text(), reader.fuzzy)


def _before(which: str, need: str = "") -> Callable[[Reader], q.Query]:
    def read(reader: Reader) -> q.Query:
        if need:
            reader.cur.need(need)
        return q.DateRange(which, before=reader.date())

    return read


def _since(which: str, need: str = "") -> Callable[[Reader], q.Query]:
    def read(reader: Reader) -> q.Query:
        if need:
            reader.cur.need(need)
        return q.DateRange(which, since=reader.date())

    return read


def _on(which: str, need: str = "") -> Callable[[Reader], q.Query]:
    def read(reader: Reader) -> q.Query:
        if need:
            reader.cur.need(need)
        day = reader.date()
        if day == datetime.date.max:
            return q.DateRange(which, since=day)
        return q.DateRange(which, since=day, before=day + datetime.timedelta(days=1))

    return read


def _keyword(reader: Reader) -> q.Query:
    cur = reader.cur
    cur.space()
    name = cur.string() if quoted_keyword(cur.peek()) else cur.atom()
    if not is_keyword(name):
        raise Bad("There is no such keyword")
    return q.Flag(name)


def _uid(reader: Reader) -> q.Query:
    reader.cur.space()
    ranges = reader.cur.ranges()
    return q.Saved() if ranges == SAVED_RESULT else q.Uid(ranges)


def _uid_after(reader: Reader) -> q.Query:
    """RFC 9738 §3.2."""
    reader.cur.need("MESSAGELIMIT")
    reader.cur.space()
    uid = reader.cur.nz_number()
    return q.Uid(((uid + 1, MAX_NUMBER),)) if uid < MAX_NUMBER else q.Not(q.All())


def _uid_before(reader: Reader) -> q.Query:
    reader.cur.need("MESSAGELIMIT")
    reader.cur.space()
    uid = reader.cur.nz_number()
    return q.Uid(((1, uid - 1),)) if uid > 1 else q.Not(q.All())


def _or(reader: Reader) -> q.Query:
    first = reader.nested()
    return q.Or((first, reader.nested()))


def _within(younger: bool) -> Callable[[Reader], q.Query]:
    def read(reader: Reader) -> q.Query:
        reader.cur.need("WITHIN")
        reader.cur.space()
        return q.Within(reader.cur.nz_number(), younger)

    return read


def _modseq(reader: Reader) -> q.Query:
    """``MODSEQ [entry-name entry-type] n``: flags share one modseq here, so the entry is read
    and dropped, as RFC 7162 §3.1.5 allows."""
    cur = reader.cur
    cur.need("CONDSTORE")
    cur.space()
    if cur.peek() == '"':
        if not cur.string().startswith("/flags/"):
            raise Bad("Unknown metadata entry")
        cur.space()
        if cur.word() not in ("PRIV", "SHARED", "ALL"):
            raise Bad("Unknown metadata entry type")
        cur.space()
    reader.modseq = True
    return q.ModSeq(cur.modseq())


def _object_id(kind: str) -> Callable[[Reader], q.Query]:
    def read(reader: Reader) -> q.Query:
        reader.cur.need_one("OBJECTID", "OBJECTID+")
        reader.cur.space()
        value = reader.cur.astring()
        if not _OBJECT_ID.match(value):
            raise Bad("There is no such object id")
        return q.ObjectId(kind, value)

    return read


def _save_date_supported(reader: Reader) -> q.Query:
    reader.cur.need("SAVEDATE")
    return q.SaveDateSupported()


def _filter(reader: Reader) -> q.Query:
    reader.cur.need("FILTERS")
    if reader.charset not in ("utf-8", "ascii"):  # RFC 5466 §3.1
        raise Bad("Filters are in UTF-8", "BADCHARSET (UTF-8 US-ASCII)")
    reader.cur.space()
    name = reader.cur.atom()
    if "/" in name:
        raise Bad("There is no such filter")  # RFC 5466 §4
    return q.Filter(name)


def _fuzzy(reader: Reader) -> q.Query:
    """RFC 6203 §3: the key behind it may match approximately; only text and headers can."""
    reader.cur.need("SEARCH=FUZZY")
    before, reader.fuzzy = reader.fuzzy, True
    reader.any_fuzzy = True
    inner = reader.nested()
    reader.fuzzy = before
    return inner


_KEYS: dict[str, Callable[[Reader], q.Query]] = {
    **{name.upper(): _header(name) for name in ("From", "To", "Cc", "Bcc", "Subject")},
    "UIDAFTER": _uid_after,
    "UIDBEFORE": _uid_before,
    "HEADER": _any_header,
    "BODY": _text("body"),
    "TEXT": _text("text"),
    "BEFORE": _before("internal"),
    "ON": _on("internal"),
    "SINCE": _since("internal"),
    "SENTBEFORE": _before("sent"),
    "SENTON": _on("sent"),
    "SENTSINCE": _since("sent"),
    "SAVEDBEFORE": _before("saved", "SAVEDATE"),  # RFC 8514 §4.3
    "SAVEDON": _on("saved", "SAVEDATE"),
    "SAVEDSINCE": _since("saved", "SAVEDATE"),
    "SAVEDATESUPPORTED": _save_date_supported,
    "LARGER": lambda reader: q.Size(larger=reader.number()),
    "SMALLER": lambda reader: q.Size(smaller=reader.number()),
    "KEYWORD": _keyword,
    "UNKEYWORD": lambda reader: q.Not(_keyword(reader)),
    "UID": _uid,
    "NOT": lambda reader: q.Not(reader.nested()),
    "OR": _or,
    "OLDER": _within(False),  # RFC 5032 §2
    "YOUNGER": _within(True),
    "MODSEQ": _modseq,
    "EMAILID": _object_id("email"),  # RFC 8474 §6
    "THREADID": _object_id("thread"),
    "FILTER": _filter,  # RFC 5466 §3.1
    "FUZZY": _fuzzy,
}

_RETURNS = {  # option to the capability it needs
    "MIN": "ESEARCH",  # RFC 4731 §3.1
    "MAX": "ESEARCH",
    "ALL": "ESEARCH",
    "COUNT": "ESEARCH",
    "SAVE": "SEARCHRES",  # RFC 5182 §2.1
    "RELEVANCY": "SEARCH=FUZZY",  # RFC 6203 §4
    "UPDATE": "",  # RFC 5267 §4.3
    "CONTEXT": "",
}


def returns(cur: Cursor, context: str = "CONTEXT=SEARCH") -> SearchReturn:
    """The list behind RETURN; ``context`` is the capability that brings UPDATE and CONTEXT."""
    asked: dict[str, bool] = {}
    items: list[FetchItem] = []
    windows: list[tuple[int, int]] = []

    def option() -> None:
        word = cur.word()
        if word == "PARTIAL":
            if context not in cur.offers:
                cur.need("PARTIAL")
            cur.space()
            windows.append(partial_range(cur))
            return
        need = _RETURNS.get(word)
        if need is None:
            raise Bad("Unknown SEARCH return option")
        cur.need(need or context)
        asked[word.lower()] = True
        if word == "UPDATE" and cur.text.startswith(("(", " ("), cur.pos):
            cur.take(" ")  # RFC 5465 §8 has none, the example of §7 has one
            items.extend(fetch_list(cur))

    cur.need("ESEARCH")
    cur.items(option, empty=True)
    if len(windows) > 1 or (windows and "all" in asked):
        raise Bad("PARTIAL is allowed once, and not beside ALL")  # RFC 9394 §3.1
    if not windows and not asked.keys() - {"update", "context", "relevancy"}:
        asked["all"] = True  # RFC 4731 §3.1, RFC 5267 §4.3
    window = windows[0] if windows else None
    return SearchReturn(**asked, partial=window, update_items=tuple(items))


def search(cur: Cursor, tag: str, *, uid: bool = False) -> Search:
    """``SEARCH [RETURN (options)] [CHARSET name] keys``."""
    reader = Reader(cur)
    asked = None
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
    return Search(tag, uid, query, asked, reader.modseq)


def next_word(cur: Cursor, word: str) -> bool:
    """Step over a keyword that another argument follows."""
    end = cur.pos + len(word)
    if cur.text[cur.pos : end].upper() == word and cur.text[end : end + 1] == " ":
        cur.pos = end
        return True
    return False


PARSERS: dict[str, Parser] = {"SEARCH": search, "UID SEARCH": partial(search, uid=True)}
