"""NOTIFY (RFC 5465): the command, and what it makes the server say unasked."""

from __future__ import annotations

from pillarbox.mailbox.access import Place
from pillarbox.model.change import SERVER, Annotated, BoxChanged, BoxCreated, BoxDeleted, Change
from pillarbox.serve.imap import annotated
from pillarbox.serve.imap.names import list_line
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.watch import (
    EVENTS,
    FLAG_CHANGE,
    MESSAGE_EXPUNGE,
    MESSAGE_NEW,
    NAME,
    Key,
    News,
    Watch,
    shows,
)
from pillarbox.wire.imap import commands, extensions, render
from pillarbox.wire.imap.render import codes

_TREE = frozenset(
    {
        commands.Create,
        commands.Delete,
        commands.Rename,
        commands.Subscribe,
        commands.Unsubscribe,
    }
)
READS = frozenset("lr")
"""Rights that it takes to hear of a mailbox (RFC 5465 §5)."""


async def on_notify(session: Session, command: extensions.Notify) -> None:
    """RFC 5465 §3.1. SET replaces what was asked before, NONE silences everything."""
    groups = command.groups or ()
    if any(group.events - set(EVENTS) for group in groups):
        session.refuse(command.tag, "There is no such event here", codes.badevent(EVENTS))
        return
    watch = Watch(
        groups,
        session.user.id,
        selected=lambda: _key(session),
        mine=lambda change: _mine(session, change),
    )
    access, bus = session.needs.ops.access, session.needs.views.bus
    accounts = (session.user.id, SERVER, *await access.sharers(session.user)) if groups else ()
    watch.begin([bus.subscribe(watch.hear, account=account) for account in accounts])
    try:
        places = await access.visible(session.user) if groups else []
    except BaseException:
        watch.close()
        raise
    watch.know(places)
    session.unnotify()
    session.notify = watch
    for place in places:
        events = watch.wanted(place)
        if not events or (place.box.account, place.box.id) == _key(session):
            continue
        if not place.rights >= READS:
            session.write(_no_access(session, place))
        elif command.status:
            _say_status(session, place, events)
    session.finish(command.tag, "Watching" if groups else "Silent")


def _key(session: Session) -> Key:
    view = session.view
    return (view.box.account, view.box.id) if view is not None else (0, 0)


def _mine(session: Session, change: Change) -> bool:
    """This session is making the change just now.

    Another session may do the same at the same moment; so what is changed is looked at.
    """
    if isinstance(change, Annotated):
        return change.origin == session.conn.id
    command = session.command
    if type(command) not in _TREE or not isinstance(change, (BoxCreated, BoxChanged, BoxDeleted)):
        return False
    name = change.name if isinstance(change, BoxDeleted) else change.box.name
    targets = (command.mailbox, getattr(command, "new_name", command.mailbox))
    return any((target + "/").startswith(name + "/") for target in targets) or (
        isinstance(command, commands.Rename) and name.startswith(command.new_name)
    )


def _no_access(session: Session, place: Place) -> bytes:
    """The user may know of the mailbox and not of what is in it (RFC 5465 §3.1)."""
    return render.list_(["\\NoAccess"], place.name, utf8=session.engine.utf8)


def _say_status(session: Session, place: Place, events: frozenset[str]) -> None:
    """STATUS with what these events are about (RFC 5465 §3.1, §5.1 to §5.3)."""
    box = place.box
    values: list[tuple[str, int | str | None]] = [("UIDVALIDITY", box.uidvalidity)]
    if events & {MESSAGE_NEW, MESSAGE_EXPUNGE}:
        values += [("UIDNEXT", box.uidnext), ("MESSAGES", box.messages)]
    if FLAG_CHANGE in events:
        values.append(("UNSEEN", box.unseen))
    if session.condstore:
        values.append(("HIGHESTMODSEQ", box.highest_modseq))
    session.write(render.status(place.name, values, utf8=session.engine.utf8))


async def tell(session: Session, watch: Watch) -> None:
    """Say what has happened elsewhere."""
    if not watch.signal.is_set():
        return
    news = watch.take()
    if news.overflow:  # RFC 5465 §5.8: as after NOTIFY NONE
        watch.groups = ()
        text = "Too much happens at once; ask again"
        session.write(render.ok("*", text, codes.NOTIFICATIONOVERFLOW))
        return
    for key in news.access:
        await _say_access(session, watch, key)
    for name, old in news.names.items():
        session.write(await list_line(session, name, supplied=old))
    await _say_messages(session, news)
    for key, entries in news.entries.items():
        name_of = await _annotated_name(session, key)
        if name_of is not None:
            utf8 = session.engine.utf8
            session.write(render.metadata_changed(name_of, list(entries), utf8=utf8))


async def _say_messages(session: Session, news: News) -> None:
    for (account, mailbox), events in news.messages.items():
        place = await session.needs.ops.access.place(session.user, account, mailbox)
        if place is not None and place.rights >= READS:
            _say_status(session, place, frozenset(events))


async def _say_access(session: Session, watch: Watch, key: Key) -> None:
    """A mailbox of others that can be seen, or no longer, came or went (RFC 5465 §5.4, §5.9)."""
    place = await session.needs.ops.access.place(session.user, *key)
    known = watch.replaced(key, place)
    either = place or known
    if either is not None and shows(place) != shows(known) and watch.wants_of(NAME, either):
        session.write(await list_line(session, either.name))


async def _annotated_name(session: Session, key: Key) -> str | None:
    """'' for the server, None where the user has nothing to know (RFC 5464 §3.3)."""
    account, mailbox = key
    if not mailbox:
        return ""
    place = await session.needs.ops.access.place(session.user, account, mailbox)
    if place is None or not place.rights >= set(annotated.NEEDS):
        return None
    return place.name if place.rights & set(annotated.ANY_OF) else None


HANDLERS = {extensions.Notify: on_notify}
