"""STAT, LIST, UIDL, DELE, RSET, and QUIT, which does what was marked.

Only QUIT and the listings of all wait for something.
"""

from __future__ import annotations

from pillarbox.base.errors import is_permanent
from pillarbox.serve.pop3.session import Session
from pillarbox.wire.pop3 import events, render
from pillarbox.wire.pop3.phrases import Phrase


def missing(session: Session, number: int) -> bytes | None:
    """The answer to a number that no message has, or no more; None when there is one."""
    return None if session.drop.has(number) else _missing(session, number)


def _missing(session: Session, number: int) -> bytes:
    if 0 < number <= len(session.drop):
        return session.voice.err(Phrase.ALREADY_DELETED, number=number)
    return session.voice.err(Phrase.NO_SUCH_MESSAGE)


def on_stat(session: Session, _event: events.Stat) -> bool:
    """RFC 1939 §5."""
    session.write(render.stat(*session.drop.stat()))
    return True


def on_list(session: Session, event: events.List) -> bool:
    """RFC 1939 §5, of one message."""
    number = event.number
    if number is None:
        return False
    answer = missing(session, number) or render.scan_listing(number, session.drop.size(number))
    session.write(answer)
    return True


async def on_list_all(session: Session, _event: events.List) -> None:
    """All of them go out in pieces."""
    for piece in render.list_all(_count(session), session.drop.listing()):
        await session.send(piece)


def on_uidl(session: Session, event: events.Uidl) -> bool:
    """RFC 1939 §7, of one message."""
    number = event.number
    if number is None:
        return False
    answer = missing(session, number)
    session.write(answer or render.unique_id_listing(number, session.drop.uidl(number)))
    return True


async def on_uidl_all(session: Session, _event: events.Uidl) -> None:
    """In pieces, too."""
    drop = session.drop
    ids = ((n, drop.uidl(n)) for n, _ in drop.listing())
    for piece in render.uidl_all(session.voice.ok(Phrase.UIDL), ids):
        await session.send(piece)


def on_dele(session: Session, event: events.Dele) -> bool:
    """RFC 1939 §5: only marked, until QUIT."""
    drop, number = session.drop, event.number
    if drop.has(number):
        drop.delete(number)
        session.write(session.voice.counted(Phrase.MARKED, number))
    else:
        session.write(_missing(session, number))
    return True


def on_rset(session: Session, _event: events.Rset) -> bool:
    """RFC 1939 §5."""
    session.drop.reset()
    session.write(_count(session))
    return True


async def on_quit(session: Session, event: events.Quit) -> None:
    """RFC 1939 §6: remove, let go of the lock, and only then answer."""
    session.over = True
    answer = await _update(session) if event.update else None
    session.close()
    session.write(answer or session.voice.ok(Phrase.GOODBYE))


async def _update(session: Session) -> bytes | None:
    """All that was marked or none of it; None when it is done."""
    try:
        refused = await session.drop.commit()
    except Exception as error:
        session.log.error("pop3.not-removed", exc=error)
        code = render.SYS_PERM if is_permanent(error) else render.SYS_TEMP
    else:
        if refused is None:
            return None
        session.log.warning("pop3.not-removed", reason=refused.text)
        code = render.SYS_PERM
    return session.voice.err(Phrase.NOT_REMOVED, code)


def _count(session: Session) -> bytes:
    count, octets = session.drop.stat()
    return session.voice.counted(Phrase.MAILDROP, count, octets)


HANDLERS = {
    events.List: on_list_all,
    events.Uidl: on_uidl_all,
    events.Quit: on_quit,
}
AT_ONCE = {
    events.Stat: on_stat,
    events.List: on_list,
    events.Uidl: on_uidl,
    events.Dele: on_dele,
    events.Rset: on_rset,
}
