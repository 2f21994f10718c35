"""SEARCH and its extended answers."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.mailbox.search import Found, search
from pillarbox.model import query as q
from pillarbox.model.numset import EMPTY, NumSet
from pillarbox.serve.imap.numbers import page, window
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.updating import keep, reuses_tag
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import SearchReturn


async def on_search(session: Session, command: commands.Search) -> None:
    """RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 9394 §3.1."""
    if reuses_tag(session, command):
        return
    if command.modseq:
        session.enable("CONDSTORE")  # RFC 7162 §3.1.5
    query, limit = limited(session, with_saved(command.query, session.saved))
    returns = command.returns
    if returns is None and session.rev2:
        returns = SearchReturn(all=True)  # RFC 9051 §6.4.4: there is no SEARCH response
    try:
        found = await search(
            session.needs.store, session.selected, query, now=session.needs.clock.now()
        )
    except Exception:
        if returns is not None and returns.save:
            session.saved = EMPTY  # RFC 5182 §2.1
        raise
    modseq = found.highest_modseq() if command.modseq and len(found) else None
    if returns is None:
        session.write(render.search(found.numbers(uid=command.uid), modseq))
    else:
        if returns.save:
            session.saved = _to_save(found.uid_set(), returns)
        if returns != SearchReturn(save=True):  # RFC 5182 §2.1: nothing but SAVE, no answer
            session.write(_extended(command, returns, found, modseq))
        keep(session, command, query, found.uid_set())
    session.finish(command.tag, "Searched", limit, allow_expunge=command.uid)


def limited(session: Session, query: q.Query) -> tuple[q.Query, str]:
    """The query over no more messages than one command may be about, and the code that says so.

    Counted are the messages that are looked at, those found or not; sets of numbers at the top of
    the query say which these are (RFC 9738 §3.1).
    """
    view = session.selected
    seqs = NumSet([(1, view.exists)]) if view.exists else EMPTY
    for part in query.parts if isinstance(query, q.And) else (query,):
        match part:
            case q.Sequence(ranges=ranges):
                seqs = seqs & NumSet.merge(
                    (low or view.exists, high or view.exists) for low, high in ranges
                )
            case q.Uid(ranges=ranges):
                seqs = seqs & view.seqs_of_uids(ranges)
            case q.Saved(uids=uids) if uids is not None:
                seqs = seqs & view.seqs_of_uids(uids.ranges)
    kept, code = session.limited(seqs)
    return (q.And((q.Saved(view.exact_uids(kept)), query)), code) if code else (query, "")


def with_saved(query: q.Query, saved: NumSet) -> q.Query:
    """The query with every ``$`` filled in."""
    match query:
        case q.Saved():
            return q.Saved(saved)
        case q.And(parts=parts):
            return q.And(tuple(with_saved(part, saved) for part in parts))
        case q.Or(parts=parts):
            return q.Or(tuple(with_saved(part, saved) for part in parts))
        case q.Not(part=part):
            return q.Not(with_saved(part, saved))
        case _:
            return query


def _to_save(uids: NumSet, returns: SearchReturn) -> NumSet:
    """What ``$`` becomes (the tables of RFC 5182 §2.4 and RFC 9394 §3.2)."""
    if returns.all or returns.count or not (returns.min or returns.max or returns.partial):
        return uids
    kept = window(uids, returns.partial) if returns.partial else EMPTY
    if returns.min:
        kept = kept | window(uids, (1, 1))
    if returns.max:
        kept = kept | window(uids, (-1, -1))
    return kept


def _extended(
    command: commands.Search,
    returns: SearchReturn,
    found: Found,
    modseq: int | None,
) -> bytes:
    """ESEARCH with what RETURN asked for (RFC 4731 §3.1)."""
    numbers = found.uid_set() if command.uid else found.seqs()
    ranges = numbers.ranges
    return render.esearch(
        command.tag,
        uid=command.uid,
        low=ranges[0][0] if returns.min and ranges else None,
        high=ranges[-1][1] if returns.max and ranges else None,
        found=numbers if returns.all else None,
        count=len(found) if returns.count else None,
        partial=returns.partial,
        window=window(numbers, returns.partial) if returns.partial else None,
        modseq=modseq,
        relevancy=scores(list(found.relevancy().values()), returns) if returns.relevancy else (),
    )


def scores(found: Sequence[int], returns: SearchReturn) -> Sequence[int]:
    """Of scores in the order of the result those that go with the messages listed (RFC 6203
    §4)."""
    return page(found, returns.partial) if returns.partial and not returns.all else found


HANDLERS = {commands.Search: on_search}
