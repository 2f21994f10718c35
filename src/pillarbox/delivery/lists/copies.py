"""What members get: the message with the list's own fields, and each copy with its way out.

Body and Subject are never touched, so the author's signature goes on to hold; the list's own covers
what is added (it is made when the copy leaves). From is rewritten only where the author's domain
wants mail refused that it cannot vouch for, and the message has nothing that would.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from pillarbox.message import address, compose, header, trace, words
from pillarbox.model.address import Address, normal_domain
from pillarbox.model.lists import MailingList, Others, Post, RewriteFrom
from pillarbox.model.transaction import Part

_THEIRS = frozenset(
    {
        *(b"return-path", b"precedence", b"list-id", b"list-post", b"list-owner", b"list-help"),
        *(b"list-subscribe", b"list-unsubscribe", b"list-unsubscribe-post", b"list-archive"),
    }
)
"""Of whoever passed it on before: a message has one list (RFC 2369 §4)."""
_FROM = frozenset({b"from", b"reply-to", b"dkim-signature"})
_NOT_IN_LABEL = re.compile(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_SIGNED_BY = re.compile(rb"(?:^|;)\s*d\s*=\s*([A-Za-z0-9.-]+)")


def list_id(one: MailingList) -> str:
    """The identifier between the brackets (RFC 2919 §2)."""
    local, _, domain = one.address.rpartition("@")
    return f"{_NOT_IN_LABEL.sub('-', local).strip('.') or 'list'}.{domain}"


def part_address(one: MailingList, part: Part, token: str = "") -> Address:
    """An address of the list, such as that of its owners."""
    local, _, domain = one.address.rpartition("@")
    return Address(local + part.value + (f"+{token}" if token else ""), domain)


def for_members(data: bytes, one: MailingList, *, rewrite: bool) -> bytes:
    """The message as the list sends it. ``rewrite``: the list takes the place of the author."""
    front = [
        trace.passed_on_by(Address(*one.address.rsplit("@", 1))),
        compose.raw_field("List-Id", compose.mailbox(one.title, list_id(one)))
        if one.title
        else compose.raw_field("List-Id", f"<{list_id(one)}>".encode()),
        compose.raw_field("List-Post", b"NO" if _closed(one) else _mailto(one, Part.POST)),
        compose.raw_field("List-Owner", _mailto(one, Part.OWNER)),
        compose.raw_field("Precedence", b"list"),
    ]
    gone = _THEIRS
    if rewrite:
        front += _in_place_of_author(data, one)
        gone = _THEIRS | _FROM
    return compose.prepend(compose.without(data, gone), *front)


def way_out(one: MailingList, token: str, url: str) -> bytes:
    """What one member's copy says about leaving (RFC 2369 §3.2, RFC 8058 §3.1). ``url``: of the
    web pages, '' without; then there is mail only."""
    mail = _mailto(one, Part.UNSUBSCRIBE, token)
    if not url:
        return compose.raw_field("List-Unsubscribe", mail)
    page = f"<{url}/u/{token}>".encode()
    return compose.raw_field("List-Unsubscribe", page + b", " + mail) + compose.raw_field(
        "List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"
    )


def author_domain(head: bytes) -> str:
    """Of the first author, in normal form; '' without."""
    value = header.first(head, b"from")
    found = [one for one in address.parse(value, 10) if one.host] if value is not None else []
    return normal_domain((found[0].host or b"").decode("utf-8", "replace")) if found else ""


def vouched_for(head: bytes, domain: str) -> bool:
    """Whether the author's own domain, or one above or below it, signed the message. That the
    signature holds was for the door to find out."""
    for value in header.every(head, b"dkim-signature"):
        found = _SIGNED_BY.search(value)
        signer = normal_domain(found[1].decode("ascii", "replace")) if found else ""
        if signer and f".{domain}".endswith(f".{signer}"):
            return True
    return False


def rewrites(one: MailingList, head: bytes, *, strict: bool) -> bool:
    """Whether From changes. ``strict``: the author's domain publishes quarantine or reject."""
    if one.rewrite_from is not RewriteFrom.AUTO:
        return one.rewrite_from is RewriteFrom.ALWAYS
    return strict and not vouched_for(head, author_domain(head))


def _closed(one: MailingList) -> bool:
    return one.post is Post.OWNERS and one.others is Others.REFUSE


def _mailto(one: MailingList, part: Part, token: str = "") -> bytes:
    where = quote(str(part_address(one, part, token)), safe="@+")
    return f"<mailto:{where}>".encode("ascii")


def _in_place_of_author(data: bytes, one: MailingList) -> list[bytes]:
    """From is the list, answers find the author."""
    head = header.top(data)
    value = header.first(head, b"from") or b""
    authors = [one for one in address.parse(value, 10) if one.mailbox and one.host]
    people = [
        (
            words.decode(author.name or b""),
            f"{(author.mailbox or b'').decode('utf-8', 'replace')}"
            f"@{(author.host or b'').decode('utf-8', 'replace')}",
        )
        for author in authors
    ]
    name = (people[0][0] or people[0][1].partition("@")[0]) if people else ""
    via = f"{name} via {one.title or one.address.partition('@')[0]}".strip()
    answers = header.first(head, b"reply-to")
    back = compose.raw_field("Reply-To", answers) if answers else b""
    return [
        compose.address_field("From", [(via, one.address)]),
        back or (compose.address_field("Reply-To", people) if people else b""),
        compose.raw_field("X-Original-From", value),
    ]
