"""A POP3 session's maildrop: a listing fixed at login, and deletions done all at once at the end.

RFC 1939 §3: numbers and sizes stand still for the session, no second session is let in, and
nothing is deleted unless the client says QUIT.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final, Protocol, cast

from pillarbox.mailbox.arrays import bit_mask, spans
from pillarbox.model.account import Pop3Mode
from pillarbox.model.flags import POP3_HIDDEN, FlagSet
from pillarbox.model.mailbox import INBOX, Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.store.api import Blobs, Column, FlagOp, Folded, Mail, Mailboxes

IN_USE: Final = Refusal(Kind.IN_USE, "another session has the maildrop open")
GONE: Final = Refusal(Kind.STALE, "the message was deleted by another program")
NO_INBOX: Final = Refusal(Kind.NONEXISTENT, "there is no mailbox")
ARCHIVE: Final = "Archive"
ARCHIVE_USE: Final = "\\Archive"

AHEAD_MESSAGES: Final = 32
AHEAD_OCTETS: Final = 512 * 1024
"""What is read beyond the message a client asks for, once it takes one after the other: most
take all, and a read a message costs more than the message. Bounds what a client that stops in
between holds of us: half of it or less, since what was read ahead stays packed."""

_READ: Final = (Column.UID, Column.FOLDED, Column.BLOB)

KEPT_MESSAGES: Final = 1_000_000
"""Messages in remembered listings: 8 MB."""


class Keeper(Mail, Mailboxes, Blobs, Protocol):
    """What is needed of the store."""


@dataclass(frozen=True, slots=True)
class _Listing:
    modseq: int
    uidvalidity: int
    uids: array[int]
    sizes: array[int]
    octets: int


class Maildrops:
    """Opens maildrops, one session an account. One for a process: the process that owns an
    account is the only one to open its maildrop."""

    def __init__(self, store: Keeper, *, kept_messages: int = KEPT_MESSAGES) -> None:
        self._store = store
        self._open: set[int] = set()
        self._kept_messages = kept_messages
        # Clients ask every few minutes and mostly nothing happened: the last listing will do.
        self._listings: OrderedDict[int, _Listing] = OrderedDict()

    async def open(self, account: int, mode: Pop3Mode, by: str = "pop3") -> Maildrop | Refusal:
        """The INBOX as POP3 shows it. ``close`` it whatever happens. ``by``: who reads it, in
        words, for those who ask later what happened to a message."""
        if account in self._open:
            return IN_USE  # RFC 2449 §8.1.1
        self._open.add(account)
        try:
            box = await self._store.mailbox_by_name(account, INBOX)
            listing = None if box is None else await self._listing(box)
        except BaseException:
            self._open.discard(account)
            raise
        if box is None or listing is None:
            self._open.discard(account)
            return NO_INBOX
        return Maildrop(self._store, self._open, box, listing, mode, by)

    async def _listing(self, box: Mailbox) -> _Listing | None:
        known = self._listings.pop(box.id, None)
        if known is None or known.modseq != box.highest_modseq:
            known = await self._read(box)
        if known is not None:
            self._listings[box.id] = known
            total = sum(len(listing.uids) for listing in self._listings.values())
            while total > self._kept_messages:
                total -= len(self._listings.popitem(last=False)[1].uids)
        return known

    async def _read(self, box: Mailbox) -> _Listing | None:
        snapshot = await self._store.load(box.account, box.id)
        if snapshot is None:
            return None
        shown = bit_mask(snapshot.flags.tobytes(), POP3_HIDDEN, unset=True)
        uids, sizes = array("I"), array("Q")
        ranges = NumSet([(snapshot.uids[a], snapshot.uids[b - 1]) for a, b in spans(shown)])
        columns = (Column.UID, Column.SIZE)
        async for batch in self._store.rows(box.account, box.id, ranges, columns):
            for uid, size in batch:
                if isinstance(uid, int) and isinstance(size, int):
                    uids.append(uid)
                    sizes.append(size)
        # What went between the two reads raised the mailbox's modseq: then it is read again.
        modseq = snapshot.box.highest_modseq
        return _Listing(modseq, box.uidvalidity, uids, sizes, sum(sizes))


class Maildrop:
    """One session. Numbers count from 1 and stay, deleted or not."""

    __slots__ = (
        "_ahead",
        "_by",
        "_count",
        "_deleted",
        "_listing",
        "_octets",
        "_open",
        "_step",
        "_store",
        "box",
        "mode",
    )

    def __init__(
        self,
        store: Keeper,
        opened: set[int],
        box: Mailbox,
        listing: _Listing,
        mode: Pop3Mode,
        by: str,
    ) -> None:
        self._store = store
        self._by = by
        self._open: set[int] | None = opened
        self.box = box
        self.mode = mode
        self._listing = listing
        self.reset()
        self._ahead: dict[int, Folded] = {}  # by number: read already, not asked for yet
        self._step = (0, 1)  # the number that would go on in order, and how many to read then

    def __len__(self) -> int:
        """Highest number, deleted ones included."""
        return len(self._deleted)

    def has(self, number: int) -> bool:
        """True for a message that is there and not marked as deleted."""
        return 0 < number <= len(self._deleted) and not self._deleted[number - 1]

    def stat(self) -> tuple[int, int]:
        """Count and octets without the deleted ones (RFC 1939 §5)."""
        return self._count, self._octets

    def listing(self) -> Iterable[tuple[int, int]]:
        """(number, octets) of those not deleted."""
        sizes = self._listing.sizes
        return ((n, size) for n, size in enumerate(sizes, 1) if not self._deleted[n - 1])

    def size(self, number: int) -> int:
        """Octets; ``number`` must be one that ``has`` knows."""
        return self._listing.sizes[number - 1]

    def uidl(self, number: int) -> str:
        """An id that no other message of this maildrop ever has (RFC 1939 §7)."""
        return f"{self._listing.uidvalidity:08x}{self._listing.uids[number - 1]:08x}"

    def delete(self, number: int) -> None:
        """Mark as deleted; ``number`` must be one that ``has`` knows."""
        self._deleted[number - 1] = 1
        self._count -= 1
        self._octets -= self._listing.sizes[number - 1]

    def reset(self) -> None:
        """Unmark all (RSET)."""
        listing = self._listing
        self._deleted = bytearray(len(listing.uids))
        self._count, self._octets = len(listing.uids), listing.octets

    def at_hand(self, number: int, octets: int) -> bytes | None:
        """The message, unpacked now, if it was read ahead and is no larger than ``octets``."""
        kept = self._ahead.get(number)
        return kept.unfold() if kept is not None and kept.size <= octets else None

    def taken(self, number: int) -> None:
        """What was read ahead of this message is not needed any more."""
        self._ahead.pop(number, None)

    async def read(self, number: int) -> bytes | AsyncIterator[bytes] | Refusal:
        """The message: whole when it is small, in pieces when not; STALE when it is gone.

        A client that takes one after the other gets what was read ahead for it, twice as much
        each time up to ``AHEAD_MESSAGES``.
        """
        kept = self._ahead.pop(number, None)
        if kept is not None:
            return kept.unfold()
        expected, count = self._step
        stop = self._reach(number, count if number == expected else 1)
        self._step = (stop, min(2 * (stop - number), AHEAD_MESSAGES))
        self._ahead.clear()
        uids = self._listing.uids[number - 1 : stop - 1]
        numbers = {uid: number + place for place, uid in enumerate(uids)}
        answer: bytes | AsyncIterator[bytes] | Refusal = GONE
        box = self.box
        async for batch in self._store.rows(box.account, box.id, NumSet.of(uids), _READ):
            rows = cast("Sequence[tuple[int, Folded | None, int]]", batch)
            for uid, folded, blob in rows:
                one = numbers[uid]
                if one != number and folded is not None:
                    self._ahead[one] = folded
                elif one == number:
                    answer = self._store.stream(blob) if folded is None else folded.unfold()
        return answer

    def _reach(self, number: int, count: int) -> int:
        """The number behind the last to read with ``number``, within the bounds."""
        sizes, stop = self._listing.sizes, number + 1
        octets = sizes[number - 1]
        while stop < number + count and stop <= len(sizes):
            octets += sizes[stop - 1]
            if octets > AHEAD_OCTETS:
                break
            stop += 1
        return stop

    async def commit(self) -> Refusal | None:
        """QUIT: do what was marked, all or none, as the account's mode says. One transaction."""
        uids = NumSet.of(compress(self._listing.uids, self._deleted))
        if not uids:
            return None
        refused = await _DELETIONS[self.mode](self._store, self.box, uids, self._by)
        if refused is None:
            self.reset()
        return refused

    def close(self) -> None:
        """Let the next session in. Closing twice does nothing; without ``commit`` nothing was
        deleted (RFC 1939 §6)."""
        opened, self._open = self._open, None
        if opened is not None:
            opened.discard(self.box.account)


async def _expunge(store: Keeper, box: Mailbox, uids: NumSet, by: str) -> Refusal | None:
    result = await store.expunge(box.account, box.id, uids, only_deleted=False, by=by)
    return result if isinstance(result, Refusal) else None


async def _hide(
    store: Keeper,
    box: Mailbox,
    uids: NumSet,
    by: str,  # noqa: ARG001  (the message stays)
) -> Refusal | None:
    hidden = FlagSet(POP3_HIDDEN)
    result = await store.set_flags(box.account, box.id, uids, FlagOp.ADD, hidden, origin="pop3")
    return result if isinstance(result, Refusal) else None


async def _archive(store: Keeper, box: Mailbox, uids: NumSet, by: str) -> Refusal | None:
    archive = await _archive_box(store, await store.mailboxes(box.account), box.account)
    if isinstance(archive, Refusal):
        return archive
    result = await store.move(box.account, box.id, uids, box.account, archive.id, by=by)
    return result if isinstance(result, Refusal) else None


async def _archive_box(store: Keeper, boxes: Sequence[Mailbox], account: int) -> Mailbox | Refusal:
    """The mailbox for archived mail, made if there is none."""
    for box in boxes:
        if box.special_use == ARCHIVE_USE:
            return box
    for box in boxes:
        if box.name == ARCHIVE:
            return box
    return await store.create_mailbox(account, ARCHIVE, ARCHIVE_USE)


_DELETIONS: Final = {
    Pop3Mode.DELETE: _expunge,
    Pop3Mode.KEEP: _hide,
    Pop3Mode.ARCHIVE: _archive,
}
