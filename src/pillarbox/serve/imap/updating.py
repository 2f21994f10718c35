"""The UPDATE return option and CANCELUPDATE (RFC 5267 §4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.mailbox.sort import Criterion
from pillarbox.model import query as q
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.contexts import Context, fixed
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import commands, extensions, render
from pillarbox.wire.imap.render import codes


def reuses_tag(session: Session, command: commands.Search | extensions.Sort) -> bool:
    """True, and the command is answered, when its tag names a search that is still kept."""
    asks = command.returns is not None and command.returns.update
    if not asks or command.tag not in session.contexts:
        return False
    session.write(render.bad(command.tag, "Tag reuse"))
    return True


def keep(
    session: Session,
    command: commands.Search | extensions.Sort,
    query: q.Query,
    found: NumSet,
    *,
    keys: Sequence[Criterion] = (),
    order: Sequence[int] = (),
) -> None:
    """Keep the result up to date if that is asked for; ``found`` and ``order`` are UIDs."""
    returns = command.returns
    if returns is None or not returns.update:
        return
    if any(key.name == "RELEVANCY" for key in keys):  # what comes later changes all scores
        no_update(session, command.tag)
        return
    context = Context(
        command.tag,
        command.uid,
        fixed(query, session.selected),
        found,
        tuple(keys),
        list(order),
        returns.update_items,
    )
    if not session.contexts.add(context):
        no_update(session, command.tag)


def no_update(session: Session, tag: str) -> None:
    """RFC 5267 §4.3.1."""
    session.write(render.no("*", "Too many results to follow", codes.noupdate(tag)))


async def on_cancel(session: Session, command: extensions.CancelUpdate) -> None:
    """RFC 5267 §4.3.5. Tags that name nothing (any more) are no error: a result may have been
    given up in the meantime."""
    session.contexts.cancel(command.searches)
    session.finish(command.tag, "No further updates")


HANDLERS = {extensions.CancelUpdate: on_cancel}
