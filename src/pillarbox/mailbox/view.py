"""One session's look at a mailbox: its own numbering, and what it has yet to be told.

Sequence numbers are a promise to one client. They change only in ``sync``, which a door calls
where the protocol allows it: with ``allow_expunge`` False in answer to FETCH, STORE and SEARCH
(RFC 3501 §5.5, §7.4.1), True in answer to anything else and while IDLE. Between two calls the
numbers stand still, whatever happens to the mailbox.

Flags and modseqs are always the mailbox's present ones. A message that is gone but not yet
reported keeps its number; whoever asks for it finds it missing (RFC 2180 §4.1).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from pillarbox.base.signal import Signal
from pillarbox.mailbox.arrays import bit_mask, missing_indexes, numbers_at, picked, positions
from pillarbox.mailbox.state import Columns, MailboxState
from pillarbox.mailbox.updates import (
    NOTHING,
    Memo,
    Updates,
    changed_after,
    changed_by,
    descending,
    flag_rows,
)
from pillarbox.model.change import Expunged, Flagged
from pillarbox.model.flags import SEEN, SYSTEM_FLAGS
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import EMPTY, NumSet, resolve
from pillarbox.model.rights import ALL, Rights, permanent

Ranges = Iterable[tuple[int, int]]
"""Unresolved ranges as ``numset.parse_ranges`` gives them."""


class View:
    """Made by ``Views.open``; belongs to one session and to the loop of its mailbox."""

    __slots__ = (
        "_generation",
        "_gone",
        "_keywords",
        "_modseq",
        "_uidnext",
        "access",
        "by",
        "changed",
        "count",
        "id",
        "position",
        "read_only",
        "recent_from",
        "rights",
        "state",
        "uids",
    )

    def __init__(
        self,
        state: MailboxState,
        session: str,
        *,
        read_only: bool = False,
        recent_from: int = 0,
        rights: Rights = ALL,
    ) -> None:
        self.state = state
        self.id, self.by = session, f"imap {session}"
        """Names the session in ``Flagged.origin``; who acts, in words, for the journal."""
        self.read_only = read_only
        self.rights = rights
        """What the session may do here (RFC 4314)."""
        self.access = state.access
        """How often the mailbox's access list had changed when they were looked up."""
        self.recent_from = recent_from
        """Messages from this UID on are \\Recent here."""
        self.changed = Signal()
        """Up when there may be something to say; ``sync`` lowers it. Watch it for IDLE."""
        self._gone: list[Expunged] = []
        """Expunges that the client has not been told of because it was not allowed."""
        self._arrive()

    def _arrive(self) -> None:
        """Be where the mailbox is."""
        state = self.state
        self.uids = state.uids
        """Ascending; only the first ``count`` are this session's."""
        self.count = len(state.uids)
        self._adopt_position()

    def _adopt_position(self) -> None:
        state = self.state
        self.position = state.end
        self._generation = state.generation
        self._uidnext = state.uidnext
        self._modseq = state.highest_modseq
        self._keywords = state.keywords
        if not self.read_only:
            state.announced = max(state.announced, state.uidnext - 1)

    # ------------------------------------------------------------------ what the client knows

    @property
    def box(self) -> Mailbox:
        """The mailbox; its counters are as loaded, use the view's own."""
        return self.state.box

    @property
    def ended(self) -> str:
        """'' while all is well; 'deleted' or 'lost' when the session cannot go on with it."""
        return self.state.ended

    @property
    def exists(self) -> int:
        """Number of messages as last told."""
        return self.count

    @property
    def recent(self) -> int:
        """How many of them are \\Recent for this session."""
        return self.count - bisect_left(self.uids, self.recent_from, 0, self.count)

    @property
    def uidnext(self) -> int:
        """All UIDs the client may have heard of are below it."""
        return self._uidnext

    @property
    def keywords(self) -> tuple[str, ...]:
        """The mailbox's keywords, which name the bits; newer ones than told included."""
        return self.state.keywords

    @property
    def told_modseq(self) -> int:
        """Everything up to this modseq has been told: the HIGHESTMODSEQ that loses nothing.

        While an expunge is held back it stays below it (RFC 7162 §3.2).
        """
        if self._gone:
            return min(change.modseq for change in self._gone) - 1
        return self._modseq

    @property
    def behind(self) -> bool:
        """True when ``told_modseq`` is less than a FETCH may now show as MODSEQ."""
        return bool(self._gone) or self.position != self.state.end

    def flag_names(self) -> tuple[str, ...]:
        """For the FLAGS response: what messages here can have (RFC 9051 §7.3.5)."""
        return (*SYSTEM_FLAGS, *self.state.keywords)

    def permanent_flags(self) -> tuple[str, ...]:
        """For PERMANENTFLAGS: what the client can change (RFC 9051 §7.1)."""
        return () if self.read_only else permanent(self.state.keywords, self.rights)

    def new_keywords(self) -> tuple[str, ...] | None:
        """Keywords the client must hear of before it sees flags; None when it knows them all."""
        if self._keywords == self.state.keywords:
            return None
        self._keywords = self.state.keywords
        return self._keywords

    def first_unseen(self) -> int:
        """Sequence number of the first message without \\Seen, 0 when all have it."""
        state = self.state
        if self.uids is state.uids and self.count == len(state.flags):
            found = state.first_unseen()
            return found + 1 if found < self.count else 0
        return bit_mask(self.flag_octets(), SEEN, unset=True).find(1) + 1

    # ------------------------------------------------------------------ numbers

    def seqs(self, ranges: Ranges) -> NumSet | None:
        """The sequence numbers that ranges mean; None when they name one that does not exist,
        which is a client's error outside of SEARCH (RFC 9051 §9, seq-number)."""
        found = resolve(ranges, self.count)
        if found and found.ranges[-1][1] > self.count:
            return None
        return found

    def seqs_of_uids(self, ranges: Ranges) -> NumSet:
        """The sequence numbers of the UIDs that exist here; others mean nothing (RFC 9051
        §6.4.9)."""
        uids, count = self.uids, self.count
        found = []
        for low, high in resolve(ranges, uids[count - 1] if count else 0).ranges:
            start = bisect_left(uids, low, 0, count)
            stop = bisect_right(uids, high, start, count)
            if start < stop:
                found.append((start + 1, stop))
        return NumSet.merge(found)

    def uids_of(self, seqs: NumSet) -> NumSet:
        """UIDs of sequence numbers, as ranges that may span UIDs nobody has: what the store wants.

        No message arrives within such a range, new UIDs are larger than all.
        """
        uids, count = self.uids, self.count
        return NumSet.merge(
            (uids[low - 1], uids[min(high, count) - 1]) for low, high in seqs.ranges if low <= count
        )

    def exact_uids(self, seqs: NumSet) -> NumSet:
        """UIDs of sequence numbers and no others: what a client may be shown."""
        uids, count = self.uids, self.count
        slices = [range(low - 1, min(high, count)) for low, high in seqs.ranges]
        # Between two of them is a number that is not asked for, and its UID.
        return NumSet([one for some in slices for one in numbers_at(uids, some).ranges])

    def uid(self, seq: int) -> int:
        """UID of a sequence number between 1 and ``exists``."""
        if not 0 < seq <= self.count:
            raise IndexError(seq)
        return self.uids[seq - 1]

    def seq(self, uid: int) -> int:
        """Sequence number of a UID, 0 when this session does not show it."""
        found = bisect_left(self.uids, uid, 0, self.count)
        return found + 1 if found < self.count and self.uids[found] == uid else 0

    # ------------------------------------------------------------------ flags

    def rows(self, seqs: NumSet) -> Iterator[tuple[int, int, int, int]]:
        """Sequence number, UID, flag bits and modseq of the messages still there, ascending.

        Take it to the end before anything is awaited.
        """
        state, uids = self.state, self.uids
        for low, high in seqs.ranges:
            high = min(high, self.count)
            if uids is state.uids:
                start = low - 1
                yield from zip(
                    range(low, high + 1),
                    uids[start:high],
                    state.flags[start:high],
                    state.modseqs[start:high],
                    strict=False,
                )
                continue
            for seq in range(low, high + 1):
                index = state.index(uids[seq - 1])
                if index >= 0:
                    yield seq, uids[seq - 1], state.flags[index], state.modseqs[index]

    def columns(self) -> Columns:
        """Copies of the arrays as this session numbers them."""
        return self.state.columns(self.uids, self.count)

    def flag_octets(self) -> bytes:
        """The flags as octets of an array 'Q', for ``arrays.bit_mask``."""
        return self.state.flag_octets(self.uids, self.count)

    def changed_since(self, modseq: int, seqs: NumSet | None = None) -> NumSet:
        """Those of ``seqs`` (None: all) whose modseq is larger (CHANGEDSINCE, RFC 7162
        §3.1.4.1)."""
        state = self.state
        if modseq >= state.highest_modseq:
            return EMPTY
        found = NumSet.of(i + 1 for i in state.changed_in(self.uids, self.count, modseq))
        return found if seqs is None else found & seqs

    # ------------------------------------------------------------------ telling

    def wake(self) -> None:
        """Called by the mailbox when something happened to it."""
        self.changed.set()

    def pending(self) -> bool:
        """True when ``sync(allow_expunge=True)`` would say something, or might."""
        state = self.state
        return (
            self._uidnext != state.uidnext
            or self.position != state.end
            or bool(self._gone)
            or self._generation != state.generation
            or self._keywords != state.keywords
        )

    def sync(self, *, allow_expunge: bool, echo: NumSet = EMPTY) -> Updates:
        """Move on to what the mailbox is now, and return what the client must be told of it.

        ``allow_expunge`` False holds expunges back for a later call, the rest is told.
        ``echo``: UIDs whose flags are wanted even if they did not change, as STORE without
        .SILENT does.
        """
        self.changed.clear()
        if not echo and not self.pending():
            return NOTHING
        entries = self._entries()
        if echo or self._gone or self._did(entries):
            updates = self._advance(entries, allow_expunge, echo)
        else:
            updates = self._advance_together(entries, allow_expunge)
        if self._gone:
            self.changed.set()  # an IDLE that follows has them to say at once
        return updates

    def _advance_together(
        self, entries: Sequence[Flagged | Expunged] | None, allow_expunge: bool
    ) -> Updates:
        """Hundreds of sessions in the same place hear the same: it is worked out once."""
        before = self.uids
        place = (
            self.count,
            self.position,
            self._uidnext,
            self._generation,
            self._keywords,
            allow_expunge,
        )
        memo = self.state.memo
        if isinstance(memo, Memo) and memo.before is before and memo.place == place:
            self._arrive()
            return memo.updates
        updates = self._advance(entries, allow_expunge, EMPTY)
        if not self._gone:
            self.state.memo = Memo(place, before, updates)
        return updates

    def _entries(self) -> Sequence[Flagged | Expunged] | None:
        """The log from here; None when it does not reach back so far."""
        if self._generation != self.state.generation:
            return None
        return self.state.since(self.position)

    def _did(self, entries: Sequence[Flagged | Expunged] | None) -> bool:
        """True when this session itself caused one of the entries."""
        return any(type(e) is Flagged and e.origin == self.id for e in entries or ())

    def _advance(
        self, entries: Sequence[Flagged | Expunged] | None, allow_expunge: bool, echo: NumSet
    ) -> Updates:
        state = self.state
        if entries is None:
            touched = changed_after(state, self._modseq)
        else:
            touched = changed_by(entries, self.id)
        gone = self._gone_indexes(entries)
        keywords = self.new_keywords()
        known, known_uidnext = self.count, self._uidnext
        old = self.uids
        expunged: Sequence[int] = ()
        vanished = EMPTY
        if gone and not allow_expunge:
            # The dead keep their numbers; arrivals come behind them, in an array of our own.
            arrivals = state.uids[bisect_left(state.uids, known_uidnext) :]
            if arrivals:
                self.uids = old[:known] + arrivals
                self.count = len(self.uids)
            self._adopt_position()
        else:
            if gone:
                expunged, vanished = descending(gone), numbers_at(old, gone)
            self._gone = []
            self._arrive()
        grown = self.count > known - len(expunged)
        if echo:
            touched = touched.also(picked(self.uids, self.count, echo))
        aligned = self.uids is state.uids
        return Updates(
            expunged=expunged,
            vanished=vanished,
            exists=self.count if grown else None,
            flagged=flag_rows(state, touched, known_uidnext, None if aligned else self.uids),
            keywords=keywords,
        )

    def _gone_indexes(self, entries: Sequence[Flagged | Expunged] | None) -> Sequence[int]:
        """Indexes of this session's messages that the mailbox no longer has, ascending."""
        if entries is None:
            gone = missing_indexes(self.uids, self.count, self.state.uids)
            self._gone = [self._unknown_expunge(gone)] if gone else []
            return gone
        self._gone += [entry for entry in entries if type(entry) is Expunged]
        uids = self._gone[0].uids if self._gone else ()
        if len(self._gone) > 1:
            uids = sorted([uid for change in self._gone for uid in change.uids])
        found = positions(self.uids, uids, self.count)
        if not found:
            self._gone = []
        return found

    def _unknown_expunge(self, gone: Sequence[int]) -> Expunged:
        """Stands for expunges whose modseqs were forgotten: one after what was told."""
        box = self.state.box
        uids = [self.uids[index] for index in gone]
        return Expunged(box.account, box.id, self.told_modseq + 1, uids)
