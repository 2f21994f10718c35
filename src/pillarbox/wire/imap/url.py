"""IMAP URLs of messages and parts of them, as CATENATE names them (RFC 5092, RFC 4469 §3), with
``;PARTIAL=`` as URL-PARTIAL promises (RFC 5550).

Only relative ones: they mean mail of the user who is logged in, on this server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from pillarbox.model.mailbox import SEPARATOR, canonical_name
from pillarbox.wire.imap.commands import Section
from pillarbox.wire.imap.lex import MAX_NUMBER, MAX_NUMBER64
from pillarbox.wire.imap.parse.fetch import section

_NUMBER = "([1-9][0-9]{0,9})"
_URL = re.compile(
    rf"(?P<box>[^;?#]*)(?:;UIDVALIDITY={_NUMBER})?(?:/|(?<=/)|^);UID={_NUMBER}"
    r"(?:/;SECTION=(?P<section>[^;]+?))?(?:/;PARTIAL=([0-9]{1,19})(?:\.([1-9][0-9]{0,18}))?)?",
    re.IGNORECASE,
)
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """``uidvalidity`` 0 where the URL names none."""

    mailbox: str
    uidvalidity: int
    uid: int
    section: Section


def message_url(text: str, selected: str = "") -> MessageUrl | None:
    """The message or part that a relative URL means; None where it means none.

    ``selected``: name of the selected mailbox, which a URL may leave out or be relative to (RFC
    4469 §3, RFC 3986 §5.2); '' when there is none.
    """
    found = _URL.fullmatch(text)
    if found is None or _BAD_ESCAPE.search(text) or text.startswith("//"):
        return None
    box, validity, uid, part, first, length = found.groups()
    name = _mailbox(box, selected)
    where = section(_text(part) or "") if part is None or _text(part) else None
    if name is None or where is None or int(uid) > MAX_NUMBER:
        return None
    if first is not None:
        octets = min(int(length or MAX_NUMBER64), MAX_NUMBER64)
        where = Section(where.path, where.what, where.fields, (int(first), octets), True, b"")
    return MessageUrl(name, int(validity or 0), int(uid), where)


def _mailbox(path: str, selected: str) -> str | None:
    if path in ("", "/"):
        return selected or None
    spelt = _text(path.removeprefix("/").removesuffix("/"))
    if not spelt or ":" in path.partition("/")[0]:  # a scheme
        return None
    if not path.startswith("/") and SEPARATOR in selected:
        spelt = selected.rpartition(SEPARATOR)[0] + SEPARATOR + spelt
    return canonical_name(spelt)


def _text(escaped: str | None) -> str | None:
    if escaped is None:
        return None
    try:
        return unquote_to_bytes(escaped).decode("utf-8")
    except UnicodeDecodeError:
        return None
