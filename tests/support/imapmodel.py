"""What IMAP mailboxes are, in a page: the reference that real sessions are held to.

Plain sets and dicts, everything worked out anew each time. One modseq an account, taken by every
change (RFC 7162 §3.1.1); what is expunged is remembered with it until it is pruned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

Flags = frozenset[str]


@dataclass
class Message:
    flags: Flags
    modseq: int


@dataclass
class Box:
    """A mailbox; ``gone``: UIDs that were expunged, and the modseq of that."""

    uidvalidity: int
    messages: dict[int, Message] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    uidnext: int = 1
    floor: int = 0
    """Expunges up to this modseq may be forgotten."""

    def uids(self) -> list[int]:
        return sorted(self.messages)

    def never(self) -> set[int]:
        """UIDs that no message has now, of those given out."""
        return set(range(1, self.uidnext)) - set(self.messages)

    def vanished(self, modseq: int) -> set[int]:
        """What a client that was here at ``modseq`` must forget."""
        return {uid for uid, at in self.gone.items() if at > modseq}


@dataclass
class Model:
    """One account's mailboxes by name."""

    modseq: int
    boxes: dict[str, Box] = field(default_factory=dict)

    def tick(self) -> int:
        self.modseq += 1
        return self.modseq

    def add(self, box: Box, flags: Iterable[Flags], modseq: int) -> list[int]:
        uids = []
        for some in flags:
            uids.append(box.uidnext)
            box.messages[box.uidnext] = Message(some, modseq)
            box.uidnext += 1
        return uids

    def append(self, name: str, flags: Flags) -> int:
        return self.add(self.boxes[name], [flags], self.tick())[0]

    def store(
        self, box: Box, uids: Collection[int], op: str, flags: Flags, since: int | None
    ) -> set[int]:
        """UIDs left alone because they changed after ``since``."""
        there = [uid for uid in uids if uid in box.messages]
        failed = {uid for uid in there if since is not None and box.messages[uid].modseq > since}
        change = {}
        for uid in set(there) - failed:
            old = box.messages[uid].flags
            new = {"+": old | flags, "-": old - flags, "": flags}[op]
            if new != old:
                change[uid] = new
        if change:
            modseq = self.tick()
            for uid, new in change.items():
                box.messages[uid] = Message(new, modseq)
        return failed

    def expunge(self, box: Box, uids: Collection[int] | None = None) -> list[int]:
        """What went: with \\Deleted, and among ``uids``."""
        found = [
            uid
            for uid, message in sorted(box.messages.items())
            if "\\Deleted" in message.flags and (uids is None or uid in uids)
        ]
        if found:
            self._remove(box, found, self.tick())
        return found

    def _remove(self, box: Box, uids: Collection[int], modseq: int) -> None:
        for uid in uids:
            del box.messages[uid]
            box.gone[uid] = modseq

    def copy(self, box: Box, uids: Collection[int], to: Box, *, move: bool) -> list[int]:
        """UIDs of the source that were there."""
        found = sorted(uid for uid in uids if uid in box.messages)
        if found:
            modseq = self.tick()
            self.add(to, [box.messages[uid].flags for uid in found], modseq)
            if move:
                self._remove(box, found, modseq)
        return found

    def relocate(self, box: Box, to: Box) -> None:
        """All of it, under the modseq of the last change: a part of RENAME INBOX."""
        self.add(to, [box.messages[uid].flags for uid in box.uids()], self.modseq)
        self._remove(box, box.uids(), self.modseq)

    def prune(self) -> None:
        """All expunges are forgotten."""
        for box in self.boxes.values():
            box.floor = max([box.floor, *box.gone.values()])
            box.gone.clear()
