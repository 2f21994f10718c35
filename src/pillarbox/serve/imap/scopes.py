"""Which mailboxes a filter of NOTIFY or ESEARCH means (RFC 5465 §6, RFC 7377 §2.2). Pure."""

from __future__ import annotations

from pillarbox.model.mailbox import INBOX, SEPARATOR
from pillarbox.wire.imap.extensions import MailboxFilter


def covers(
    source: MailboxFilter, name: str, *, own: bool, subscribed: bool, selected: bool
) -> bool:
    """True when the mailbox that the user calls ``name`` is among those meant; ``own``: it is no
    other user's."""
    match source.kind:
        case "selected" | "selected-delayed":
            return selected
        case "personal":
            return own
        case "inboxes":  # where mail is delivered without being sorted by the user
            return own and name == INBOX
        case "subscribed":
            return subscribed
        case "mailboxes":
            return name in source.names
        case _:
            return any(_is_below(name, top, source.kind) for top in source.names)


def _is_below(name: str, top: str, kind: str) -> bool:
    if name == top:
        return True
    if not name.startswith(top + SEPARATOR):
        return False
    return kind == "subtree" or SEPARATOR not in name[len(top) + 1 :]
