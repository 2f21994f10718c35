"""QUOTA (RFC 9208): what an account may hold, of which its mailboxes are the one quota root.

The root is named by the account's address. Its owner and those who may read one of its mailboxes
see it; only an account with the admin right changes it, for everybody's "a" right on their own
mailboxes would make every limit a suggestion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pillarbox.model.account import Account
from pillarbox.model.address import parse_address
from pillarbox.model.refusal import Refusal
from pillarbox.serve.imap.refusals import CODES
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.render import codes

KILO = 1024
"""Octets in the unit of STORAGE (RFC 9208 §5.1)."""
_LARGEST = (1 << 62) // KILO


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that is limited. A limit of 0 means none in an account, and nothing at all in
    the protocol; the account says -1 for that."""

    allowed: Callable[[Account], int]
    used: Callable[[Account, int], int]
    """Of the account and the number of its mailboxes."""
    unit: int = 1

    def limit(self, account: Account) -> int | None:
        """As the protocol counts, None for no limit."""
        limit = self.allowed(account)
        return max(limit, 0) // self.unit if limit else None

    def value(self, limit: int | None) -> int:
        """The opposite."""
        if limit is None:
            return 0
        return min(limit, _LARGEST) * self.unit or -1


RESOURCES = {
    "STORAGE": Resource(  # §5.1
        lambda account: account.quota, lambda account, _: -(-account.used // KILO), KILO
    ),
    "MESSAGE": Resource(  # §5.2
        lambda account: account.max_messages, lambda account, _: account.messages
    ),
    "MAILBOX": Resource(lambda account: account.max_mailboxes, lambda _, boxes: boxes),  # §5.3
}


async def on_get_quota(session: Session, command: extensions.GetQuota) -> None:
    """RFC 9208 §4.1.1."""
    owner = await _owner(session, command.root)
    if owner is None or not await _may_see(session, owner):
        session.refuse(command.tag, "There is no such quota root", codes.NONEXISTENT)
        return
    session.write(await _said(session, owner))
    session.finish(command.tag)


async def on_get_quota_root(session: Session, command: extensions.GetQuotaRoot) -> None:
    """RFC 9208 §4.1.2: also of a mailbox that is still to be made.

    Where nothing is limited there is no root: its list would be empty, which the text of §4.2.1
    allows and the grammar of §7 does not. Thunderbird 140 keeps to the grammar, takes the answer
    for a broken one, and hangs up after every SELECT.
    """
    access, user, name = session.needs.ops.access, session.user, command.mailbox
    number = user.id
    place = await access.find(user, name, "r")
    if not isinstance(place, Refusal):
        name, number = place.name, place.box.account
    else:
        ground = await access.ground(user, name)
        if isinstance(ground, Refusal) or ground.account != user.id:
            session.refuse(command.tag, place.text, CODES[place.kind])
            return
    owner = await session.needs.store.account(number)
    if owner is not None and not any(one.allowed(owner) for one in RESOURCES.values()):
        owner = None
    roots = [owner.address] if owner else []
    session.write(render.quota_root(name, roots, utf8=session.engine.utf8))
    if owner is not None:
        session.write(await _said(session, owner))
    session.finish(command.tag)


async def on_set_quota(session: Session, command: extensions.SetQuota) -> None:
    """RFC 9208 §4.1.3: a resource that is not named has no limit afterwards."""
    store = session.needs.store
    me = await store.account(session.user.id)
    if me is None or not me.admin:
        session.refuse(command.tag, "Only an administrator changes quotas", codes.NOPERM)
        return
    owner = await _owner(session, command.root)
    if owner is None:
        session.refuse(command.tag, "There is no such quota root", codes.NONEXISTENT)
        return
    limits = dict(command.limits)
    unknown = limits.keys() - RESOURCES
    if unknown:
        session.refuse(command.tag, f"{min(unknown)} has no limit here", codes.CANNOT)
        return
    storage, message, mailbox = (r.value(limits.get(name)) for name, r in RESOURCES.items())
    changed = replace(owner, quota=storage, max_messages=message, max_mailboxes=mailbox)
    refused = await store.change_account(changed)
    if refused is not None:
        session.refuse(command.tag, refused.text, CODES[refused.kind])
        return
    session.write(await _said(session, changed))
    session.finish(command.tag)


async def _owner(session: Session, root: str) -> Account | None:
    address = parse_address(root)
    return await session.needs.store.account_by_address(address.normal()) if address else None


async def _may_see(session: Session, owner: Account) -> bool:
    me = await session.needs.store.account(session.user.id)
    if me is None or owner.id == me.id or me.admin:
        return me is not None
    shared = await session.needs.ops.access.shared(me)
    return any(place.box.account == owner.id and "r" in place.rights for place in shared)


async def _said(session: Session, owner: Account) -> bytes:
    """The QUOTA response: only what is limited is listed (RFC 9208 §4.2.1)."""
    boxes = len(await session.needs.store.mailboxes(owner.id))
    rows = []
    for name, resource in RESOURCES.items():
        limit = resource.limit(owner)
        if limit is not None:
            rows.append((name, resource.used(owner, boxes), limit))
    return render.quota(owner.address, rows)


HANDLERS = {
    extensions.GetQuota: on_get_quota,
    extensions.GetQuotaRoot: on_get_quota_root,
    extensions.SetQuota: on_set_quota,
}
