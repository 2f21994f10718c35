"""From a name to a mailbox, and what the one who names it may do there: the one place that knows.

Everybody's own mailboxes go by their plain names. Those that others share stand below
``Other Users/`` and their owner's address (RFC 2342 §5, RFC 4314). A name that somebody may not
even look up is answered as one that does not exist (RFC 4314 §6).

A plain name costs what it did without sharing: one look-up by account and name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pillarbox.model.account import Account
from pillarbox.model.address import parse_address
from pillarbox.model.mailbox import SEPARATOR, Mailbox, parents
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.rights import ALL, ANYONE, NONE, Rights, effective
from pillarbox.store.api import Directory, Mailboxes
from pillarbox.store.sharing import AccessLists

OTHER_USERS = "Other Users"
PREFIX = OTHER_USERS + SEPARATOR

NO_MAILBOX = Refusal(Kind.NONEXISTENT, "there is no such mailbox")
NOT_ALLOWED = Refusal(Kind.NO_PERMISSION, "you may not do that to this mailbox")
NOT_THERE = Refusal(Kind.NO_PERMISSION, "you may not make a mailbox there")
RESERVED = Refusal(Kind.CANNOT, f"below {OTHER_USERS} are mailboxes of others")
NOT_ACROSS = Refusal(Kind.CANNOT, "a mailbox stays with its owner")

_QUOTED = re.compile("=([0-9A-F]{2})")
_TO_QUOTE = re.compile("[=/%*]")


class Source(Mailboxes, AccessLists, Directory, Protocol):
    """What is needed of the store."""


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox as one user sees it."""

    box: Mailbox
    """As its owner names it."""
    name: str
    """As the user does."""
    rights: Rights
    own: bool = True

    @property
    def shown(self) -> Mailbox:
        """The mailbox under the user's name for it. What it is to its owner (Sent, Trash) it is
        not to others."""
        return self.box if self.own else replace(self.box, name=self.name, special_use="")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a mailbox that is not there yet would be."""

    account: int
    name: str
    """As the account's owner would name it."""


class Access:
    """One for a process; stateless."""

    def __init__(self, store: Source) -> None:
        self._store = store

    async def find(
        self, user: Account, name: str, needs: str = "", any_of: str = "", *, counts: bool = True
    ) -> Place | Refusal:
        """The mailbox that ``user`` calls ``name``.

        ``needs``: rights that must all be there; ``any_of``: of which one must be. NONEXISTENT
        or NO_PERMISSION otherwise. ``counts``: without, what mail changes in the mailbox (UIDs,
        counts, keywords) may be that of an earlier moment, and mostly nothing is read.
        """
        look = self._store.mailbox_by_name if counts else self._remembered
        parts = _split(name)
        if parts is None:
            box = await look(user.id, name)
            return NO_MAILBOX if box is None else Place(box, box.name, ALL)
        found = await self._owner(parts[0])
        box = await look(found.id, parts[1]) if found else None
        if box is None or found is None:
            return NO_MAILBOX
        rights = await self.rights(user, box)
        if rights and rights >= set(needs) and (not any_of or rights & set(any_of)):
            return Place(box, shared_name(found.address, box.name), rights, box.account == user.id)
        return NOT_ALLOWED if "l" in rights else NO_MAILBOX

    async def _remembered(self, account: int, name: str) -> Mailbox | None:
        """What is remembered not to be there may have been made by another process just now."""
        box = await self._store.mailbox_at(account, name)
        return box if box is not None else await self._store.mailbox_by_name(account, name)

    async def rights(self, user: Account, box: Mailbox) -> Rights:
        """What ``user`` may do to a mailbox."""
        if box.account == user.id:
            return ALL
        return effective(await self._store.access_list(box.account, box.id), user.address)

    async def place(self, user: Account, account: int, mailbox: int) -> Place | None:
        """A mailbox known by its numbers; None when it is gone. The rights may be none."""
        box = await self._store.mailbox(account, mailbox)
        if box is None:
            return None
        if account == user.id:
            return Place(box, box.name, ALL)
        owner = await self._store.account(account)
        name = shared_name(owner.address if owner else "", box.name)
        return Place(box, name, await self.rights(user, box), own=False)

    async def ground(self, user: Account, name: str) -> Ground | Refusal:
        """Where ``user`` would make a mailbox of that name: the nearest parent must allow it
        (RFC 4314 §4, CREATE)."""
        parts = _split(name)
        if parts is None:
            return RESERVED if name == OTHER_USERS else Ground(user.id, name)
        owner = await self._owner(parts[0])
        if owner is None:
            return NOT_THERE
        if owner.id == user.id:
            return Ground(user.id, parts[1])
        for parent in reversed(parents(parts[1])):
            box = await self._store.mailbox_by_name(owner.id, parent)
            if box is not None:
                allowed = "k" in await self.rights(user, box)
                return Ground(owner.id, parts[1]) if allowed else NOT_THERE
        return NOT_THERE

    async def visible(self, user: Account) -> list[Place]:
        """Every mailbox that LIST may show ``user``: the own ones, then what others share."""
        own = [Place(box, box.name, ALL) for box in await self._store.mailboxes(user.id)]
        return own + await self.shared(user)

    async def shared(self, user: Account) -> list[Place]:
        """Mailboxes of others that ``user`` may look up."""
        places: list[Place] = []
        for number in await self.sharers(user):
            owner = await self._store.account(number)
            if owner is None:
                continue
            lists = await self._store.access_lists(number)
            allowed = {box: effective(entries, user.address) for box, entries in lists.items()}
            for box in await self._store.mailboxes(number):
                rights = allowed.get(box.id, NONE)
                if "l" in rights:
                    name = shared_name(owner.address, box.name)
                    places.append(Place(box, name, rights, own=False))
        return places

    async def sharers(self, user: Account) -> Sequence[int]:
        """Accounts that may share mailboxes with ``user``."""
        found = await self._store.sharing((user.address, ANYONE))
        return [number for number in found if number != user.id]

    async def _owner(self, quoted: str) -> Account | None:
        address = parse_address(_QUOTED.sub(lambda m: chr(int(m[1], 16)), quoted))
        return await self._store.account_by_address(address.normal()) if address else None


def shared_name(address: str, name: str) -> str:
    """What others call the mailbox ``name`` of the account ``address``. Of an address, what
    cannot be part of a name is written as ``=`` and two digits."""
    quoted = _TO_QUOTE.sub(lambda found: f"={ord(found[0]):02X}", address)
    return f"{PREFIX}{quoted}{SEPARATOR}{name}"


def _split(name: str) -> tuple[str, str] | None:
    """Owner and name of a shared mailbox, None for a plain name."""
    if not name.startswith(PREFIX):
        return None
    owner, _, rest = name[len(PREFIX) :].partition(SEPARATOR)
    return owner, rest
