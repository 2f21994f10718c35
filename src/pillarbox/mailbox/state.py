"""A mailbox in memory: parallel arrays shared by all sessions of the process, 20 bytes a message.

The state follows the store by its changes and never asks it again. What sessions have yet to be
told is not kept with each session: there is one log of changes, and a session has a position in
it (``view``). The log is bounded; a session that fell behind compares instead.

Sessions share the UID array as well. Arrivals are appended in place, which a session that knows
only the first n of it does not notice; an expunge makes a new array and leaves the old one to
those who still show the message (RFC 3501 §7.4.1).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from pillarbox.mailbox.arrays import (
    BLOCK,
    above,
    bit_mask,
    lacking,
    missing_indexes,
    positions,
    tops_of,
    with_zeros,
    without,
)
from pillarbox.mailbox.blocks import Blocks
from pillarbox.mailbox.kept import Shelf
from pillarbox.model.change import (
    AccessChanged,
    Added,
    Annotated,
    BoxChanged,
    BoxCreated,
    BoxDeleted,
    Change,
    Expunged,
    Flagged,
    arrivals,
)
from pillarbox.model.flags import SEEN
from pillarbox.store.api import Snapshot

LOG_ENTRIES = 512
LOG_UIDS = 20_000
"""Bounds of the log: changes, and UIDs in them together."""

DELETED = "deleted"
LOST = "lost"
"""Why a mailbox can no longer be shown: it was deleted; the store failed to load it again."""

Entry = Flagged | Expunged


class Watcher(Protocol):
    """A session that shows the mailbox."""

    @property
    def position(self) -> int:
        """Up to where in the log it has looked."""
        ...

    def wake(self) -> None:
        """Something happened. Must be quick and not raise."""
        ...


@dataclass(frozen=True, slots=True)
class Columns:
    """A view's messages at one moment as parallel arrays, for work that awaits in between.

    ``gone`` are the indexes (ascending) of messages that are no longer in the mailbox; their
    flags and modseq read 0.
    """

    uids: array[int]
    flags: array[int]
    modseqs: array[int]
    keywords: tuple[str, ...]
    gone: Sequence[int] = ()


class MailboxState:
    """One open mailbox. Only ``Views`` makes, feeds and drops it; views read it."""

    __slots__ = (
        "_entries",
        "_seen",
        "_tops",
        "_weight",
        "access",
        "announced",
        "blocks",
        "box",
        "claimed",
        "ended",
        "first",
        "flags",
        "generation",
        "highest_modseq",
        "keywords",
        "loaded_modseq",
        "memo",
        "modseqs",
        "shelf",
        "uidnext",
        "uids",
        "watchers",
    )

    def __init__(
        self, snapshot: Snapshot, shelf: Shelf | None = None, blocks: Blocks | None = None
    ) -> None:
        self.shelf = shelf or Shelf()
        """Where what is worked out of its messages is kept."""
        self.blocks = blocks or Blocks()
        """Where what was said of them is kept."""
        self.watchers: dict[Watcher, None] = {}
        self.announced = 0
        """Largest UID that a read-write session was told of: not \\Recent for later ones."""
        self.claimed = snapshot.box.recent_uid
        """UIDs below it are no longer \\Recent as far as the store knows."""
        self.access = 0
        """Counts changes of the access list."""
        self.generation = 0
        """Counts loads: positions of an older one mean nothing."""
        self.ended = ""
        """'' while the mailbox can be shown, else DELETED or LOST."""
        self.first = 0
        """Position of the oldest entry of the log."""
        self._entries: list[Entry] = []
        self._weight = 0
        self._take(snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        self.box = snapshot.box
        """For what identifies it (name, UIDVALIDITY, special use); counters are as loaded."""
        self.keywords = snapshot.box.keywords
        self.uids = snapshot.uids
        self.modseqs = snapshot.modseqs
        self.flags = snapshot.flags
        self.uidnext = snapshot.box.uidnext
        self.highest_modseq = snapshot.box.highest_modseq
        self.loaded_modseq = snapshot.box.highest_modseq
        self._tops = array("Q")
        """Largest modseqs of blocks, of those from the first on that are known."""
        self._seen = 0
        """So many of the first messages have \\Seen, all as far as they were looked at."""
        self.memo: object = None
        """The last answer a view worked out, for the next one in the same place."""

    def __len__(self) -> int:
        return len(self.uids)

    def index(self, uid: int) -> int:
        """Where ``uid`` is in the arrays, -1 when it is not there (any more)."""
        found = bisect_left(self.uids, uid)
        return found if found < len(self.uids) and self.uids[found] == uid else -1

    @property
    def end(self) -> int:
        """Position after the newest entry of the log."""
        return self.first + len(self._entries)

    def since(self, position: int) -> Sequence[Entry] | None:
        """Entries from ``position``; None when they are no longer all there."""
        if position < self.first:
            return None
        return self._entries[position - self.first :]

    def columns(self, uids: array[int], count: int) -> Columns:
        """Copies as a session numbers them that shows the first ``count`` of ``uids``."""
        gone = self._gone(uids, count)
        there = count - len(gone)
        return Columns(
            uids[:count],
            with_zeros(self.flags[:there], gone),
            with_zeros(self.modseqs[:there], gone),
            self.keywords,
            gone,
        )

    def flag_octets(self, uids: array[int], count: int) -> bytes:
        """The octets of the flags alone, numbered in the same way."""
        if uids is self.uids and count == len(self.flags):
            return self.flags.tobytes()
        gone = self._gone(uids, count)
        return with_zeros(self.flags[: count - len(gone)], gone).tobytes()

    def first_unseen(self) -> int:
        """Index of the first message without \\Seen; the number of messages when all have it.

        Looked for behind those that had it the last time: every SELECT asks.
        """
        flags, at, count = self.flags, self._seen, len(self.flags)
        while at < count and flags[at] & SEEN:
            block = flags[at : at + BLOCK]
            found = bit_mask(block.tobytes(), SEEN, unset=True).find(1)
            at += found if found >= 0 else len(block)
        self._seen = at
        return at

    def changed_in(self, uids: array[int], count: int, modseq: int) -> list[int]:
        """``changed_since`` for a session that shows the first ``count`` of ``uids``."""
        if uids is self.uids:
            found = self.changed_since(modseq)
            return found if count == len(uids) else [index for index in found if index < count]
        gone = self._gone(uids, count)
        return above(with_zeros(self.modseqs[: count - len(gone)], gone), modseq)

    def changed_since(self, modseq: int) -> list[int]:
        """Indexes of the messages with a larger modseq. A look at each block of them, once the
        largest of each is known: a tenth of a millisecond for a million."""
        tops_of(self.modseqs, self._tops)
        return above(self.modseqs, modseq, self._tops)

    def _gone(self, uids: array[int], count: int) -> list[int]:
        return [] if uids is self.uids else missing_indexes(uids, count, self.uids)

    # ------------------------------------------------------------------ following the store

    def apply(self, change: Change) -> bool:
        """Follow one change. False when it does not fit: the mailbox must be loaded again."""
        match change:
            case BoxCreated() | BoxChanged():
                self.box = change.box
                self._learn(change.box.keywords)
            case BoxDeleted():
                self.ended = DELETED
            case Annotated():
                return True
            case AccessChanged():
                self.access += 1
                self.wake()  # its sessions look whether they may go on
                return True
            case _ if change.modseq <= self.loaded_modseq:
                return True  # the snapshot has it already
            case Added():
                if not self._added(change):
                    return False
            case Flagged():
                if not self._flagged(change):
                    return False
            case Expunged():
                if not self._expunged(change):
                    return False
        self.highest_modseq = max(self.highest_modseq, change.modseq)
        self.memo = None
        self.wake()
        return True

    def reload(self, snapshot: Snapshot) -> None:
        """Begin anew from a snapshot; views find out by comparison what changed."""
        self.first = self.end
        self._entries = []
        self._weight = 0
        self._take(snapshot)
        self.generation += 1
        self.wake()

    def wake(self) -> None:
        """Tell every session that there is something to look at."""
        for watcher in tuple(self.watchers):
            watcher.wake()

    def _added(self, change: Added) -> bool:
        came = arrivals(change.messages)
        new = array("I", came.uids)
        ascend = isinstance(came.uids, range) or all(a < b for a, b in pairwise(new))
        if not new or new[0] < self.uidnext or not ascend:
            return not new
        del self._tops[len(self.uids) // BLOCK :]
        for uid, facts in zip(new, change.facts, strict=False):  # () where none are at hand
            self.blocks.arrived((self.box.account, self.box.id), uid, facts)
        self.uids += new
        self.flags += array("Q", came.flags)
        self.modseqs += array("Q", [change.modseq]) * len(new)
        self.uidnext = new[-1] + 1
        self._learn(change.keywords)
        return True

    def _flagged(self, change: Flagged) -> bool:
        uids = change.uids
        if not uids:
            return True
        found = positions(self.uids, uids, len(self.uids))
        if len(found) != len(uids):
            return False
        self._seen = min(self._seen, found[0])
        if isinstance(found, range):
            start, stop = found.start, found.stop
            self.flags[start:stop] = array("Q", change.flags)
            self.modseqs[start:stop] = array("Q", [change.modseq]) * len(uids)
            self._raise_tops(range(start // BLOCK, (stop - 1) // BLOCK + 1), change.modseq)
        else:
            for index, bits in zip(found, change.flags, strict=True):
                self.flags[index] = bits
                self.modseqs[index] = change.modseq
            self._raise_tops({index // BLOCK for index in found}, change.modseq)
        self._learn(change.keywords)
        self._note(change)
        return True

    def _expunged(self, change: Expunged) -> bool:
        if not change.uids:
            return True
        gone = positions(self.uids, change.uids, len(self.uids))
        if len(gone) != len(change.uids):
            return False
        del self._tops[gone[0] // BLOCK :]
        self._seen = min(self._seen, gone[0])
        self.uids = without(self.uids, gone)  # a new one: sessions may still show the old
        self.flags = lacking(self.flags, gone)
        self.modseqs = lacking(self.modseqs, gone)
        self._note(change)
        return True

    def _raise_tops(self, blocks: Iterable[int], modseq: int) -> None:
        for block in blocks:
            if block < len(self._tops):
                self._tops[block] = modseq

    def _learn(self, keywords: tuple[str, ...]) -> None:
        if len(keywords) > len(self.keywords):
            self.keywords = keywords
            self.box = replace(self.box, keywords=keywords)

    # ------------------------------------------------------------------ the log

    def _note(self, entry: Entry) -> None:
        if not self.watchers:  # nobody to tell: views to come begin after it
            self.first += len(self._entries) + 1
            self._entries.clear()
            self._weight = 0
            return
        self._entries.append(entry)
        self._weight += len(entry.uids)
        if len(self._entries) > LOG_ENTRIES or self._weight > LOG_UIDS:
            self._trim()

    def _trim(self) -> None:
        """Drop what every view has seen and, if that is not enough, the older half: slow ones
        then compare. The newest entry stays, so that a large change is told cheaply once."""
        seen = min((watcher.position for watcher in self.watchers), default=self.end)
        cut = max(seen - self.first, 0)
        rest = self._entries[cut:]
        if len(rest) > LOG_ENTRIES // 2 or sum(len(e.uids) for e in rest) > LOG_UIDS // 2:
            cut += (len(rest) + 1) // 2
        cut = min(cut, len(self._entries) - 1)
        self.first += cut
        del self._entries[:cut]
        self._weight = sum(len(e.uids) for e in self._entries)
