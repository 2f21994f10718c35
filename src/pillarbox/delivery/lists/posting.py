"""May this message go to the members? A pure answer, asked before the message is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pillarbox.delivery.lists.copies import list_id
from pillarbox.message import address, header, trace
from pillarbox.model.address import Address
from pillarbox.model.lists import MailingList, Member, Others, Post
from pillarbox.model.reply import Reply
from pillarbox.model.verdict import UNJUDGED, Finding, Verdict

LOOPING = Reply(554, "5.4.6", "The message has been on this list already")
AUTOMATIC = Reply(550, "5.7.1", "Automatic answers do not go to the members of a list")
NO_AUTHOR = Reply(550, "5.6.0", "A message to a list needs an author in its From field")
MEMBERS_ONLY = Reply(550, "5.7.2", "Only members may write to this list")
UNPROVEN = Reply(550, "5.7.1", "Nothing proves that this is from a member (SPF, DKIM)")
NOT_NOW = Reply(451, "4.7.1", "Cannot find out now whether this is from a member; try later")
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
    one: MailingList,
    members: Sequence[Member],
    sender: Address | None,
    found: Facts,
    verdict: Verdict = UNJUDGED,
) -> Reply | Others | None:
    """None: it goes to the members. A reply refuses it; Others.HOLD lets somebody look first.

    Who counts is the author, not the envelope sender: the author is whom members see. Anybody can
    write a member into From, so where mail was checked (``verdict``) only an author counts whom
    the checks bear out.
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
    known = found.authors <= may
    doubts = [_doubt(author.rpartition("@")[2], verdict) for author in found.authors]
    if known and not any(doubts):
        return None
    if one.others is Others.HOLD:
        return Others.HOLD
    if known:
        return NOT_NOW if Doubt.FOR_NOW in doubts else UNPROVEN
    return OWNERS_ONLY if owners else MEMBERS_ONLY


class Doubt(Enum):
    """Why an author is not believed to be who From says."""

    FOR_NOW = "for now"
    """The DNS would not say."""
    UNPROVEN = "unproven"


def _doubt(domain: str, verdict: Verdict) -> Doubt | None:
    """None where ``domain`` stands behind the message, or where nobody looked: mail of users,
    whose From the door compares, and of machines that are trusted."""
    checks = [one for one in verdict.findings if one.method in _ABOUT]
    if not checks:
        return None
    # DMARC goes first, for it may want more than that SPF or DKIM passed; where the domain has no
    # policy these have to be about itself, or about one above it.
    policy = {one.result for one in checks if one.method == "dmarc" and _about(one) == domain}
    if policy & {"pass", "fail"}:
        return None if "pass" in policy else Doubt.UNPROVEN
    near = {
        one.result
        for one in checks
        if one.method != "dmarc" and _about(one) and f".{domain}".endswith(f".{_about(one)}")
    }
    if "pass" in near:
        return None
    return Doubt.FOR_NOW if "temperror" in near | policy else Doubt.UNPROVEN


_ABOUT = {"dmarc": "header.from", "spf": "smtp.mailfrom", "dkim": "header.d"}


def _about(finding: Finding) -> str:
    """The domain that a result is of."""
    return dict(finding.properties).get(_ABOUT[finding.method], "").lower()


def _between_brackets(value: bytes) -> str:
    """The identifier in a List-Id field (RFC 2919 §3)."""
    inner = value.rpartition(b"<")[2].partition(b">")[0]
    return inner.strip().decode("ascii", "replace").lower()
