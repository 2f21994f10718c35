"""STAT, LIST, UIDL, DELE, RSET, and QUIT, which does what was marked."""

from __future__ import annotations

from pillarbox.base.errors import is_permanent
from pillarbox.serve.pop3.session import Session
from pillarbox.wire.pop3 import events, render
from pillarbox.wire.pop3.phrases import Phrase


def missing(session: Session, number: int) -> bytes | None:
    """The answer to a number that no message has, or no more; None when there is one."""
    drop = session.drop
    if drop.has(number):
        return None
    if 0 < number <= len(drop):
        return session.voice.err(Phrase.ALREADY_DELETED, number=number)
    return session.voice.err(Phrase.NO_SUCH_MESSAGE)


async def on_stat(session: Session, _event: events.Stat) -> None:
    """RFC 1939 §5."""
    session.write(render.stat(*session.drop.stat()))


async def on_list(session: Session, event: events.List) -> None:
    """RFC 1939 §5. All of them go out in pieces."""
    drop, number = session.drop, event.number
    if number is not None:
        answer = missing(session, number) or render.scan_listing(number, drop.size(number))
        session.write(answer)
        return
    for piece in render.list_all(_count(session), drop.listing()):
        await session.send(piece)


async def on_uidl(session: Session, event: events.Uidl) -> None:
    """RFC 1939 §7."""
    drop, number = session.drop, event.number
    if number is not None:
        answer = missing(session, number) or render.unique_id_listing(number, drop.uidl(number))
        session.write(answer)
        return
    ids = ((n, drop.uidl(n)) for n, _ in drop.listing())
    for piece in render.uidl_all(session.voice.ok(Phrase.UIDL), ids):
        await session.send(piece)


async def on_dele(session: Session, event: events.Dele) -> None:
    """RFC 1939 §5: only marked, until QUIT."""
    answer = missing(session, event.number)
    if answer is None:
        session.drop.delete(event.number)
        answer = session.voice.ok(Phrase.MARKED, number=event.number)
    session.write(answer)


async def on_rset(session: Session, _event: events.Rset) -> None:
    """RFC 1939 §5."""
    session.drop.reset()
    session.write(_count(session))


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
    return session.voice.ok(Phrase.MAILDROP, count=count, octets=octets)


HANDLERS = {
    events.Stat: on_stat,
    events.List: on_list,
    events.Uidl: on_uidl,
    events.Dele: on_dele,
    events.Rset: on_rset,
    events.Quit: on_quit,
}
