"""What an IMAP URL means to a session: octets of a message, or of a part of one (RFC 4469 §3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pillarbox.mailbox import fetchplan
from pillarbox.mailbox.fetch import fetch, pieces
from pillarbox.mailbox.fetchplan import Large
from pillarbox.mailbox.view import View
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.serve.imap.session import Session
from pillarbox.store.api import Blobs
from pillarbox.wire.imap.url import MessageUrl, message_url


@dataclass(frozen=True, slots=True)
class Part:
    """Octets that are there."""

    value: bytes | Large

    @property
    def size(self) -> int:
        """Octets."""
        return self.value.size if isinstance(self.value, Large) else len(self.value)

    async def pieces(self, store: Blobs) -> AsyncIterator[bytes]:
        """The octets, a bounded number at a time."""
        if isinstance(self.value, Large):
            async for piece in pieces(store, self.value):
                yield piece
        else:
            yield self.value


@asynccontextmanager
async def found(session: Session, text: str) -> AsyncIterator[Part | None]:
    """The part that the URL means, None when there is none that the user may read."""
    selected = session.selected_name if session.view is not None else ""
    url = message_url(text, selected)
    place = (
        None if url is None else await session.needs.ops.access.find(session.user, url.mailbox, "r")
    )
    if url is None or place is None or isinstance(place, Refusal):
        yield None
        return
    box, views, view = place.box, session.needs.views, session.view
    if url.uidvalidity not in (0, box.uidvalidity):
        yield None
        return
    if view is not None and view.box.id == box.id:
        yield await _read(session, view, url)
        return
    session_id = f"{session.conn.id}.url"
    other = await views.open(box.account, box.id, session=session_id, read_only=True)
    if other is None:
        yield None
        return
    try:
        yield await _read(session, other, url)
    finally:
        await views.close(other)


async def _read(session: Session, view: View, url: MessageUrl) -> Part | None:
    seq, section = view.seq(url.uid), url.section
    if not seq:
        return None
    names = tuple(name.lower().encode() for name in section.fields)
    item = fetchplan.Section(section.path, section.what, names, section.partial)
    plan = fetchplan.plan([item])
    async for rows in fetch(session.needs.store, view, plan, NumSet([(seq, seq)])):
        for _, value in rows:
            if isinstance(value, (bytes, Large)):
                return Part(value)
    return None
