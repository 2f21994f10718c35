"""The tree of mailboxes: LIST, LSUB, CREATE, DELETE, RENAME, SUBSCRIBE, STATUS, NAMESPACE."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pillarbox.mailbox.ops import Ops
from pillarbox.model.mailbox import Mailbox, name_defect
from pillarbox.model.refusal import Refusal
from pillarbox.serve.imap import tree
from pillarbox.serve.imap.refusals import CODES
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import StatusAtt
from pillarbox.wire.imap.render import codes


async def on_list(session: Session, command: commands.List) -> None:
    """RFC 9051 §6.3.9, RFC 5258."""
    if command.patterns == ("",):  # only the separator is asked for
        session.write(render.list_(["\\Noselect"], ""))
        session.finish(command.tag)
        return
    store, utf8 = session.needs.store, session.engine.utf8
    boxes = await store.mailboxes(session.user.id)
    subscribed = await store.subscriptions(session.user.id)
    for entry in tree.listing(boxes, subscribed, command):
        session.write(
            render.list_(entry.attributes, entry.name, utf8=utf8, childinfo=entry.child_info)
        )
        if command.returns.status and entry.box is not None:
            await _say_status(session, entry.box, command.returns.status)
    session.finish(command.tag)


async def on_lsub(session: Session, command: commands.Lsub) -> None:
    """RFC 3501 §6.3.9."""
    store = session.needs.store
    boxes = await store.mailboxes(session.user.id)
    subscribed = await store.subscriptions(session.user.id)
    for entry in tree.subscriptions(boxes, subscribed, command.reference, command.pattern):
        session.write(render.lsub(entry.attributes, entry.name, utf8=session.engine.utf8))
    session.finish(command.tag)


async def on_create(session: Session, command: commands.Create) -> None:
    """RFC 9051 §6.3.4."""
    defect = name_defect(command.mailbox.rstrip("/") or command.mailbox)
    if defect is not None:
        session.refuse(command.tag, f"That cannot be a mailbox name: {defect}", codes.CANNOT)
        return
    use = command.special_use[0] if command.special_use else ""
    result = await session.needs.ops.create(session.user.id, command.mailbox, use)
    _done(session, command.tag, result if isinstance(result, Refusal) else None)


async def on_delete(session: Session, command: commands.Delete) -> None:
    """RFC 9051 §6.3.5."""
    _done(session, command.tag, await session.needs.ops.delete(session.user.id, command.mailbox))


async def on_rename(session: Session, command: commands.Rename) -> None:
    """RFC 9051 §6.3.6."""
    defect = name_defect(command.new_name.rstrip("/") or command.new_name)
    if defect is not None:
        session.refuse(command.tag, f"That cannot be a mailbox name: {defect}", codes.CANNOT)
        return
    ops = session.needs.ops
    result = await ops.rename(session.user.id, command.mailbox, command.new_name)
    _done(session, command.tag, result)


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
    session.write(render.namespace([""]))
    session.finish(command.tag)


async def on_status(session: Session, command: commands.Status) -> None:
    """RFC 9051 §6.3.11. Counters come from the mailbox's row: nothing is counted."""
    box = await session.needs.ops.find(session.user.id, command.mailbox)
    if isinstance(box, Refusal):
        session.refuse(command.tag, box.text, CODES[box.kind])
        return
    if StatusAtt.HIGHESTMODSEQ in command.items:
        session.enabled.add("CONDSTORE")  # RFC 7162 §3.1.7
    await _say_status(session, box, command.items)
    session.finish(command.tag)


async def _say_status(session: Session, box: Mailbox, items: tuple[StatusAtt, ...]) -> None:
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
