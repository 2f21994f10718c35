"""The tree of mailboxes: LIST, LSUB, CREATE, DELETE, RENAME, SUBSCRIBE, STATUS, NAMESPACE."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from pillarbox.mailbox.access import NOT_ACROSS, PREFIX, Ground, Place
from pillarbox.mailbox.ops import Ops
from pillarbox.model.mailbox import Mailbox, name_defect
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.serve.imap import metadata, rights, tree
from pillarbox.serve.imap.client import mailbox_ids
from pillarbox.serve.imap.names import list_line
from pillarbox.serve.imap.refusals import CODES
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.uses import unfit
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import ListReturn, StatusAtt
from pillarbox.wire.imap.render import codes


async def on_list(session: Session, command: commands.List) -> None:
    """RFC 9051 §6.3.9, RFC 5258."""
    if command.patterns == ("",):  # only the separator is asked for
        session.write(render.list_(["\\Noselect"], ""))
        session.finish(command.tag)
        return
    utf8 = session.engine.utf8
    places = {place.name: place for place in await session.needs.ops.access.visible(session.user)}
    subscribed = await session.needs.store.subscriptions(session.user.id)
    boxes = [place.shown for place in places.values()]
    if session.rev2:
        command = replace(command, extended=True)  # RFC 9051 §6.3.9: always
    for entry in tree.listing(boxes, subscribed, command):
        session.write(
            render.list_(entry.attributes, entry.name, utf8=utf8, childinfo=entry.child_info)
        )
        if entry.box is not None and entry.chosen:
            await _say_more(session, places[entry.name], command.returns)
    session.finish(command.tag)


async def _say_more(session: Session, place: Place, returns: ListReturn) -> None:
    """What LIST tells of a mailbox besides: RFC 5819, RFC 8440, RFC 9590."""
    if returns.status and "r" in place.rights:
        await _say_status(session, place.shown, returns.status)
    if returns.myrights:
        session.write(rights.said(session, place))
    if returns.metadata:
        session.write(await metadata.listed(session, place, returns.metadata))


async def on_lsub(session: Session, command: commands.Lsub) -> None:
    """RFC 3501 §6.3.9."""
    boxes = [place.shown for place in await session.needs.ops.access.visible(session.user)]
    subscribed = await session.needs.store.subscriptions(session.user.id)
    for entry in tree.subscriptions(boxes, subscribed, command.reference, command.pattern):
        session.write(render.lsub(entry.attributes, entry.name, utf8=session.engine.utf8))
    session.finish(command.tag)


async def on_create(session: Session, command: commands.Create) -> None:
    """RFC 9051 §6.3.4, RFC 6154 §3."""
    defect = name_defect(command.mailbox.rstrip("/") or command.mailbox)
    if defect is not None:
        session.refuse(command.tag, f"That cannot be a mailbox name: {defect}", codes.CANNOT)
        return
    ops, uses = session.needs.ops, command.special_use
    ground = await ops.access.ground(session.user, command.mailbox.rstrip("/"))
    if isinstance(ground, Refusal):
        _done(session, command.tag, ground)
        return
    problem = unfit(uses, own=ground.account == session.user.id) if uses else ""
    if problem:
        session.refuse(command.tag, problem, codes.USEATTR)
        return
    box = await ops.create(ground.account, ground.name, uses[0] if uses else "")
    if isinstance(box, Refusal):
        of_use = uses and box.kind in (Kind.IN_USE, Kind.CANNOT)  # the name was looked at above
        code = codes.USEATTR if of_use else CODES[box.kind]
        session.refuse(command.tag, box.text, code)
        return
    await _say_normal(session, command.mailbox.rstrip("/"), command.supplied)
    session.finish(command.tag, "Made", session.ids_of(box))


async def _say_normal(session: Session, name: str, supplied: str) -> None:
    """The client gave a name that is spelt otherwise here (RFC 9051 §6.3.9.7)."""
    if supplied and session.rev2:
        session.write(await list_line(session, name, supplied=supplied))


async def on_delete(session: Session, command: commands.Delete) -> None:
    """RFC 9051 §6.3.5."""
    ops = session.needs.ops
    place = await ops.access.find(session.user, command.mailbox, "x")
    if isinstance(place, Refusal):
        _done(session, command.tag, place)
        return
    refusal = await ops.delete(place.box.account, place.box.name, by=session.by)
    if refusal is None:
        await _say_normal(session, command.mailbox, command.supplied)
    _done(session, command.tag, refusal)


async def on_rename(session: Session, command: commands.Rename) -> None:
    """RFC 9051 §6.3.6."""
    defect = name_defect(command.new_name.rstrip("/") or command.new_name)
    if defect is not None:
        session.refuse(command.tag, f"That cannot be a mailbox name: {defect}", codes.CANNOT)
        return
    ops = session.needs.ops
    old = await _old(session, command.mailbox)
    ground = await ops.access.ground(session.user, command.new_name.rstrip("/"))
    for refused in (old, ground):
        if isinstance(refused, Refusal):
            _done(session, command.tag, refused)
            return
    assert isinstance(old, Ground) and isinstance(ground, Ground)  # noqa: PT018, S101
    if old.account != ground.account:
        _done(session, command.tag, NOT_ACROSS)
        return
    refusal = await ops.rename(ground.account, old.name, ground.name)
    if refusal is None:
        new = command.new_name.rstrip("/")
        await _say_normal(session, new, command.supplied)
        moved = await ops.access.find(session.user, new)
        if "OBJECTID+" in session.enabled and isinstance(moved, Place):
            session.finish(command.tag, "Done", session.ids_of(moved.box))
            return
    _done(session, command.tag, refusal)


async def _old(session: Session, name: str) -> Ground | Refusal:
    """What is to be renamed: a mailbox, or an own name that has children only."""
    access, user = session.needs.ops.access, session.user
    place = await access.find(user, name, "x")
    if isinstance(place, Place):
        return Ground(place.box.account, place.box.name)
    ground = await access.ground(user, name)
    bare = isinstance(ground, Ground) and ground.account == user.id
    return ground if bare and place.kind is Kind.NONEXISTENT else place


async def on_subscribe(session: Session, command: commands.Subscribe) -> None:
    """RFC 9051 §6.3.7: the name need not exist, but it must be one."""
    if name_defect(command.mailbox) is not None:
        session.refuse(command.tag, "That cannot be a mailbox name", codes.CANNOT)
        return
    await session.needs.store.subscribe(session.user.id, command.mailbox, True)
    session.finish(command.tag)


async def on_unsubscribe(session: Session, command: commands.Unsubscribe) -> None:
    """RFC 9051 §6.3.8."""
    await session.needs.store.subscribe(session.user.id, command.mailbox, False)
    session.finish(command.tag)


async def on_namespace(session: Session, command: commands.Namespace) -> None:
    """RFC 2342 §5: what is one's own has no prefix."""
    session.write(render.namespace([""], [PREFIX], utf8=session.engine.utf8))
    session.finish(command.tag)


async def on_status(session: Session, command: commands.Status) -> None:
    """RFC 9051 §6.3.11. Counters come from the mailbox's row: nothing is counted."""
    place = await session.needs.ops.access.find(session.user, command.mailbox, "r")
    if isinstance(place, Refusal):
        session.refuse(command.tag, place.text, CODES[place.kind])
        return
    if StatusAtt.HIGHESTMODSEQ in command.items:
        session.enable("CONDSTORE")  # RFC 7162 §3.1.7
    await _say_status(session, place.shown, command.items)
    session.finish(command.tag)


async def _say_status(session: Session, box: Mailbox, items: tuple[StatusAtt, ...]) -> None:
    if StatusAtt.OBJECTID in items:
        session.activate("OBJECTID+")
    values: list[tuple[str, int | str | None]] = []
    for item in items:
        value = _STATUS[item](box) if item in _STATUS else await _ASKED[item](session, box)
        values.append((item.value, value))
    session.write(render.status(box.name, values, utf8=session.engine.utf8))


async def _append_limit(session: Session, box: Mailbox) -> int:  # noqa: ARG001
    return session.needs.options.engine.append


def _by_ops(ask: Callable[[Ops, Mailbox], Awaitable[int]]) -> _Asked:
    async def value(session: Session, box: Mailbox) -> int:
        return await ask(session.needs.ops, box)

    return value


_Asked = Callable[[Session, Mailbox], Awaitable[int]]

_STATUS: dict[StatusAtt, Callable[[Mailbox], int | str]] = {
    StatusAtt.MESSAGES: lambda box: box.messages,
    StatusAtt.UIDNEXT: lambda box: box.uidnext,
    StatusAtt.UIDVALIDITY: lambda box: box.uidvalidity,
    StatusAtt.UNSEEN: lambda box: box.unseen,
    StatusAtt.DELETED: lambda box: box.deleted,
    StatusAtt.SIZE: lambda box: box.size,
    StatusAtt.HIGHESTMODSEQ: lambda box: box.highest_modseq,
    StatusAtt.MAILBOXID: lambda box: box.object_id,
    StatusAtt.OBJECTID: lambda box: " ".join(f"{key} {value}" for key, value in mailbox_ids(box)),
}
_ASKED: dict[StatusAtt, _Asked] = {
    StatusAtt.RECENT: _by_ops(Ops.recent),
    StatusAtt.DELETED_STORAGE: _by_ops(Ops.deleted_storage),
    StatusAtt.APPENDLIMIT: _append_limit,
}


def _done(session: Session, tag: str, refusal: Refusal | None) -> None:
    if refusal is None:
        session.finish(tag)
    else:
        session.refuse(tag, refusal.text, CODES[refusal.kind])


HANDLERS = {
    commands.List: on_list,
    commands.Lsub: on_lsub,
    commands.Create: on_create,
    commands.Delete: on_delete,
    commands.Rename: on_rename,
    commands.Subscribe: on_subscribe,
    commands.Unsubscribe: on_unsubscribe,
    commands.Namespace: on_namespace,
    commands.Status: on_status,
}
