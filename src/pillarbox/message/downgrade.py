"""A header in US-ASCII, for readers that did not say that they take UTF-8.

Only what can be said in ASCII without loss is: text and display names become encoded words, host
names A-labels, parameters the extended form of RFC 2231. A mailbox name outside ASCII has no such
form; a header with one gives None, and its reader must be told so. Octets that are no UTF-8 are
left as they came: they belong to no standard, and a guess would do them no good.
"""

from __future__ import annotations

import re

from pillarbox.message import address, compose, header, params, words
from pillarbox.message.header import Field
from pillarbox.model.address import normal_domain, quote_local

_ADDRESSES = frozenset(
    b"from sender reply-to to cc bcc return-path resent-from resent-sender resent-to resent-cc"
    b" resent-bcc mail-followup-to mail-reply-to disposition-notification-to errors-to"
    b" delivered-to".split()
)
_PARAMETERS = frozenset([b"content-type", b"content-disposition"])
_MAX_PARAMETERS = 100
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def to_ascii(section: bytes) -> bytes | None:
    """A header section with its blank line, or without; None when it cannot be said in ASCII.

    Fields that need no change keep every octet; the others come with CRLF and folded anew.
    """
    if section.isascii():
        return section
    found = header.section(section, 0, len(section))
    out: list[bytes] = []
    at = 0
    for field in found.fields:
        changed = _field(section, field)
        if changed is None:
            return None
        out.append(changed)
        at = field.end
    out.append(section[at:])
    return b"".join(out)


def _field(section: bytes, field: Field) -> bytes | None:
    """One field, as it is or changed; None when it cannot be changed."""
    raw = section[field.start : field.end]
    if raw.isascii() or not _is_utf8(raw):
        return raw
    value = header.value(section, field)
    if field.name in _ADDRESSES:
        value_or_none = _addresses(value)
        if value_or_none is None:
            return None
        value = value_or_none
    elif field.name in _PARAMETERS:
        value = _parameters(value)
    value = words.downgrade(value)
    if not field.name:
        return value + b"\r\n"
    name = raw[: len(field.name)].decode("ascii")
    return compose.raw_field(name, value)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _addresses(value: bytes) -> bytes | None:
    """An address list in ASCII; None when a mailbox name is not."""
    out = ""
    for one in address.parse(value):
        local = (one.mailbox or b"").decode("utf-8", "replace")
        if one.host is None and one.mailbox is None:
            out += ";"
            continue
        if out and out[-1] != ":":
            out += ","
        if one.host is None:
            out += " " + _phrase(local) + ":"
        elif not local.isascii():
            return None
        else:
            out += " " + _mailbox(one, local)
    return out.strip().encode("ascii")


def _mailbox(one: address.Address, local: str) -> str:
    name = words.decode(one.name or b"")
    host = (one.host or b"").decode("utf-8", "replace")
    if not host.isascii():
        host = normal_domain(host)
        host = host if host.isascii() else "invalid"  # no domain that mail could reach
    spec = local if _DOT_ATOM.fullmatch(local) else quote_local(local)
    return compose.mailbox(name, f"{spec}@{host}" if host else spec).decode("ascii")


def _phrase(text: str) -> str:
    """The name of a group."""
    return words.encode(text).decode("ascii") if words.needs_encoding(text) else quote_local(text)


def _parameters(value: bytes) -> bytes:
    """The value of a field with parameters, those that are not ASCII in the extended form."""
    head, semicolon, _ = value.partition(b";")
    if not semicolon or not head.isascii():
        return value
    out = [head.rstrip()]
    for name, text in params.collapse(params.parse(value, len(head), _MAX_PARAMETERS)):
        key, said = params.seven_bit(name, text)
        plain = key.endswith(b"*")
        out.append(
            key + b"=" + (said if plain else quote_local(said.decode("ascii")).encode("ascii"))
        )
    return b"; ".join(out)
