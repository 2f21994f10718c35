"""Access control lists and quota (RFC 4314 §3, RFC 9208 §4)."""

from __future__ import annotations

import re

from pillarbox.wire.imap.extensions import (
    DeleteAcl,
    GetAcl,
    GetQuota,
    GetQuotaRoot,
    ListRights,
    MyRights,
    SetAcl,
    SetQuota,
)
from pillarbox.wire.imap.lex import MAX_NUMBER64, Bad, Cursor
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.mailbox import named

_RIGHTS = re.compile(r"([+-]?)([a-z0-9]*)\Z")
RESOURCES = 50
"""Resources in one SETQUOTA (a count)."""


def _identifier(cur: Cursor) -> str:
    """A user, a group, ``anyone``; '-' before it means the rights are taken away."""
    cur.space()
    name = cur.astring()
    if not name.removeprefix("-") or not name.isprintable():
        raise Bad("There is no such identifier")
    return name


def set_acl(cur: Cursor, tag: str) -> SetAcl:
    """``SETACL mailbox identifier [+-]rights``."""
    cur.space()
    mailbox = cur.mailbox()
    identifier = _identifier(cur)
    cur.space()
    found = _RIGHTS.match(cur.astring())
    cur.end()
    if found is None:
        raise Bad("Rights are lower-case letters and digits")  # RFC 4314 §7
    return SetAcl(tag, mailbox, identifier, found[2], found[1])


def delete_acl(cur: Cursor, tag: str) -> DeleteAcl:
    """``DELETEACL mailbox identifier``."""
    cur.space()
    mailbox = cur.mailbox()
    identifier = _identifier(cur)
    cur.end()
    return DeleteAcl(tag, mailbox, identifier)


def list_rights(cur: Cursor, tag: str) -> ListRights:
    """``LISTRIGHTS mailbox identifier``."""
    cur.space()
    mailbox = cur.mailbox()
    identifier = _identifier(cur)
    cur.end()
    return ListRights(tag, mailbox, identifier)


def get_quota(cur: Cursor, tag: str) -> GetQuota:
    """``GETQUOTA root``; the root's name is not a mailbox's and is taken as it is."""
    cur.space()
    root = cur.astring()
    cur.end()
    return GetQuota(tag, root)


def set_quota(cur: Cursor, tag: str) -> SetQuota:
    """``SETQUOTA root (resource limit …)``."""
    cur.space()
    root = cur.astring()
    cur.space()

    def limit() -> tuple[str, int]:
        resource = cur.word()
        cur.space()
        return resource, cur.number(MAX_NUMBER64)

    limits = cur.items(limit, empty=True)
    cur.end()
    if len(limits) > RESOURCES:
        raise Bad("Too many resources", "LIMIT", "NO")
    return SetQuota(tag, root, tuple(limits))


PARSERS: dict[str, Parser] = {
    "SETACL": set_acl,
    "DELETEACL": delete_acl,
    "GETACL": named(GetAcl),
    "LISTRIGHTS": list_rights,
    "MYRIGHTS": named(MyRights),
    "GETQUOTA": get_quota,
    "GETQUOTAROOT": named(GetQuotaRoot),
    "SETQUOTA": set_quota,
}
