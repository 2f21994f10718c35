"""Whom an automatic answer must not go to (RFC 3834 §2, RFC 5230 §4.5, §4.6). Pure.

An answer too few is a small harm, an answer to a machine that answers is a large one.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from pillarbox.message import address, header
from pillarbox.model.address import Address, normal_domain, normal_local

_LIST_FIELDS = frozenset(
    b"list-id list-help list-subscribe list-unsubscribe list-post list-owner list-archive".split()
)
_TO_FIELDS = tuple(b"to cc bcc resent-to resent-cc resent-bcc".split())
_MACHINES = re.compile(
    r"(?:mailer-daemon|listserv|majordomo|no-?reply|do-?not-?reply|bounces?|autoreply"
    r"|owner-.*|.*-request|.*-bounces?|.*-owner|.*-confirm|srs[01]=.*|prvs=.*)(?:[+=-].*)?",
    re.IGNORECASE,
)
_BULK = frozenset({b"bulk", b"junk", b"list"})
_SUPPRESS = frozenset({b"all", b"oof", b"autoreply"})
"""Of X-Auto-Response-Suppress, which Exchange sets and honours."""


def automatic(head: bytes) -> bool:
    """Whether a machine wrote it (RFC 3834 §5: any value but "no", comments aside)."""
    value = header.first(head, b"auto-submitted")
    if value is None:
        return False
    return value.partition(b";")[0].partition(b"(")[0].strip().lower() != b"no"


def unanswerable(head: bytes, sender: Address | None, own: Collection[str]) -> str:
    """Why no personal answer may go to the sender, '' if one may.

    ``own``: addresses of the script's owner in normal form.
    """
    if sender is None:
        return "it came from the null sender"
    if sender.normal() in own:
        return "it came from the owner"
    if _MACHINES.fullmatch(sender.local):
        return "its sender looks like a machine"
    if automatic(head):
        return "it says that a machine wrote it"
    names = {field.name for field in header.fields(head)}
    if names & _LIST_FIELDS:
        return "it came through a list"
    if (header.first(head, b"precedence") or b"").strip().lower() in _BULK:
        return "it says that it is bulk mail"
    asked = (header.first(head, b"x-auto-response-suppress") or b"").lower().split(b",")
    if any(word.strip() in _SUPPRESS for word in asked):
        return "it asks for no automatic answers"
    if not named(head, own):
        return "it does not name the owner as a recipient"
    return ""


def named(head: bytes, own: Collection[str]) -> bool:
    """Whether one of the addresses is among the message's recipients (RFC 5230 §4.5)."""
    for name in _TO_FIELDS:
        for value in header.every(head, name):
            for one in address.parse(value):
                if one.mailbox and one.host:
                    local = one.mailbox.decode("utf-8", "replace")
                    domain = one.host.decode("utf-8", "replace")
                    if f"{normal_local(local)}@{normal_domain(domain)}" in own:
                        return True
    return False
