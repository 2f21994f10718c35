"""Limits for those who log in: how many others they write to, whom they write to no more, and
whether it is still they who write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.delivery.gate import NOTHING, Head, Ruling
from pillarbox.delivery.letters import Letter, Letters
from pillarbox.model.account import Account
from pillarbox.model.address import Address
from pillarbox.model.lists import Cause
from pillarbox.model.reply import Reply
from pillarbox.model.sending import HOUR, Sent
from pillarbox.model.transaction import Envelope, Local, Role, Route
from pillarbox.policy import limits
from pillarbox.store.api import Directory
from pillarbox.store.lists import Senders, Suppressions

log = Logger("senders")

TOLD_FOR = 24 * HOUR
"""Seconds for which one letter about an account is enough."""
_WORDS = 200
"""Characters of another server's words that a reply repeats."""


class Book(Directory, Suppressions, Senders, Protocol):
    """What of the store is needed here."""


def leaves(routes: Sequence[Route]) -> bool:
    """Whether mail by these routes goes anywhere but into mailboxes here."""
    return any(not isinstance(route, Local) for route in routes)


@dataclass(frozen=True, slots=True)
class SenderRules:
    """One for a house. ``suppress_for``: seconds for which nothing more goes to an address that
    bounced."""

    book: Book
    letters: Letters
    clock: Clock
    options: limits.Options
    suppress_for: float

    async def allowance(self, user: str) -> limits.Allowance:
        """How many recipients elsewhere an account may write to now."""
        account = await self.book.account_by_address(user)
        if account is None:
            return limits.Allowance()
        sending = await self.book.sending(account.id)
        return limits.allowance(account, sending, self.clock.now(), self.options)

    async def onward(self, user: str, others: int) -> Sent | Reply | None:
        """A script sends on to ``others`` what an account submitted: that counts as if it had
        written to them, or a script of its own would be its way around the limits."""
        account = await self.book.account_by_address(user)
        if account is None:
            return None
        now = self.clock.now()
        sending = await self.book.sending(account.id)
        allowed = limits.allowance(account, sending, now, self.options)
        if allowed.left is not None and others > allowed.left:
            return allowed.reply
        return Sent(account.id, now, others)

    async def suppressed(self, user: str, address: Address) -> Reply | None:
        """Why an account writes to an address no more."""
        found = await self.book.suppressed(user, address.normal())
        if found is None:
            return None
        if found.cause is not Cause.BOUNCE:
            return Reply(550, "5.7.1", "Mail of yours to that address was stopped; ask postmaster")
        if found.at <= self.clock.now() - self.suppress_for:
            return None
        said = "".join(c if c.isascii() and c.isprintable() else "?" for c in found.detail[:_WORDS])
        text = f"That address refused your mail before ({said}); ask postmaster to let it through"
        return Reply(550, "5.1.1", text)

    async def __call__(self, envelope: Envelope, head: Head) -> Ruling:
        """A ``gate.Rule``: counts, and holds what looks like a stolen password."""
        if envelope.role is not Role.SUBMISSION or not envelope.peer.user:
            return NOTHING
        others = sum(leaves(recipient.routes) for recipient in envelope.recipients)
        account = await self.book.account_by_address(envelope.peer.user) if others else None
        if account is None:
            return NOTHING
        now = self.clock.now()
        network = limits.network_of(envelope.peer.ip)
        sent = Sent(account.id, now, others, network=network)
        sending = await self.book.sending(account.id)
        pairs = [
            (n, r)
            for n, recipient in enumerate(envelope.recipients)
            for r in range(len(recipient.routes))
        ]
        # Asked again: sessions side by side are each within what was left at their RCPT.
        allowed = limits.allowance(account, sending, now, self.options)
        if allowed.left is not None and others > allowed.left:
            return Ruling(refused=dict.fromkeys(pairs, allowed.reply))
        why = limits.suspicion(account, sending, others, network, now, self.options)
        if not why:
            return Ruling(sent=sent)
        log.warning("sender.held", user=account.address, id=envelope.id, why=why)
        told: list[Letter] = []
        if sending.alarmed <= now - TOLD_FOR:
            told = await self._told(account, envelope, why)
            await self.book.set_alarmed(account.id, now)
        reason = f"does not look like {account.address}: {why}"
        return Ruling(held=pairs, why=reason, sent=sent, letters=told)

    async def _told(self, account: Account, envelope: Envelope, why: str) -> list[Letter]:
        lines = [
            f"Mail that {account.address} submitted is held, because it does not look like the",
            f"mail of that account: {why}.",
            "",
            f"The client came from {envelope.peer.ip}. Nothing of it was sent, and no more is",
            "until it looks usual again. You are told once a day.",
            "",
            "If the password was stolen:",
            "",
            f"    pillarbox account passwd {account.address}",
            f"    pillarbox queue drop --state held --sender {account.address}",
            "",
            "If all is well, let it go, and say how much the account may send in an hour, which is",
            "then no longer compared with what it did before:",
            "",
            f"    pillarbox queue release --state held --sender {account.address}",
            f"    pillarbox account set {account.address} --hour-limit 1000",
        ]
        postmaster = Address("postmaster", account.address.rpartition("@")[2])
        return await self.letters.to(postmaster, f"Held: mail of {account.address}", lines)
