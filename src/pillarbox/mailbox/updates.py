"""What a session has to be told: the answer of ``View.sync``, as values.

The order in which a door says it: ``keywords`` (FLAGS and PERMANENTFLAGS), ``expunged`` (or
``vanished``), ``exists`` and RECENT, then ``flagged``. Numbers in ``flagged`` are those after the
expunges (RFC 3501 §7.4.1).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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

    seqs: array[int] = field(default_factory=lambda: array("I"))
    uids: array[int] = field(default_factory=lambda: array("I"))
    flags: array[int] = field(default_factory=lambda: array("Q"))
    modseqs: array[int] = field(default_factory=lambda: array("Q"))
    own: bytes = b""

    def __len__(self) -> int:
        return len(self.seqs)

    def __iter__(self) -> Iterator[FlagRow]:
        return zip(self.seqs, self.uids, self.flags, self.modseqs, self.own, strict=True)


NO_ROWS = FlagRows()


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


Touched = dict[int, bool]
"""UIDs whose flags changed; True when nobody but the session itself changed them."""


def changed_by(entries: Sequence[Entry], session: str) -> Touched:
    """What a stretch of the log did to flags, as ``session`` sees it."""
    touched: Touched = {}
    for entry in entries:
        if type(entry) is Flagged:
            own = entry.origin == session and bool(session)
            for uid in entry.uids:
                touched[uid] = own and touched.get(uid, True)
    return touched


def changed_after(state: MailboxState, modseq: int) -> Touched:
    """The same for a session whose stretch of the log is lost: what has a later modseq."""
    return {state.uids[index]: False for index in state.changed_since(modseq)}


def flag_rows(
    state: MailboxState, touched: Touched, below: int, numbering: array[int] | None
) -> FlagRows:
    """Rows for the touched UIDs less than ``below``: newer ones the client has yet to fetch.

    ``numbering``: UIDs by sequence number, None when they are those of the state.
    """
    if not touched:
        return NO_ROWS
    wanted = [uid for uid in sorted(touched) if uid < below]
    here = positions(state.uids, wanted, len(state.uids))
    uids = array("I", [state.uids[index] for index in here])
    seqs = here if numbering is None else positions(numbering, uids, len(numbering))
    return FlagRows(
        array("I", [index + 1 for index in seqs]),
        uids,
        array("Q", [state.flags[index] for index in here]),
        array("Q", [state.modseqs[index] for index in here]),
        bytes([touched[uid] for uid in uids]),
    )
