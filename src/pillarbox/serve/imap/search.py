"""SEARCH and its extended answers."""

from __future__ import annotations

from pillarbox.mailbox.search import Found, search
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import commands, render
from pillarbox.wire.imap.commands import SearchReturn


async def on_search(session: Session, command: commands.Search) -> None:
    """RFC 9051 §6.4.4, RFC 4731."""
    view = session.selected
    if command.modseq:
        session.enabled.add("CONDSTORE")  # RFC 7162 §3.1.5
    found = await search(session.needs.store, view, command.query, now=session.needs.clock.now())
    numbers = found.uid_set() if command.uid else found.seqs()
    modseq = found.highest_modseq() if command.modseq and numbers else None
    if command.returns is None:
        session.write(render.search(numbers, modseq))
    else:
        session.write(_extended(command, command.returns, numbers, found, modseq))
    session.finish(command.tag, "Searched", allow_expunge=command.uid)


def _extended(
    command: commands.Search,
    returns: SearchReturn,
    numbers: NumSet,
    found: Found,
    modseq: int | None,
) -> bytes:
    """ESEARCH with what RETURN asked for (RFC 4731 §3.1)."""
    ranges = numbers.ranges
    return render.esearch(
        command.tag,
        uid=command.uid,
        low=ranges[0][0] if returns.min and ranges else None,
        high=ranges[-1][1] if returns.max and ranges else None,
        found=numbers if returns.all else None,
        count=len(found) if returns.count else None,
        modseq=modseq,
    )


HANDLERS = {commands.Search: on_search}
