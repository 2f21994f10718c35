"""ESEARCH over several mailboxes (RFC 7377)."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.mailbox.access import Place
from pillarbox.mailbox.search import Found, search
from pillarbox.mailbox.view import View
from pillarbox.model import query as q
from pillarbox.model.mailbox import Mailbox
from pillarbox.serve.imap.numbers import window
from pillarbox.serve.imap.scopes import covers
from pillarbox.serve.imap.search import scores, with_saved
from pillarbox.serve.imap.session import Session
from pillarbox.serve.imap.updating import no_update
from pillarbox.wire.imap import extensions, render
from pillarbox.wire.imap.extensions import MailboxFilter

SELECTED = MailboxFilter("selected")


async def on_multi_search(session: Session, command: extensions.MultiSearch) -> None:
    """One ESEARCH response for each mailbox in which something was found."""
    sources = command.sources or (SELECTED,)
    defect = _defect(session, command, sources)
    if defect:
        session.write(render.bad(command.tag, defect))
        return
    if command.returns.update:
        no_update(session, command.tag)  # RFC 5267 §4.3.1: a SEARCH can have that
    for place in await places_of(session, sources):
        if "r" in place.rights:
            await _search_one(session, command, place)
    session.finish(command.tag, "Searched")


def _defect(
    session: Session, command: extensions.MultiSearch, sources: Sequence[MailboxFilter]
) -> str:
    """Why the command makes no sense here (RFC 7377 §2.2); '' when it does."""
    selected_only = all(source.kind == "selected" for source in sources)
    if any(source.kind == "selected" for source in sources) and session.view is None:
        return "No mailbox is selected"
    if not selected_only and (command.returns.save or _names_numbers(command.query)):
        return "SAVE, $ and message numbers are for the selected mailbox alone"
    if command.returns.update and session.view is None:
        return "UPDATE needs a selected mailbox"
    return ""


def _names_numbers(query: q.Query) -> bool:
    match query:
        case q.And(parts=parts) | q.Or(parts=parts):
            return any(_names_numbers(part) for part in parts)
        case q.Not(part=part):
            return _names_numbers(part)
        case q.Sequence() | q.Saved():
            return True
        case _:
            return False


async def mailboxes_of(session: Session, sources: Sequence[MailboxFilter]) -> list[Mailbox]:
    """The same as the user names them."""
    return [place.shown for place in await places_of(session, sources)]


async def places_of(session: Session, sources: Sequence[MailboxFilter]) -> list[Place]:
    """The mailboxes that filters mean, each once, in the order of the account's list, what others
    share behind it (RFC 5465 §6, RFC 7377 §2.2)."""
    user = session.user
    places = await session.needs.ops.access.visible(user)
    subscribed: set[str] = set()
    if any(source.kind == "subscribed" for source in sources):
        subscribed = set(await session.needs.store.subscriptions(user.id))
    selected = session.view.box.id if session.view else 0
    return [
        place
        for place in places
        if any(
            covers(
                source,
                place.name,
                own=place.own,
                subscribed=place.name in subscribed,
                selected=place.box.id == selected,
            )
            for source in sources
        )
    ]


async def _search_one(session: Session, command: extensions.MultiSearch, place: Place) -> None:
    views, store, box = session.needs.views, session.needs.store, place.box
    if session.view is not None and session.view.box.id == box.id:
        view: View | None = session.view
    else:
        view = await views.open(
            box.account, box.id, session=f"{session.conn.id}.{box.id}", read_only=True
        )
    if view is None:
        return
    try:
        query = with_saved(command.query, session.saved)
        found = await search(store, view, query, now=session.needs.clock.now())
        if len(found):
            session.write(_response(session, command, place.shown, found))
        if command.returns.save:
            session.saved = found.uid_set()
    finally:
        if view is not session.view:
            await views.close(view)


def _response(
    session: Session, command: extensions.MultiSearch, box: Mailbox, found: Found
) -> bytes:
    """Results are UIDs, with the mailbox they are from (RFC 7377 §2.1)."""
    returns, uids = command.returns, found.uid_set()
    return render.esearch(
        command.tag,
        uid=True,
        low=uids.ranges[0][0] if returns.min else None,
        high=uids.ranges[-1][1] if returns.max else None,
        found=uids if returns.all else None,
        count=len(found) if returns.count else None,
        partial=returns.partial,
        window=window(uids, returns.partial) if returns.partial else None,
        modseq=found.highest_modseq() if command.modseq else None,
        relevancy=scores(list(found.relevancy().values()), returns) if returns.relevancy else (),
        box=(box.name, box.uidvalidity),
        utf8=session.engine.utf8,
    )


HANDLERS = {extensions.MultiSearch: on_multi_search}
