"""One mailbox's LIST response, as it is sent without a LIST command."""

from __future__ import annotations

from pillarbox.serve.imap import tree
from pillarbox.serve.imap.session import Session
from pillarbox.wire.imap import render


async def list_line(session: Session, name: str, *, supplied: str = "") -> bytes:
    """LIST with all attributes; ``supplied`` is the name that the client knew it by (OLDNAME,
    RFC 9051 §6.3.9.7). A name that is no mailbox is \\NonExistent."""
    places = await session.needs.ops.access.visible(session.user)
    subscribed = await session.needs.store.subscriptions(session.user.id)
    entry = tree.one([place.shown for place in places], subscribed, name)
    utf8 = session.engine.utf8
    return render.list_(entry.attributes, name, utf8=utf8, old_name=supplied)
