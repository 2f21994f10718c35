"""NOTIFY, and the mailbox filters it shares with ESEARCH (RFC 5465 §8, RFC 7377 §4)."""

from __future__ import annotations

from functools import partial

from pillarbox.wire.imap.commands import FetchItem
from pillarbox.wire.imap.extensions import EventGroup, MailboxFilter, Notify
from pillarbox.wire.imap.lex import Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.fetch import fetch_list

MESSAGE_EVENTS = ("MessageNew", "MessageExpunge", "FlagChange", "AnnotationChange")
OTHER_EVENTS = (
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
)
GROUPS = 100
"""Event groups in one NOTIFY (a count)."""
NAMES = 1_000
"""Mailboxes in one filter (a count)."""

_EVENTS = {name.upper(): name for name in (*MESSAGE_EVENTS, *OTHER_EVENTS)}
_SELECTED = frozenset({"selected", "selected-delayed"})
_ALONE = _SELECTED | {"inboxes", "personal", "subscribed"}


def mailbox_filter(cur: Cursor, *, subtree_one: bool = False) -> MailboxFilter:
    """``filter-mailboxes``; ``subtree_one``: RFC 7377's addition is known too."""
    kind = cur.atom().lower()
    if kind in _ALONE:
        return MailboxFilter(kind)
    if kind not in ("subtree", "mailboxes") and not (subtree_one and kind == "subtree-one"):
        raise Bad("Unknown mailbox filter")
    cur.space()
    names = cur.items(cur.mailbox) if cur.peek() == "(" else [cur.mailbox()]
    if len(names) > NAMES:
        raise Bad("Too many mailboxes", "LIMIT", "NO")
    return MailboxFilter(kind, tuple(dict.fromkeys(names)))


def notify(cur: Cursor, tag: str) -> Notify:
    """``NOTIFY NONE`` or ``NOTIFY SET [STATUS] groups``."""
    cur.space()
    word = cur.word()
    if word == "NONE":
        cur.end()
        return Notify(tag, None)
    if word != "SET":
        raise Bad("Expected SET or NONE")
    cur.space()
    status = cur.peek() != "("
    if status:
        if cur.word() != "STATUS":
            raise Bad("Expected STATUS or an event group")
        cur.space()
    groups = [_group(cur)]
    while cur.more():
        groups.append(_group(cur))
    cur.end()
    if len(groups) > GROUPS:
        raise Bad("Too many event groups", "LIMIT", "NO")
    if sum(group.mailboxes.kind in _SELECTED for group in groups) > 1:
        raise Bad("The selected mailbox is named twice")  # RFC 5465 §8
    return Notify(tag, tuple(groups), status)


def _group(cur: Cursor) -> EventGroup:
    cur.open()
    mailboxes = mailbox_filter(cur)
    cur.space()
    if cur.peek() == "(":
        read: list[tuple[str, tuple[FetchItem, ...]]] = cur.items(partial(_event, cur))
        events = frozenset(name for name, _ in read)
        items = next((items for _, items in read if items), ())
    elif cur.word() == "NONE":
        events, items = frozenset[str](), ()
    else:
        raise Bad("Expected events or NONE")
    if not cur.close():
        raise Bad("Expected ')'")
    _check(mailboxes, events, bool(items))
    return EventGroup(mailboxes, events, items)


def _event(cur: Cursor) -> tuple[str, tuple[FetchItem, ...]]:
    name = _EVENTS.get(cur.word())
    if name is None:
        raise Bad("Unknown event", f"BADEVENT ({' '.join(_EVENTS.values())})", "NO")
    if name == "MessageNew" and cur.text.startswith(" (", cur.pos):
        cur.space()
        return name, fetch_list(cur)
    return name, ()


def _check(mailboxes: MailboxFilter, events: frozenset[str], items: bool) -> None:
    """The rules that the grammar only tells in comments (RFC 5465 §5, §8)."""
    selected = mailboxes.kind in _SELECTED
    if ("MessageNew" in events) != ("MessageExpunge" in events):
        raise Bad("MessageNew and MessageExpunge go together")
    if events & {"FlagChange", "AnnotationChange"} and "MessageNew" not in events:
        raise Bad("FlagChange needs MessageNew and MessageExpunge")
    if selected and events - set(MESSAGE_EVENTS):
        raise Bad("Only message events are for the selected mailbox")
    if items and not selected:
        raise Bad("Items are fetched in the selected mailbox only")


PARSERS: dict[str, Parser] = {"NOTIFY": notify}
