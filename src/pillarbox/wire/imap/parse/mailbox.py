"""Mailboxes as wholes: SELECT, CREATE, STATUS and their kin (RFC 9051 §6.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from pillarbox.wire.imap.commands import (
    Check,
    Close,
    Create,
    Delete,
    Namespace,
    Ranges,
    Rename,
    Resync,
    Select,
    Status,
    StatusAtt,
    Subscribe,
    Unselect,
    Unsubscribe,
)
from pillarbox.wire.imap.lex import MAX_NUMBER64, Bad, Cursor
from pillarbox.wire.imap.parse.base import Bare, Parser

STATUS_NEEDS = {
    "DELETED": ("QUOTA=RES-MESSAGE", "IMAP4rev2"),  # RFC 9208 §7, RFC 9051 §6.3.11
    "SIZE": ("STATUS=SIZE", "IMAP4rev2"),  # RFC 8438
    "HIGHESTMODSEQ": ("CONDSTORE",),  # RFC 7162 §3.1.7
    "APPENDLIMIT": ("APPENDLIMIT",),  # RFC 7889 §3.1
    "MAILBOXID": ("OBJECTID",),  # RFC 8474 §4.3
    "OBJECTID": ("OBJECTID+",),
    "DELETED-STORAGE": ("QUOTA=RES-STORAGE",),  # RFC 9208 §7
}
OBJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""RFC 8474 §4."""
_STATUS_LIST = re.compile(r"\([A-Za-z -]{1,200}\)")
"""All there is in a list of items that is well formed and not too long to be remembered."""
_STATUS = {att.value: att for att in StatusAtt}


def status_item(cur: Cursor) -> StatusAtt:
    """One STATUS item, of the protocol or of an extension that is offered."""
    word = cur.word()
    item = _STATUS.get(word)
    if item is None:
        raise Bad("Unknown STATUS item")
    if word in STATUS_NEEDS:
        cur.need_one(*STATUS_NEEDS[word])
    return item


def status_items(cur: Cursor) -> tuple[StatusAtt, ...]:
    """The parenthesised list, each item once."""
    found = _STATUS_LIST.match(cur.text, cur.pos)
    if found is None:
        return tuple(dict.fromkeys(cur.items(partial(status_item, cur))))
    cur.pos = found.end()
    return _status_items(found[0], cur.offers)


@lru_cache(1024)
def _status_items(text: str, offers: frozenset[str]) -> tuple[StatusAtt, ...]:
    """Remembered: clients ask for the same of every mailbox."""
    cur = Cursor(text, offers=offers)
    return tuple(dict.fromkeys(cur.items(partial(status_item, cur))))


def select(cur: Cursor, tag: str, *, examine: bool = False) -> Select:
    """``SELECT mailbox [(parameters)]``, and EXAMINE alike."""
    cur.space()
    command = Select(tag, cur.mailbox(), examine, supplied=cur.supplied)
    if cur.more():  # RFC 4466 §2.3
        cur.items(partial(_select_param, cur, command))
    cur.end()
    return command


def _select_param(cur: Cursor, command: Select) -> None:
    word = cur.word()
    if word == "CONDSTORE":
        cur.need("CONDSTORE")
    elif word == "QRESYNC":
        cur.need("QRESYNC")
        if command.resync is not None:
            raise Bad("QRESYNC is given twice")
        cur.space()
        command.resync = _resync(cur)
    elif word == "OBJECTID":
        cur.need("OBJECTID+")
        command.ids = _ids(cur)
        return
    else:
        raise Bad("Unknown SELECT parameter")
    command.condstore = True  # QRESYNC implies it (RFC 7162 §3.2.5)


def _ids(cur: Cursor) -> dict[str, str]:
    """``[SP "(" key SP id *(SP key SP id) ")"]``; keys that are not known yet are ignored."""
    if cur.text[cur.pos : cur.pos + 2] != " (":
        return {}
    cur.space()
    found: dict[str, str] = {}
    words = cur.items(cur.atom)
    if len(words) % 2:
        raise Bad("An identifier is missing")
    for key, value in zip(words[::2], words[1::2], strict=True):
        if not OBJECT_ID.fullmatch(value):
            raise Bad("That is no object identifier")
        found[key.upper()] = value
    return found


def _resync(cur: Cursor) -> Resync:
    """``( uidvalidity modseq [known-uids] [seq-match-data] )``, RFC 7162 §7."""
    cur.open()
    uidvalidity = cur.nz_number()
    cur.space()
    modseq = cur.nz_number(MAX_NUMBER64)
    known: Ranges | None = None
    match: tuple[Ranges, Ranges] | None = None
    while not cur.close():
        cur.space()
        if match is not None:
            raise Bad("Unexpected characters in QRESYNC")
        if cur.peek() == "(":
            cur.open()
            numbers = cur.ranges(star=False, saved=False)
            cur.space()
            if cur.uid_only:
                raise Bad("Message numbers are not used any more", "UIDREQUIRED")  # RFC 9586 §3
            match = numbers, cur.ranges(star=False, saved=False)
            if not cur.close():
                raise Bad("Expected ')'")
        elif known is None:
            known = cur.ranges(star=False, saved=False)
        else:
            raise Bad("Unexpected characters in QRESYNC")
    return Resync(uidvalidity, modseq, known, match)


def create(cur: Cursor, tag: str) -> Create:
    """``CREATE mailbox [(USE (attributes))]``."""
    cur.space()
    name = cur.mailbox()
    supplied = cur.supplied
    uses: tuple[str, ...] = ()
    if cur.more():
        cur.open()
        if cur.word() != "USE":
            raise Bad("Unknown CREATE parameter")
        cur.need("CREATE-SPECIAL-USE")  # RFC 6154 §3
        cur.space()
        uses = tuple(cur.items(cur.flag, empty=True))
        if not cur.close():
            raise Bad("Unknown CREATE parameter")
    cur.end()
    return Create(tag, name, uses, supplied)


def rename(cur: Cursor, tag: str) -> Rename:
    """``RENAME old new``."""
    cur.space()
    old = cur.mailbox()
    supplied = cur.supplied
    cur.space()
    new = cur.mailbox()
    if cur.supplied and not supplied:
        supplied = old
    cur.end()
    return Rename(tag, old, new, supplied)


def delete(cur: Cursor, tag: str) -> Delete:
    """``DELETE mailbox``."""
    cur.space()
    command = Delete(tag, cur.mailbox(), cur.supplied)
    cur.end()
    return command


def status(cur: Cursor, tag: str) -> Status:
    """``STATUS mailbox (items)``."""
    cur.space()
    name = cur.mailbox()
    cur.space()
    items = status_items(cur)
    cur.end()
    return Status(tag, name, items)


def named(command: Callable[[str, str], Any]) -> Parser:
    """The parser of a command whose one argument is a mailbox."""

    def parse(cur: Cursor, tag: str) -> Any:
        cur.space()
        name = cur.mailbox()
        cur.end()
        return command(tag, name)

    return parse


BARE: Bare = {"NAMESPACE": Namespace, "CHECK": Check, "CLOSE": Close, "UNSELECT": Unselect}

PARSERS: dict[str, Parser] = {
    "SELECT": select,
    "EXAMINE": partial(select, examine=True),
    "CREATE": create,
    "DELETE": delete,
    "RENAME": rename,
    "SUBSCRIBE": named(Subscribe),
    "UNSUBSCRIBE": named(Unsubscribe),
    "STATUS": status,
}
