"""``mailto:`` URIs (RFC 6068) as a way to notify somebody (RFC 5436). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from pillarbox.sieve.extensions.fields import NAME

_MOST_ADDRESSES = 8
_MOST_FIELDS = 20
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URI = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*")
IGNORED = frozenset(
    {
        *("from", "to", "cc", "bcc", "subject", "body", "sender", "date", "message-id", "received"),
        *("auto-submitted", "return-path", "dkim-signature", "mime-version", "content-type"),
        *("content-transfer-encoding", "content-disposition"),
        *("resent-from", "resent-to", "resent-date", "resent-message-id"),
    }
)
"""Fields of a URI that are read apart, or that a notice must not take from it (RFC 5436 §2.7)."""


@dataclass(frozen=True, slots=True)
class Mailto:
    """``to``, ``cc``: addresses. ``fields``: further header fields, harmless ones only."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""
    fields: tuple[tuple[str, str], ...] = ()


def mailto(uri: str) -> Mailto:
    """Read a URI. ValueError says what is wrong with it."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        raise ValueError(f'"{scheme}" is no method of notification here')
    if not _URI.fullmatch(rest) or _BAD_PERCENT.search(rest):
        raise ValueError("this is no URI")
    path, _, query = rest.partition("?")
    to = _addresses(path.split(","))
    cc: list[str] = []
    known = {"subject": "", "body": ""}
    fields: list[tuple[str, str]] = []
    for pair in query.split("&") if query else ():
        name, equals, value = pair.partition("=")
        name, text = _text(name), _text(value)
        if not equals or not NAME.fullmatch(name):
            raise ValueError("this is no mailto URI")
        if name.lower() == "to":
            to += _addresses(value.split(","))
        elif name.lower() == "cc":
            cc += _addresses(value.split(","))
        elif name.lower() in known:
            known[name.lower()] = text
        elif name.lower() not in IGNORED:
            fields.append((name[:1].upper() + name[1:], text))
    if not to and not cc:
        raise ValueError("a mailto URI names somebody")
    if len(to) + len(cc) > _MOST_ADDRESSES or len(fields) > _MOST_FIELDS:
        raise ValueError("a mailto URI names too many")
    return Mailto(tuple(to), tuple(cc), known["subject"], known["body"], tuple(fields))


def _text(part: str) -> str:
    return unquote_to_bytes(part).decode("utf-8", "replace")


def _addresses(parts: list[str]) -> list[str]:
    found = [_text(part).strip() for part in parts]
    for one in filter(None, found):
        local, at, domain = one.rpartition("@")
        if not at or not local or not domain or any(c.isspace() or c in "<>,;" for c in one):
            raise ValueError(f'"{one}" is no address')
    return list(filter(None, found))
