"""Telling a session of annotations that others change, after ENABLE METADATA (RFC 5464 §4.4)."""

from __future__ import annotations

from collections.abc import Iterable

from pillarbox.base.signal import Signal
from pillarbox.bus.api import Bus
from pillarbox.mailbox.access import Access
from pillarbox.model.account import Account
from pillarbox.model.change import SERVER, Annotated, Change
from pillarbox.wire.imap import render

NEEDS, ANY_OF = "l", "rswip"
"""Rights to a mailbox that its annotations take (RFC 5464 §3.3)."""
MOST = 10_000
"""Entries noted for a client that never listens; what is beyond them it must find out itself."""


class Watch:
    """What was changed and not told yet. ``close`` it."""

    def __init__(self, bus: Bus, user: Account, session: str, others: Iterable[int]) -> None:
        """``session``: its own changes are not told. ``others``: accounts that share mailboxes
        with ``user`` now."""
        self.changed = Signal()
        self._user = user
        self._session = session
        self._count = 0
        self._noted: dict[tuple[int, int], dict[str, None]] = {}
        accounts = dict.fromkeys((user.id, SERVER, *others))
        self._places = [bus.subscribe(self._hear, account=account) for account in accounts]

    def close(self) -> None:
        """Hear no more."""
        for place in self._places:
            place.close()

    def _hear(self, change: Change) -> None:
        if not isinstance(change, Annotated) or change.origin == self._session:
            return
        if change.user not in (0, self._user.id) or self._count >= MOST:
            return
        noted = self._noted.setdefault((change.account, change.mailbox), {})
        before = len(noted)
        noted.update(dict.fromkeys(change.entries))
        self._count += len(noted) - before
        self.changed.set()

    async def told(self, access: Access, *, utf8: bool) -> bytes:
        """The responses for what is noted, as far as the user may know of it."""
        noted, self._noted, self._count = self._noted, {}, 0
        self.changed.clear()
        out = []
        for (account, mailbox), entries in noted.items():
            name = await self._name(access, account, mailbox)
            if name is not None:
                out.append(render.metadata_changed(name, list(entries), utf8=utf8))
        return b"".join(out)

    async def _name(self, access: Access, account: int, mailbox: int) -> str | None:
        """'' for the server, None where there is nothing to know."""
        if not mailbox:
            return "" if account in (SERVER, self._user.id) else None
        place = await access.place(self._user, account, mailbox)
        if place is None or not (place.rights >= set(NEEDS) and place.rights & set(ANY_OF)):
            return None
        return place.name
