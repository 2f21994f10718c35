"""What one connection was refused, gathered for the journal: a guesser's thousand recipients are
one story with a count, not a thousand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pillarbox.model.reply import Reply
from pillarbox.model.story import Judged, Refused
from pillarbox.model.transaction import Peer, Role

_NAMED = 20
"""Recipients of one story that are named; the others are counted."""


class Refusals:
    """Of one connection. ``flush`` at the end of each transaction."""

    def __init__(self, tell: Callable[[Refused], None], role: Role) -> None:
        self._tell = tell
        self._door = role.value
        self._gathered: dict[tuple[str, str], Refused] = {}

    def recipient(self, peer: Peer, sender: str, to: str, reply: Reply) -> None:
        """One RCPT was refused, or (``to`` '') MAIL was."""
        key = (sender, str(reply))
        before = self._gathered.get(key)
        if before is None:
            self._gathered[key] = self._refused(peer, sender, (to,) if to else (), reply)
            return
        full = len(before.to) >= _NAMED or to in before.to
        named = before.to if full else (*before.to, to)
        self._gathered[key] = replace(before, to=named, count=before.count + 1)

    def message(
        self,
        peer: Peer,
        sender: str,
        reply: Reply,
        *,
        trace: str,
        size: int,
        found: tuple[Judged, ...] = (),
    ) -> None:
        """A whole message was refused at its end."""
        refused = self._refused(peer, sender, (), reply)
        self._tell(replace(refused, trace=trace, size=size, found=found))

    def flush(self) -> None:
        """Hand over what was gathered."""
        for refused in self._gathered.values():
            self._tell(refused)
        self._gathered.clear()

    def _refused(self, peer: Peer, sender: str, to: tuple[str, ...], reply: Reply) -> Refused:
        return Refused(
            *("", self._door, str(reply), sender, to),
            ip=peer.ip,
            helo=peer.helo,
            tls=peer.tls,
            user=peer.user,
        )
