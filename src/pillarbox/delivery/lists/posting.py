"""May this message go to the members? A pure answer, asked before the message is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.delivery.lists.copies import list_id
from pillarbox.message import address, header, trace
from pillarbox.model.address import Address
from pillarbox.model.lists import MailingList, Member, Others, Post
from pillarbox.model.reply import Reply

LOOPING = Reply(554, "5.4.6", "The message has been on this list already")
AUTOMATIC = Reply(550, "5.7.1", "Automatic answers do not go to the members of a list")
NO_AUTHOR = Reply(550, "5.6.0", "A message to a list needs an author in its From field")
MEMBERS_ONLY = Reply(550, "5.7.2", "Only members may write to this list")
OWNERS_ONLY = Reply(550, "5.7.2", "Only its owners may write to this list")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the header says that matters to lists. Addresses in normal form."""

    authors: frozenset[str]
    list_ids: frozenset[str]
    passed_on_by: frozenset[str]
    automatic: bool


def facts(head: bytes) -> Facts:
    """Of the beginning of a message that holds its header."""
    authors = set()
    for value in header.every(head, b"from"):
        for one in address.parse(value, 100):
            if one.mailbox and one.host:
                words = (part.decode("utf-8", "replace") for part in (one.mailbox, one.host))
                authors.add(Address(*words).normal())
    ids = (_between_brackets(value) for value in header.every(head, b"list-id"))
    submitted = header.first(head, b"auto-submitted")
    word = (submitted or b"no").partition(b";")[0].strip().lower()
    return Facts(frozenset(authors), frozenset(ids), trace.delivered_to(head), word != b"no")


def judge(
    one: MailingList, members: Sequence[Member], sender: Address | None, found: Facts
) -> Reply | Others | None:
    """None: it goes to the members. A reply refuses it; Others.HOLD lets somebody look first.

    Who counts is the author, not the envelope sender: the author is whom members see.
    """
    if list_id(one) in found.list_ids or one.address in found.passed_on_by:
        return LOOPING
    if found.automatic or sender is None:  # RFC 3834 §2
        return AUTOMATIC
    if not found.authors:
        return NO_AUTHOR
    if one.post is Post.ANYONE:
        return None
    owners = one.post is Post.OWNERS
    may = {member.address for member in members if member.owner or not owners}
    if found.authors <= may:
        return None
    if one.others is Others.HOLD:
        return Others.HOLD
    return OWNERS_ONLY if owners else MEMBERS_ONLY


def _between_brackets(value: bytes) -> str:
    """The identifier in a List-Id field (RFC 2919 §3)."""
    inner = value.rpartition(b"<")[2].partition(b">")[0]
    return inner.strip().decode("ascii", "replace").lower()
