"""FILTER: a Sieve script over messages of the selected mailbox (draft-bosch-imap-filter-sieve)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pillarbox.delivery.sieve.filtering import Filtered, Filtering, Unusable
from pillarbox.delivery.sieve.site import Named
from pillarbox.delivery.sieve.stored import Stored
from pillarbox.mailbox.ops import READ_ONLY
from pillarbox.mailbox.search import search
from pillarbox.model.flags import flag_names
from pillarbox.model.numset import EMPTY, NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.serve.imap.search import limited, with_saved
from pillarbox.serve.imap.session import ROOM, Session
from pillarbox.store.api import Column, FlagOp
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.extensions import Rules
from pillarbox.wire.imap.render import codes

_NOT_YOURS = "Only the script that runs at delivery can be used here"


async def on_filter(session: Session, command: extensions.Filter) -> None:
    """§3.2. Every message is its own: what was done to it is told before the next."""
    filtering, view, tag = session.needs.filtering, session.selected, command.tag
    if filtering is None:
        session.refuse(tag, "Sieve is off", codes.CANNOT, allow_expunge=command.uid)
        return
    if view.read_only:
        session.refuse(tag, READ_ONLY.text, codes.NOPERM, allow_expunge=command.uid)
        return
    if command.rules is not Rules.DELIVERY and not session.needs.options.own_scripts:  # §8
        session.refuse(tag, _NOT_YOURS, codes.NOPERM, allow_expunge=command.uid)
        return
    if command.modseq:
        session.enable("CONDSTORE")  # RFC 7162 §3.1.5
    try:
        scripts = await _scripts(filtering, session.user.id, command)
    except Unusable as why:
        session.write(render.filter_problem(tag, errors=why.problems, utf8=session.engine.utf8))
        code = codes.NONEXISTENT if why.missing else ""
        session.refuse(tag, "The filter cannot be used", code, allow_expunge=command.uid)
        return
    query, limit = limited(session, with_saved(command.query, session.saved))
    found = await search(session.needs.store, view, query, now=session.needs.clock.now())
    for uid in found.uid_set() if scripts else EMPTY:
        await _one(session, filtering, scripts, command, uid)
        if session.over:
            return
        await asyncio.sleep(0)  # a store in memory never waits
        if session.unsent >= ROOM:
            session.unsent = 0
            await session.conn.drain()
    session.finish(tag, "Filtered", limit, allow_expunge=command.uid)


async def _scripts(
    filtering: Filtering, account: int, command: extensions.Filter
) -> Sequence[Named]:
    name = command.given.decode("utf-8", "replace")
    match command.rules:
        case Rules.DELIVERY:
            return await filtering.usual(account)
        case Rules.PERSONAL:
            return await filtering.personal(account, name)
        case Rules.GLOBAL:
            return await filtering.shared(name)
        case Rules.SCRIPT:
            return filtering.given(command.given)


async def _one(
    session: Session,
    filtering: Filtering,
    scripts: Sequence[Named],
    command: extensions.Filter,
    uid: int,
) -> None:
    """Expunges wait until the end, so that the number is right all the time."""
    seq = session.selected.seq(uid)
    message = await _read(session, seq, uid)
    if message is None:
        return
    rights = frozenset(session.selected.rights)
    done = await filtering.apply(scripts, message, session.user, rights)
    errors, changed = done.errors, EMPTY
    if done.add or done.remove:
        refusal = await _flag(session, uid, done)
        changed = EMPTY if refusal else NumSet([(uid, uid)])
        errors = (refusal.text,) if refusal else errors
    session.sync(allow_expunge=False, echo=changed)
    if session.over or not (errors or done.warnings or done.acted or changed):
        return
    session.write(
        render.filtered(
            *(seq, command.tag),
            uid=uid if command.uid else 0,
            warnings=done.warnings,
            errors=errors,
            utf8=session.engine.utf8,
        )
    )


async def _read(session: Session, seq: int, uid: int) -> Stored | None:
    """The message as it is now; None when it is gone."""
    view, store = session.selected, session.needs.store
    bits = [row[2] for row in view.rows(NumSet([(seq, seq)]))]
    box, only = view.box, NumSet([(uid, uid)])
    async for batch in store.rows(box.account, box.id, only, (Column.BLOB, Column.INTERNALDATE)):
        for blob, date in batch:
            if bits and isinstance(blob, int) and isinstance(date, int):
                names = tuple(flag_names(bits[0], view.keywords))
                return Stored(box, uid, await store.read(blob), names, date)
    return None


async def _flag(session: Session, uid: int, done: Filtered) -> Refusal | None:
    """As far as the user may (RFC 4314 §4); a refusal leaves what was filed filed."""
    only = NumSet([(uid, uid)])
    for op, flags in ((FlagOp.ADD, done.add), (FlagOp.REMOVE, done.remove)):
        if flags:
            result = await session.needs.ops.store_flags(session.selected, only, op, flags)
            if isinstance(result, Refusal):
                return result
    return None


HANDLERS = {extensions.Filter: on_filter}
