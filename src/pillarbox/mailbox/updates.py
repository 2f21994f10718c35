"""What a session has to be told: the answer of ``View.sync``, as values.

The order in which a door says it: ``keywords`` (FLAGS and PERMANENTFLAGS), ``expunged`` (or
``vanished``), ``exists`` and RECENT, then ``flagged``. Numbers in ``flagged`` are those after the
expunges (RFC 3501 §7.4.1).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

from pillarbox.mailbox.arrays import positions
from pillarbox.mailbox.state import Entry, MailboxState
from pillarbox.model.change import Flagged
from pillarbox.model.numset import EMPTY, NumSet

FlagRow = tuple[int, int, int, int, int]
"""Sequence number, UID, flag bits, modseq, and 1 when only this very session changed it."""


@dataclass(frozen=True, slots=True)
class FlagRows:
    """Messages whose flags changed, by sequence number, as parallel arrays.

    ``own`` marks those that nobody but the session itself changed: after STORE .SILENT the client
    is not told of their flags (RFC 9051 §6.4.6), though of their modseq when it enabled
    CONDSTORE (RFC 7162 §3.1.3).
    """

    seqs: Sequence[int] = ()
    uids: Sequence[int] = ()
    flags: Sequence[int] = ()
    modseqs: Sequence[int] = ()
    own: bytes = b""

    def __len__(self) -> int:
        return len(self.seqs)

    def __iter__(self) -> Iterator[FlagRow]:
        return zip(self.seqs, self.uids, self.flags, self.modseqs, self.own, strict=True)

    def of(self, own: int) -> FlagRows:
        """Those that only the session itself changed (1), or the others (0)."""
        count = self.own.count(own)
        if count == len(self):
            return self
        if not count:
            return NO_ROWS
        picked = self.own if own else self.own.translate(_OTHERS)
        seqs, uids, flags, modseqs = (
            list(compress(column, picked))
            for column in (self.seqs, self.uids, self.flags, self.modseqs)
        )
        return FlagRows(seqs, uids, flags, modseqs, bytes([own]) * count)


_OTHERS: Final = bytes([1, 0]) + bytes(254)
NO_ROWS: Final = FlagRows()


@dataclass(frozen=True, slots=True)
class Updates:
    """Shared between sessions that have the same to hear: the same object, so that a door may
    keep what it rendered from it by identity. False when there is nothing to say."""

    expunged: Sequence[int] = ()
    """Sequence numbers, each valid when the ones before it have been sent: they descend."""
    vanished: NumSet = EMPTY
    """The same messages by UID (VANISHED, RFC 7162 §3.2.10)."""
    exists: int | None = None
    """The new number of messages, when some arrived."""
    flagged: FlagRows = NO_ROWS
    keywords: tuple[str, ...] | None = None
    """The mailbox's keywords, when there are new ones."""

    def __bool__(self) -> bool:
        return bool(
            self.expunged
            or self.exists is not None
            or len(self.flagged)
            or self.keywords is not None
        )


NOTHING = Updates()


@dataclass(frozen=True, slots=True)
class Memo:
    """An answer of ``sync`` and the place it was worked out for."""

    place: tuple[object, ...]
    before: array[int]
    """Compared by identity, and kept so that the identity stays its own."""
    updates: Updates


def descending(indexes: Sequence[int]) -> Sequence[int]:
    """Sequence numbers of ascending indexes, the last one first."""
    if isinstance(indexes, range):
        return range(indexes.stop, indexes.start, -1)
    return [index + 1 for index in reversed(indexes)]


@dataclass(frozen=True, slots=True)
class Touched:
    """Messages whose flags changed: UIDs, ascending, and an octet of 1 for each that nobody but
    the session itself changed."""

    uids: Sequence[int] = ()
    own: bytes = b""

    def also(self, uids: Sequence[int]) -> Touched:
        """These, and others that the session is told of in any case."""
        if not self.uids:
            return Touched(uids, bytes(len(uids)))
        if len(uids) == len(self.uids) and array("I", uids) == array("I", self.uids):
            return self
        own = dict.fromkeys(uids, 0)
        own.update(zip(self.uids, self.own, strict=True))
        return _touched(own)


NOT_TOUCHED: Final = Touched()


def _touched(own: dict[int, int]) -> Touched:
    uids = sorted(own)
    return Touched(uids, bytes(map(own.__getitem__, uids)))


def changed_by(entries: Sequence[Entry], session: str) -> Touched:
    """What a stretch of the log did to flags, as ``session`` sees it."""
    flagged = [entry for entry in entries if type(entry) is Flagged]
    if not flagged:
        return NOT_TOUCHED
    if len(flagged) == 1:  # often all of a mailbox: no look at each message
        (entry,) = flagged
        own = entry.origin == session and bool(session)
        return Touched(entry.uids, bytes([own]) * len(entry.uids))
    owners: dict[int, int] = {}
    for entry in flagged:
        own = entry.origin == session and bool(session)
        for uid in entry.uids:
            owners[uid] = own and owners.get(uid, True)
    return _touched(owners)


def changed_after(state: MailboxState, modseq: int) -> Touched:
    """The same for a session whose stretch of the log is lost: what has a later modseq."""
    uids = [state.uids[index] for index in state.changed_since(modseq)]
    return Touched(uids, bytes(len(uids)))


def flag_rows(
    state: MailboxState, touched: Touched, below: int, numbering: array[int] | None
) -> FlagRows:
    """Rows for the touched UIDs less than ``below``: newer ones the client has yet to fetch.

    ``numbering``: UIDs by sequence number, None when they are those of the state.
    """
    wanted = touched.uids[: bisect_left(touched.uids, below)]
    if not wanted:
        return NO_ROWS
    here = positions(state.uids, wanted, len(state.uids))
    uids, flags, modseqs = (_at(one, here) for one in (state.uids, state.flags, state.modseqs))
    seqs = here if numbering is None else positions(numbering, uids, len(numbering))
    own = touched.own[: len(wanted)]
    if len(here) < len(wanted):  # some have gone meanwhile
        there = set(uids)
        own = bytes(compress(own, [uid in there for uid in wanted]))
    return FlagRows(_from_one(seqs), uids, flags, modseqs, own)


def _at(values: array[int], indexes: Sequence[int]) -> array[int]:
    if isinstance(indexes, range):
        return values[indexes.start : indexes.stop]
    return array(values.typecode, [values[index] for index in indexes])


def _from_one(indexes: Sequence[int]) -> Sequence[int]:
    """Sequence numbers of indexes."""
    if isinstance(indexes, range):
        return range(indexes.start + 1, indexes.stop + 1)
    return array("I", [index + 1 for index in indexes])
