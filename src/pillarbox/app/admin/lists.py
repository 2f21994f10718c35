"""Operations on mailing lists, and on addresses that nothing more is sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import TypeVar

from pillarbox.app.admin.rooms import Call, Value, address_of, granted
from pillarbox.base.errors import Misuse
from pillarbox.model.lists import Cause, MailingList, Member, Others, Post, RewriteFrom, Suppressed
from pillarbox.model.transaction import Part

E = TypeVar("E", bound=Enum)


async def list_add(
    call: Call,
    address: str,
    title: str = "",
    post: str = "members",
    others: str = "refuse",
    rewrite_from: str = "auto",
) -> Value:
    """A new list without members."""
    name = address_of(address).normal()
    wanted = MailingList(
        *(0, name, title, _word(Post, post), _word(Others, others)),
        _word(RewriteFrom, rewrite_from),
    )
    return _list(granted(await call.store.add_list(wanted), name))


async def list_list(call: Call) -> Value:
    """Every list, and how many are on it."""
    return {
        "lists": [
            _list(one) | {"members": len(await call.store.members(one.id))}
            for one in await call.store.lists()
        ]
    }


async def list_set(
    call: Call,
    address: str,
    title: str | None = None,
    post: str | None = None,
    others: str | None = None,
    rewrite_from: str | None = None,
) -> Value:
    """Change what is given, leave the rest."""
    one = await _list_of(call, address)
    changed = replace(
        one,
        title=one.title if title is None else title,
        post=one.post if post is None else _word(Post, post),
        others=one.others if others is None else _word(Others, others),
        rewrite_from=(
            one.rewrite_from if rewrite_from is None else _word(RewriteFrom, rewrite_from)
        ),
    )
    granted(await call.store.change_list(changed), one.address)
    return _list(changed)


async def list_remove(call: Call, address: str) -> Value:
    """The list with its members and what it suppresses, for good."""
    one = await _list_of(call, address)
    granted(await call.store.remove_list(one.id), one.address)
    return {"address": one.address}


async def list_members(call: Call, address: str) -> Value:
    """Who is on a list, and who of them gets nothing and why."""
    one = await _list_of(call, address)
    off = {entry.address: entry for entry in await call.store.suppressions(one.address)}
    members = await call.store.members(one.id)
    return {"address": one.address, "members": [_member(m, off.get(m.address)) for m in members]}


async def list_join(call: Call, address: str, members: list[str], owner: bool = False) -> Value:
    """Put addresses on a list, or make members its owners. Who left by themselves comes back only
    when that is taken back first."""
    one = await _list_of(call, address)
    names = list(dict.fromkeys(address_of(member).normal() for member in members))
    if one.address in names:
        raise Misuse(f"{one.address} cannot be on itself")
    left = [name for name in names if await _left(call, one, name)]
    if left:
        raise Misuse(
            f"{' '.join(left)} left the list",
            hint=f"if they want to come back: pillarbox suppression remove {one.address} ADDRESS",
        )
    found = granted(
        await call.store.set_members(one.id, [(name, owner) for name in names]), one.address
    )
    return {"address": one.address, "members": [_member(member, None) for member in found]}


async def list_leave(call: Call, address: str, members: list[str]) -> Value:
    """Take addresses off a list; all must be on it."""
    one = await _list_of(call, address)
    names = [address_of(member).normal() for member in members]
    there = {member.address for member in await call.store.members(one.id)}
    missing = [name for name in names if name not in there]
    if missing:
        raise Misuse(f"{' '.join(missing)} is not on the list {one.address}")
    for name in names:
        granted(await call.store.remove_member(one.id, name), name)
    return {"address": one.address, "members": names}


async def suppression_list(call: Call, owner: str = "") -> Value:
    """Who writes to whom no more: of an account or list, or of everybody."""
    name = address_of(owner).normal() if owner else ""
    found = await call.store.suppressions(name)
    return {"suppressions": [_suppressed(entry) for entry in found]}


async def suppression_add(call: Call, owner: str, addresses: list[str]) -> Value:
    """Let an account or list write to addresses no more."""
    name = await _owner(call, owner)
    now = call.rooms.clock.now()
    entries = [
        Suppressed(name, address_of(address).normal(), Cause.OPERATOR, now) for address in addresses
    ]
    await call.store.suppress(entries)
    return {"suppressions": [_suppressed(entry) for entry in entries]}


async def suppression_remove(call: Call, owner: str, address: str) -> Value:
    """Let an account or list write to an address again."""
    name, to = address_of(owner).normal(), address_of(address).normal()
    granted(await call.store.unsuppress(name, to), f"{name} to {to}")
    return {"owner": name, "address": to}


async def _list_of(call: Call, text: str) -> MailingList:
    name = address_of(text).normal()
    found = await call.store.list_at(name)
    if found is None:
        raise Misuse(f"there is no list {name}", hint="see: pillarbox list list")
    return found


async def _owner(call: Call, text: str) -> str:
    name = address_of(text).normal()
    there = await call.store.account_by_address(name) or await call.store.list_at(name)
    if there is None:
        raise Misuse(f"there is no account or list {name}")
    return name


async def _left(call: Call, one: MailingList, name: str) -> bool:
    found = await call.store.suppressed(one.address, name)
    return found is not None and found.cause is Cause.UNSUBSCRIBED


def _word(kind: type[E], word: str) -> E:
    try:
        return kind(word)
    except ValueError:
        words: Sequence[str] = [one.value for one in kind]
        raise Misuse(f"{word!r} is not one of {', '.join(words)}") from None


def _list(one: MailingList) -> Value:
    local, _, domain = one.address.rpartition("@")
    return {
        "address": one.address,
        "title": one.title,
        "post": one.post.value,
        "others": one.others.value,
        "rewrite_from": one.rewrite_from.value,
        "owner": f"{local}{Part.OWNER.value}@{domain}",
    }


def _member(member: Member, off: Suppressed | None) -> Value:
    return {
        "address": member.address,
        "owner": member.owner,
        "suppressed": off.cause.value if off else "",
        "detail": off.detail if off else "",
    }


def _suppressed(entry: Suppressed) -> Value:
    return {
        "owner": entry.owner,
        "address": entry.address,
        "cause": entry.cause.value,
        "at": entry.at,
        "detail": entry.detail,
    }
