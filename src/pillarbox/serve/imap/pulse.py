"""What a session says between commands, of its own accord.

Search results that are kept up to date, the items NOTIFY wants of arrivals, and news of other
mailboxes. None of it may come before the EXISTS, EXPUNGE or FETCH it is about, all of it may come
while no command is in progress (RFC 5267 §4.3.2, RFC 5465 §3.1).
"""

from __future__ import annotations

from pillarbox.model.numset import EMPTY, NumSet
from pillarbox.serve.imap import fetch, notify
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap.commands import FetchItem


async def between(session: Session) -> None:
    """Say all there is; raises as a handler does."""
    watch = session.notify
    if session.view is not None and (session.contexts.touched or (watch and watch.arrived)):
        await _follow(session)
    if watch is not None:
        await notify.tell(session, watch)


async def _follow(session: Session) -> None:
    """RFC 5465 §7 has the FETCH that a search asked for before its ESEARCH; without one, §5.2 has
    the FETCH of NOTIFY behind it."""
    needs, view, watch = session.needs, session.selected, session.notify
    arrived = NumSet.of(watch.arrived) if watch is not None else EMPTY
    fresh = NumSet.of(session.contexts.fresh)
    if watch is not None:
        watch.arrived.clear()
    items = watch.items if watch is not None else ()
    entered = await session.contexts.follow(needs.store, view, needs.clock.now())
    asked: dict[tuple[FetchItem, ...], NumSet] = {}
    for one in entered:
        if one.context.items and (new := one.added & fresh):
            asked[one.context.items] = asked.get(one.context.items, EMPTY) | new
    done = EMPTY
    for wanted, uids in asked.items():
        extra = items if uids & arrived else ()
        await _send(session, tuple(dict.fromkeys((*wanted, *extra))), uids)
        done = done | uids
    for one in entered:
        session.write(one.response)
    if items:
        await _send(session, items, arrived - done)


async def _send(session: Session, items: tuple[FetchItem, ...], uids: NumSet) -> None:
    seqs = NumSet.of(seq for uid in uids if (seq := session.selected.seq(uid)))
    if seqs:
        await fetch.send(session, items, seqs)
