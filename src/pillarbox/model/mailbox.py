"""Mailbox names, attributes and the row that describes a mailbox.

Names are Unicode strings with ``/`` between levels; modified UTF-7 exists only on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.base.swift import swift

SEPARATOR = "/"
INBOX = "INBOX"
MAX_NAME_BYTES = 1000
"""Of the UTF-8 form; RFC 9051 has no limit, file systems and clients do."""
MAX_DEPTH = 50

SPECIAL_USES = (  # RFC 6154 §2, RFC 8457 §3
    "\\All",
    "\\Archive",
    "\\Drafts",
    "\\Flagged",
    "\\Important",
    "\\Junk",
    "\\Sent",
    "\\Trash",
)

JUNK_USE = "\\Junk"

DEFAULT_MAILBOXES = (  # what a new account finds, with the use clients look for
    (INBOX, ""),
    ("Archive", "\\Archive"),
    ("Drafts", "\\Drafts"),
    ("Junk", "\\Junk"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
)


@swift
@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox as the store knows it at one modseq.

    Counters are kept in the row so that STATUS never counts. ``size`` is in octets of RFC822.
    """

    account: int
    id: int
    name: str
    uidvalidity: int
    uidnext: int
    highest_modseq: int
    """Largest modseq of any change in the mailbox (RFC 7162 §3.1.2.1), expunges included."""
    created_modseq: int
    recent_uid: int
    """UIDs from here on have not been shown to any session as \\Recent (RFC 3501 §2.3.2)."""
    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    size: int = 0
    subscribed: bool = False
    special_use: str = ""
    keywords: tuple[str, ...] = ()
    object_id: str = ""
    """MAILBOXID (RFC 8474 §4): survives a rename."""


def canonical_name(name: str) -> str:
    """INBOX in any case is INBOX, also as first level (RFC 9051 §5.1)."""
    head, found, tail = name.partition(SEPARATOR)
    if head.upper() == INBOX:
        return INBOX + found + tail
    return name


def name_defect(name: str) -> str | None:
    """Why ``name`` cannot be a mailbox, in words for the client; None when it can."""
    if not name:
        return "the name is empty"
    if any(ord(c) < 32 or ord(c) == 127 or 0x80 <= ord(c) < 0xA0 for c in name):
        return "control characters are not allowed"
    if any(0xD800 <= ord(c) < 0xE000 for c in name):
        return "the name is not valid Unicode"
    if "%" in name or "*" in name:
        return "the wildcards % and * are not allowed"
    levels = name.split(SEPARATOR)
    if "" in levels:
        return "there is an empty level between separators"
    if "." in levels or ".." in levels:
        return "a level may not be . or .."
    if len(levels) > MAX_DEPTH:
        return f"more than {MAX_DEPTH} levels"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"the name is longer than {MAX_NAME_BYTES} bytes"
    return None


def parents(name: str) -> list[str]:
    """Every name above this one, outermost first: ``a/b/c`` gives ``a``, ``a/b``."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]
