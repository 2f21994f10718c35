"""SORT and THREAD (RFC 5256), and SORT with return options (RFC 5267 §3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pillarbox.mailbox import threads
from pillarbox.mailbox.search import search
from pillarbox.mailbox.sort import Criterion, sort
from pillarbox.mailbox.table import table
from pillarbox.mailbox.threads import Messages, unhurried
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.numbers import page
from pillarbox.serve.imap.search import scores, with_saved
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.updating import keep, reuses_tag
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.commands import SearchReturn
from pillarbox.wire.imap.extensions import SortBy
from pillarbox.wire.imap.render import codes


async def on_sort(session: Session, command: extensions.Sort) -> None:
    """Search, then order what was found."""
    if reuses_tag(session, command):
        return
    view, store = session.selected, session.needs.store
    if command.modseq:
        session.enable("CONDSTORE")  # RFC 7162 §3.1.5
    query = with_saved(command.query, session.saved)
    found = await search(store, view, query, now=session.needs.clock.now())
    criteria = [Criterion(key.by.value, key.reverse) for key in command.keys]
    ranked = command.returns is not None and command.returns.relevancy
    ranked = ranked or any(key.by is SortBy.RELEVANCY for key in command.keys)
    relevancy = found.relevancy() if ranked else {}
    seqs = await sort(store, view, found.seqs(), criteria, relevancy)
    numbers = _numbers(view, seqs, uid=command.uid)
    modseq = found.highest_modseq() if command.modseq and numbers else None
    returns = command.returns
    if returns is None:
        session.write(render.sort(numbers, modseq))
    else:
        if returns.save:
            session.saved = NumSet.of(_to_save(_numbers(view, seqs, uid=True), returns))
        if returns != SearchReturn(save=True):
            ranks = [relevancy[seq] for seq in seqs] if returns.relevancy else []
            session.write(_extended(command, returns, numbers, modseq, ranks))
        uids = _numbers(view, seqs, uid=True) if returns.update else []
        keep(session, command, query, NumSet.of(uids), keys=criteria, order=uids)
    session.finish(command.tag, "Sorted", allow_expunge=command.uid)


def _numbers(view: View, seqs: Sequence[int], *, uid: bool) -> list[int]:
    return [view.uid(seq) for seq in seqs] if uid else list(seqs)


def _to_save(uids: Sequence[int], returns: SearchReturn) -> Iterable[int]:
    """What ``$`` becomes (the tables of RFC 5182 §2.4 and RFC 9394 §3.2)."""
    if returns.all or returns.count or not (returns.min or returns.max or returns.partial):
        return uids
    kept = set(page(uids, returns.partial) if returns.partial else ())
    if returns.min:
        kept.update(uids[:1])
    if returns.max:
        kept.update(uids[-1:])
    return kept


def _extended(
    command: extensions.Sort,
    returns: SearchReturn,
    numbers: list[int],
    modseq: int | None,
    ranks: Sequence[int],
) -> bytes:
    """ESEARCH in sorted order; MIN and MAX are the first and the last (RFC 5267 §3.1)."""
    partial = returns.partial
    return render.esearch(
        command.tag,
        uid=command.uid,
        low=numbers[0] if returns.min and numbers else None,
        high=numbers[-1] if returns.max and numbers else None,
        found=render.ordered(numbers) if returns.all else None,
        count=len(numbers) if returns.count else None,
        partial=partial,
        window=render.ordered(page(numbers, partial)) if partial else None,
        modseq=modseq,
        relevancy=scores(ranks, returns),
    )


_ALGORITHMS: dict[str, Callable[[Messages], threads.Steps]] = {
    "ORDEREDSUBJECT": threads.ordered_subject,
    "REFERENCES": threads.references,
    "REFS": threads.refs,
}


async def on_thread(session: Session, command: extensions.Thread) -> None:
    """Search, then put replies below what they answer."""
    limit = session.message_limit
    if limit and session.selected.exists > limit:
        code = codes.messagelimit(limit)  # RFC 9738 §3.3
        session.refuse(command.tag, "There are too many messages for threads", code)
        return
    view, store = session.selected, session.needs.store
    query = with_saved(command.query, session.saved)
    found = await search(store, view, query, now=session.needs.clock.now())
    all_of = await table(store, view, found.seqs(), threads.NAMES)
    question = (command.algorithm, command.uid)
    answer: bytes | None = all_of.recall(question)
    if answer is None:
        forest = await unhurried(_ALGORITHMS[command.algorithm](Messages(*all_of.columns)))
        numbers = _numbers(view, all_of.seqs, uid=command.uid)
        answer = render.thread(forest.roots, forest.below, list(map(str, numbers)))
        all_of.remember(question, answer)
    session.write(answer)
    session.finish(command.tag, "Threaded", allow_expunge=command.uid)


HANDLERS = {extensions.Sort: on_sort, extensions.Thread: on_thread}
