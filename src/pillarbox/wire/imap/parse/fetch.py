"""FETCH: items, sections, partials and modifiers (RFC 9051 §6.4.5).

Clients ask for the same few item lists over and over, so what stands behind the message set is
parsed once and remembered; it is a value without references to the session.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, partial

from pillarbox.wire.imap.commands import Binary, BinarySize, Fetch, FetchAtt, FetchItem, Preview
from pillarbox.wire.imap.commands import Section as SectionItem
from pillarbox.wire.imap.lex import CACHED, MAX_NUMBER, MAX_NUMBER64, Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.quirks import CHANGEDSINCE_ZERO, partial_label

ITEMS = 1_000
"""Items in one FETCH (a count)."""
PATH = 100
"""Numbers in one section path."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9.]*")
_PATH = re.compile(r"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*")
_FIELD = re.compile(r"[!-9;-~]+\Z")  # RFC 5322 §3.6.8: printable, no colon
_BARE_FIELD = re.compile(r"[!#$&'+,\-./0-9;<=>?@A-Z\[\]^_`a-z|}~]+\Z")

_ATTS = {att.value: att for att in FetchAtt}
_NEEDS = {
    "MODSEQ": "CONDSTORE",  # RFC 7162 §3.1.5
    "EMAILID": "OBJECTID",  # RFC 8474 §5
    "THREADID": "OBJECTID",
    "SAVEDATE": "SAVEDATE",  # RFC 8514 §4.2
    "OBJECTID": "OBJECTID+",
}
_RFC822 = {  # RFC 3501 §6.4.5
    "RFC822": SectionItem((), "", (), None, False, b"RFC822"),
    "RFC822.HEADER": SectionItem((), "HEADER", (), None, True, b"RFC822.HEADER"),
    "RFC822.TEXT": SectionItem((), "TEXT", (), None, False, b"RFC822.TEXT"),
}
_FAST = (FetchAtt.FLAGS, FetchAtt.INTERNALDATE, FetchAtt.SIZE)
_MACROS: dict[str, tuple[FetchItem, ...]] = {
    "ALL": (*_FAST, FetchAtt.ENVELOPE),
    "FAST": _FAST,
    "FULL": (*_FAST, FetchAtt.ENVELOPE, FetchAtt.BODY),
}


@dataclass(slots=True)
class _Tail:
    """What follows the message set."""

    items: tuple[FetchItem, ...]
    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


def fetch(cur: Cursor, tag: str, *, uid: bool = False) -> Fetch:
    """``FETCH set items [modifiers]``."""
    cur.space()
    ranges = cur.ranges()
    cur.space()
    if len(cur.text) - cur.pos <= CACHED and "\n" not in cur.text:
        tail = _known_tail(cur.text[cur.pos :], uid, cur.offers)
    else:
        tail = _tail(cur, uid)
    return Fetch(tag, uid, ranges, tail.items, tail.changed_since, tail.vanished, tail.partial)


@lru_cache(512)
def _known_tail(text: str, uid: bool, offers: frozenset[str]) -> _Tail:
    return _tail(Cursor(text, offers=offers), uid)


def _tail(cur: Cursor, uid: bool) -> _Tail:
    items = _items(cur)
    if uid and FetchAtt.UID not in items:
        items = (FetchAtt.UID, *items)  # RFC 9051 §6.4.9
    tail = _Tail(items)
    if cur.more():  # RFC 4466 §2.5
        seen = cur.items(partial(_modifier, cur, uid, tail))
        if len(set(seen)) < len(seen):
            raise Bad("A FETCH modifier is given twice")
    cur.end()
    if tail.vanished and tail.changed_since is None:
        raise Bad("VANISHED needs CHANGEDSINCE")  # RFC 7162 §3.2.6
    if tail.changed_since is not None and FetchAtt.MODSEQ not in tail.items:
        tail.items = (*tail.items, FetchAtt.MODSEQ)  # RFC 7162 §3.1.4.1
    return tail


def _modifier(cur: Cursor, uid: bool, tail: _Tail) -> str:
    word = cur.word()
    if word == "CHANGEDSINCE":
        cur.need("CONDSTORE")
        cur.space()
        tail.changed_since = max(cur.modseq(), CHANGEDSINCE_ZERO)
    elif word == "VANISHED":
        cur.need("QRESYNC")
        if not uid:
            raise Bad("VANISHED is for UID FETCH only")  # RFC 7162 §3.2.6
        tail.vanished = True
    elif word == "PARTIAL":
        cur.need("PARTIAL")
        if not uid:
            raise Bad("PARTIAL is for UID FETCH only")  # RFC 9394 §3.4
        cur.space()
        tail.partial = partial_range(cur)
    else:
        raise Bad("Unknown FETCH modifier")
    return word


def partial_range(cur: Cursor) -> tuple[int, int]:
    """``1:100``, or ``-1:-100`` counted from the end (RFC 9394 §4)."""
    back = cur.take("-")
    first = cur.nz_number()
    cur.expect(":-" if back else ":")
    last = cur.nz_number()
    first, last = min(first, last), max(first, last)
    return (-first, -last) if back else (first, last)


def fetch_list(cur: Cursor) -> tuple[FetchItem, ...]:
    """``( fetch-att SP … )`` where there are no macros (NOTIFY, UPDATE)."""
    items = cur.items(partial(_item, cur))
    if len(items) > ITEMS:
        raise Bad("Too many FETCH items", "LIMIT", "NO")
    return tuple(dict.fromkeys(items))


def _items(cur: Cursor) -> tuple[FetchItem, ...]:
    if cur.peek() == "(":
        return fetch_list(cur)
    found = _WORD.match(cur.text, cur.pos)
    macro = _MACROS.get(found[0].upper()) if found is not None else None
    if found is not None and macro is not None:
        cur.pos = found.end()
        return macro
    return (_item(cur),)


def _item(cur: Cursor) -> FetchItem:
    found = _WORD.match(cur.text, cur.pos)
    if found is None:
        raise Bad("Expected a FETCH item")
    word = found[0].upper()
    cur.pos = found.end()
    if cur.peek() == "[":
        if word in ("BODY", "BODY.PEEK"):
            return _section(cur, word == "BODY.PEEK")
        if word in ("BINARY", "BINARY.PEEK", "BINARY.SIZE"):
            cur.need("BINARY")
            return _binary(cur, word)
        raise Bad("Unknown FETCH item")
    if word in _RFC822:
        return _RFC822[word]
    if word == "PREVIEW":
        return _preview(cur)
    att = _ATTS.get(word)
    if att is None:
        raise Bad("Unknown FETCH item")
    if word in _NEEDS:
        cur.need(_NEEDS[word])
    return att


def _preview(cur: Cursor) -> Preview:
    cur.need("PREVIEW")
    if not cur.text.startswith(" (", cur.pos):
        return Preview(lazy=False)
    cur.space()
    modifiers = cur.items(cur.word)
    if modifiers != ["LAZY"]:
        raise Bad("Unknown PREVIEW modifier")  # RFC 8970 §6
    return Preview(lazy=True)


def _path(cur: Cursor) -> tuple[tuple[int, ...], str]:
    """``section-part`` and its spelling; () and '' when there is none."""
    found = _PATH.match(cur.text, cur.pos)
    if found is None:
        return (), ""
    path = tuple(map(int, found[0].split(".")))
    if len(path) > PATH or max(path) > MAX_NUMBER:
        raise Bad("There is no such section")
    cur.pos = found.end()
    return path, found[0]


def _section(cur: Cursor, peek: bool) -> SectionItem:
    cur.expect("[")
    path, spelt = _path(cur)
    what = ""
    fields: tuple[str, ...] = ()
    if not path or cur.take("."):
        found = _WORD.match(cur.text, cur.pos)
        if found is not None:
            what = found[0].upper()
            cur.pos = found.end()
        elif path:
            raise Bad("The section is not well formed")
    if what in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        cur.space()
        fields = tuple(cur.items(partial(_field, cur)))
    elif what not in ("", "HEADER", "TEXT") and not (what == "MIME" and path):
        raise Bad("The section is not well formed")
    cur.expect("]")
    part = _partial(cur)
    label = "BODY[" + ".".join(filter(None, (spelt, what)))
    if fields:
        label += " (" + " ".join(map(_spell, fields)) + ")"
    return SectionItem(path, what, fields, part, peek, partial_label(label + "]", part))


def section(text: str) -> SectionItem | None:
    """What stands between the brackets of BODY[…]; None where it is no section."""
    try:
        cur = Cursor(f"[{text}]")
        found = _section(cur, peek=True)
        cur.end()
    except Bad:
        return None
    return found


def _field(cur: Cursor) -> str:
    name = cur.astring()
    if _FIELD.match(name) is None:
        raise Bad("There is no such header field")
    return name


def _spell(field: str) -> str:
    """A field name as astring; it goes back to the client in the response."""
    if _BARE_FIELD.match(field):
        return field
    return '"' + field.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _partial(cur: Cursor) -> tuple[int, int] | None:
    if not cur.take("<"):
        return None
    first = cur.number(MAX_NUMBER64)
    cur.expect(".")
    length = cur.nz_number(MAX_NUMBER64)
    cur.expect(">")
    return first, length


def _binary(cur: Cursor, word: str) -> Binary | BinarySize:
    cur.expect("[")
    path, spelt = _path(cur)
    cur.expect("]")
    if word == "BINARY.SIZE":
        return BinarySize(path, f"BINARY.SIZE[{spelt}]".encode("ascii"))
    part = _partial(cur)
    return Binary(path, part, word == "BINARY.PEEK", partial_label(f"BINARY[{spelt}]", part))


PARSERS: dict[str, Parser] = {"FETCH": fetch, "UID FETCH": partial(fetch, uid=True)}
