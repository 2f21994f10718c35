"""Whose name stands in From: who logs in writes as nobody else of this house.

MAIL FROM is asked at the door (RFC 6409 §6.1), but people are shown From, and what leaves with the
signature of a domain is believed by the world to be by whom From names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pillarbox.auth.sendas import SendAs
from pillarbox.base.log import Logger
from pillarbox.delivery.gate import NOTHING, Head, Ruling
from pillarbox.message import address, header, words
from pillarbox.model.account import DomainKind
from pillarbox.model.address import Address, normal_domain
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Role
from pillarbox.store.api import Directory

log = Logger("authors")

MOST = 100
"""Authors of one message; nobody is one of so many."""
LONGEST = 253
"""Characters of a domain name: what is longer is none, and is asked about by nobody."""
TOO_MANY = Reply(550, "5.6.0", "From names too many authors")


@dataclass(frozen=True, slots=True)
class AuthorRule:
    """A ``gate.Rule``: each author in a domain of this house, or below one, must be an address
    that the account may send as. Authors elsewhere pass: their domains speak for themselves
    (DMARC), and mail of others is rightly sent on as it is (Resent-From, RFC 5322 §3.6.6)."""

    directory: Directory
    send_as: SendAs

    async def __call__(self, envelope: Envelope, head: Head) -> Ruling:
        """See ``gate.Rule``."""
        user = envelope.peer.user
        if envelope.role is not Role.SUBMISSION or not user:
            return NOTHING
        found = list(_authors(head(), head.fields()))
        if len(found) >= MOST:
            return _refused(envelope, TOO_MANY)
        authors = {one.normal(): one for one in found}
        authors.pop(user, None)
        if not authors:
            return NOTHING
        account = await self.directory.account_by_address(user)
        for author in authors.values():
            if not await self._ours(normal_domain(author.domain)):
                continue
            if account is None or not await self.send_as.allows(account, author):
                log.info("authors.not-own", user=user, author=str(author), id=envelope.id)
                text = f"From says {_shown(author)}, which is not an address of yours"
                return _refused(envelope, Reply(550, "5.7.1", text))
        return NOTHING

    async def _ours(self, name: str) -> bool:
        """Whether the house answers for a name: for those of its domains, and for those below
        them, for which their signatures speak too (relaxed alignment of DMARC)."""
        while 0 < len(name) <= LONGEST:
            domain = await self.directory.domain(name)
            if domain is not None:
                return domain.kind is DomainKind.LOCAL
            name = name.partition(".")[2]
        return False


def _authors(head: bytes, fields: Iterable[header.Field]) -> Iterator[Address]:
    """Of all From fields, however many fields stand before them: programs for reading differ
    in which one they show."""
    for field in fields:
        if field.name == b"from":
            for one in address.parse(header.value(head, field), MOST):
                if one.mailbox and one.host:
                    yield Address(_text(one.mailbox), _text(one.host))
                elif one.mailbox and one.host is not None:
                    # What is no address by its grammar and is shown as one: an encoded word.
                    local, at, domain = words.decode(one.mailbox).rpartition("@")
                    if at:
                        yield Address(local, domain)


def _text(octets: bytes) -> str:
    return octets.replace(b"\0", b"").decode("utf-8", "replace")  # which programs do not show


def _shown(author: Address) -> str:
    """For a line of an answer."""
    text = str(author)
    return text if text.isascii() and text.isprintable() and len(text) <= 254 else "an address"


def _refused(envelope: Envelope, reply: Reply) -> Ruling:
    pairs = [(n, r) for n, one in enumerate(envelope.recipients) for r in range(len(one.routes))]
    return Ruling(refused=dict.fromkeys(pairs, reply))
