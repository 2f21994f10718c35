"""Scripts over messages that lie in a mailbox, at their reader's wish (FILTER=SIEVE).

Sections are those of draft-bosch-imap-filter-sieve-00. A script does here what it would do at
delivery, but that a keep leaves the message where it is, and that nobody is answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pillarbox.delivery.sieve.answers import Known
from pillarbox.delivery.sieve.chain import Chain
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.keys import key
from pillarbox.delivery.sieve.site import Named
from pillarbox.delivery.sieve.stored import (
    HEAD,
    Deeds,
    Impossible,
    Stored,
    changes,
    discard,
    refused,
)
from pillarbox.message import header
from pillarbox.model.account import Account
from pillarbox.model.address import Address
from pillarbox.model.flags import DELETED, NO_FLAGS, FlagSet
from pillarbox.model.reply import Reply
from pillarbox.model.sending import Sent
from pillarbox.policy.limits import Allowance
from pillarbox.sieve.actions import Action, Keep, Reject, Remember
from pillarbox.sieve.context import Context
from pillarbox.sieve.extensions.table import CAPABILITIES
from pillarbox.sieve.names import script_name
from pillarbox.store.api import Mail
from pillarbox.store.scripts import Mark

OFFERED = frozenset(CAPABILITIES) - {"imapsieve"}
"""What scripts may require here (§4.9)."""
LITERAL = "script"
"""What a script that came with the command is called."""
_FOR = re.compile(rb"\bfor\s+<([^<>\s]+)>", re.IGNORECASE)


class Store(Known, Mail, Protocol):
    """What of the store is needed."""


class Limiter(Protocol):
    """How much an account may write to others; ``delivery.senders`` knows."""

    async def allowance(self, user: str) -> Allowance: ...

    async def suppressed(self, user: str, address: Address) -> Reply | None: ...


class Unusable(Exception):
    """The filter cannot be begun; ``missing``: because there is no such script."""

    def __init__(self, problems: Sequence[str], *, missing: bool = False) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Filtered:
    """What became of one message (§3.3). After ``errors`` it is as it was. ``add`` and ``remove``
    are still to be done to its flags; ``acted``: something was done already."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    acted: bool = False
    add: FlagSet = NO_FLAGS
    remove: FlagSet = NO_FLAGS


class Filtering:
    """One for a house."""

    def __init__(
        self,
        store: Store,
        chain: Chain,
        hands: Hands,
        limiter: Limiter | None = None,
        queued: Callable[[], object] = lambda: None,
    ) -> None:
        """``queued`` is called after mail was queued."""
        self._store = store
        self._chain = chain
        self._hands = hands
        self._limiter = limiter
        self._queued = queued

    # ------------------------------------------------------------------ which scripts (§3.2)

    async def usual(self, account: int) -> Sequence[Named]:
        """DELIVERY: those that run when mail comes, with the operator's around them."""
        return self._checked(await self._chain.scripts(account, self._hands.site))

    async def personal(self, account: int, name: str) -> Sequence[Named]:
        """PERSONAL: the account's script of that name."""
        _well_named(name)
        return self._found(name, await self._store.script(account, name))

    async def shared(self, name: str) -> Sequence[Named]:
        """GLOBAL: the site's script of that name."""
        _well_named(name)
        return self._found(name, self._hands.site.shared.get(name))

    def given(self, source: bytes) -> Sequence[Named]:
        """SCRIPT: one that came with the command."""
        return self._checked([Named(LITERAL, source)])

    def _found(self, name: str, source: bytes | None) -> Sequence[Named]:
        if source is None:
            raise Unusable([f'there is no script "{name}"'], missing=True)
        return self._checked([Named(name, source)])

    def _checked(self, scripts: Sequence[Named]) -> Sequence[Named]:
        """The same, or Unusable with all that is wrong with them."""
        problems = []
        for named in scripts:
            where = "" if len(scripts) == 1 else f"{named.name}: "
            found = self._chain.problems(named.source, self._hands.site, OFFERED)
            problems += [where + text for text in found]
        if problems:
            raise Unusable(problems)
        return scripts

    # ------------------------------------------------------------------ one message (§4)

    async def apply(
        self, scripts: Sequence[Named], message: Stored, owner: Account, rights: frozenset[str]
    ) -> Filtered:
        """Run the scripts over a message and carry out what they decide, all of it or nothing.

        ``owner``: whose scripts, mailboxes and address count. ``rights``: of theirs in the
        message's mailbox (RFC 4314).
        """
        site = self._hands.site
        verdict = await self._chain.run(
            *(scripts, message.octets, self._context(message, owner), owner.id, site),
            offered=OFFERED,
            aside=True,
        )
        warnings = tuple(verdict.warnings)
        if verdict.told:
            return Filtered(tuple(verdict.told), warnings)
        actions = _heard(verdict.actions)
        deeds = Deeds(self._hands, message, owner)
        try:
            await deeds.plan(actions)
        except Impossible as why:
            return Filtered((str(why),), warnings)
        try:
            why_not = await self._forbidden(deeds, message, owner, rights)
            if why_not:
                discard(deeds.parcels)
                return Filtered((why_not,), warnings)
            errors = await self._commit(deeds, actions, owner)
        except BaseException:
            discard(deeds.parcels)
            raise
        if errors:
            return Filtered(errors, warnings)
        add, remove = _flags(deeds.keep, message)
        return Filtered((), warnings, bool(deeds.parcels), add, remove)

    async def _forbidden(
        self, deeds: Deeds, message: Stored, owner: Account, rights: frozenset[str]
    ) -> str:
        """Why the owner may not do this, '' if they may."""
        if deeds.keep is None and "t" not in rights:
            return "you may not delete messages of this mailbox"
        box = message.box
        into = {(one.account, one.mailbox) for parcel in deeds.parcels for one in parcel.targets}
        if (box.account, box.id) in into and "i" not in rights:
            return "you may not put messages into this mailbox"
        if self._limiter is None or not deeds.leaving:
            return ""
        allowance = await self._limiter.allowance(owner.address)
        if allowance.left is not None and deeds.leaving > allowance.left:
            return allowance.reply.text
        for goal in deeds.goals:
            reply = await self._limiter.suppressed(owner.address, goal)
            if reply is not None:
                return reply.text
        return ""

    async def _commit(
        self, deeds: Deeds, actions: Sequence[Action], owner: Account
    ) -> tuple[str, ...]:
        """In one transaction, with what ``duplicate`` is to remember; why some was not kept."""
        now = self._hands.now()
        marks = [
            Mark(owner.id, key("duplicate", one.handle, one.id), now + one.seconds)
            for one in actions
            if isinstance(one, Remember)
        ]
        if not deeds.parcels and not marks:
            return ()
        if deeds.leaving:
            deeds.parcels[0].sent = Sent(owner.id, now, deeds.leaving)
        results = await self._store.accept_each(deeds.parcels, marks)
        discard(deeds.parcels)  # does nothing to what was taken
        bad = refused(results)
        if any(one.more for one in deeds.parcels):
            self._queued()
        return tuple(f"not filed: {one.text}" for one in bad)

    def _context(self, message: Stored, owner: Account) -> Context:
        """§5, §6."""
        site = self._hands.site
        junk = {one.lower() for one in message.flags}
        spam = 1.0 if "$junk" in junk else 0.0 if "$notjunk" in junk else None
        return Context(
            envelope=_envelope(message.octets[:HEAD], owner),
            now=datetime.fromtimestamp(self._hands.now(), UTC).astimezone(site.zone),
            environment={
                "domain": owner.address.rpartition("@")[2],
                "host": site.hostname,
                "location": "MS",
                "name": "Pillarbox",
                "phase": "post",
                "version": site.version,
            },
            separator=site.separator,
            owner=owner.address,
            home=message.box.name,
            flags=message.flags,
            vacation_days=site.vacation_days,
            spam=spam,
        )


def _well_named(name: str) -> None:
    """RFC 5804 §1.6."""
    complaint = script_name(name)
    if complaint:
        raise Unusable([complaint], missing=True)


def _envelope(head: bytes, owner: Account) -> Mapping[str, str]:
    """As good as the header tells it (§5): who it was from, and for which address it came."""
    known = {"to": owner.address}
    path = header.first(head, b"return-path")
    if path is not None:
        known["from"] = path.decode("utf-8", "replace").strip().strip("<>")
    came = _FOR.search(header.first(head, b"received") or b"")
    if came is not None:
        known["to"] = came[1].decode("utf-8", "replace")
    return known


def _heard(actions: Sequence[Action]) -> Sequence[Action]:
    """§4.10: refusals are passed over, and what was to be refused stays."""
    if any(isinstance(one, Reject) for one in actions):
        return [one for one in actions if not isinstance(one, Reject)] + [Keep(implicit=True)]
    return actions


def _flags(keep: Keep | None, message: Stored) -> tuple[FlagSet, FlagSet]:
    """§4.1, §4.4, §4.7: flags to add and to take away."""
    before = message.flags
    if keep is None:
        marked = any(one.lower() == "\\deleted" for one in before)
        return (NO_FLAGS if marked else FlagSet(DELETED)), NO_FLAGS
    return changes(before, before if keep.flags is None else keep.flags)
