"""What a session may do to mail, in the words of the trade: names and views in, results out.

Thin on purpose: the store decides what can be (quota, names, one transaction), this room decides
what a session may ask for and knows what a name or a view stands for. A refusal is a value; each
door has a table that turns it into its own language.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pillarbox.mailbox.access import NO_MAILBOX, NOT_ALLOWED, Access, Place
from pillarbox.mailbox.arrays import bit_mask, seqs_of_mask
from pillarbox.mailbox.view import View
from pillarbox.model.flags import DELETED, SEEN, FlagSet
from pillarbox.model.mailbox import INBOX, Mailbox
from pillarbox.model.numset import MAX_NUMBER, NumSet
from pillarbox.model.refusal import Kind, Refusal
from pillarbox.model.rights import scope as flag_scope
from pillarbox.store.api import (
    Appended,
    Column,
    Copied,
    Directory,
    FlagOp,
    Mail,
    Mailboxes,
    NewMessage,
    Removed,
    Replaces,
    Retained,
    Stored,
    Target,
)
from pillarbox.store.sharing import AccessLists

READ_ONLY = Refusal(Kind.NO_PERMISSION, "the mailbox was opened read-only")


class Keeper(Mail, Mailboxes, AccessLists, Directory, Protocol):
    """What is needed of the store."""


@dataclass(slots=True)
class Draft:
    """A message for APPEND: what the client said about it. ``internaldate`` is seconds since
    1970 UTC, ``zone`` minutes east of it, as given."""

    message: NewMessage
    flags: FlagSet
    internaldate: int
    zone: int = 0


class Ops:
    """One for a process; stateless."""

    def __init__(self, store: Keeper) -> None:
        self._store = store
        self.access = Access(store)
        """Whose mailbox a name means, and what may be done to it."""

    # ------------------------------------------------------------------ messages

    async def append(
        self,
        account: int,
        name: str,
        drafts: Sequence[Draft],
        replaces: tuple[View, int] | None = None,
        *,
        by: str = "",
    ) -> list[Appended] | Refusal:
        """All into the mailbox ``name``, or none (RFC 9051 §6.3.12, RFC 3502 §6.3.11).

        ``replaces``: a view and the UID there that goes in the same transaction (RFC 8508 §3.4);
        STALE when it is gone already. NONEXISTENT means TRYCREATE. On a refusal or error the
        contents are discarded.
        """
        contents = [draft.message.content for draft in drafts]
        try:
            box = await self._store.mailbox_at(account, name)
            if box is None:
                result: list[Appended] | Refusal = NO_MAILBOX
            else:
                result = await self._store.append_many(
                    [
                        (d.message, Target(account, box.id, d.flags, d.internaldate, d.zone))
                        for d in drafts
                    ],
                    replaces=_replaced(replaces),
                    by=by,
                )
        except BaseException:
            _discard(contents)
            raise
        if isinstance(result, Refusal):
            _discard(contents)
        return result

    async def store_flags(
        self,
        view: View,
        uids: NumSet,
        op: FlagOp,
        flags: FlagSet,
        *,
        unchanged_since: int | None = None,
    ) -> Stored | Refusal:
        """STORE. The view hears of it as of its own doing; call ``view.sync`` afterwards."""
        if view.read_only:
            return READ_ONLY
        scope = flag_scope(view.rights)
        # RFC 4314 §4: no failure while some of the flags may be changed
        if not (scope if op is FlagOp.REPLACE else scope.cut(flags) or not flags):
            return NOT_ALLOWED
        box = view.box
        return await self._store.set_flags(
            box.account,
            box.id,
            uids,
            op,
            flags,
            unchanged_since=unchanged_since,
            origin=view.id,
            scope=scope,
        )

    async def mark_seen(self, view: View, seqs: NumSet) -> NumSet:
        """Set \\Seen as a FETCH of a body does; the sequence numbers that did not have it.

        Nothing is written when all have it, when the view is read-only (RFC 9051 §6.4.5), or
        without the right to (RFC 4314 §4).
        """
        if view.read_only or "s" not in view.rights:
            return NumSet()
        unseen = seqs & seqs_of_mask(bit_mask(view.flag_octets(), SEEN, unset=True))
        if unseen:
            await self.store_flags(view, view.uids_of(unseen), FlagOp.ADD, FlagSet(SEEN))
        return unseen

    async def copy(self, view: View, uids: NumSet, to: Place) -> Copied | Refusal:
        """COPY, all or none; flags go along as far as they may be set there (RFC 4314 §4)."""
        box, target = view.box, to.box
        if "i" not in to.rights:
            return NOT_ALLOWED
        return await self._store.copy(
            *(box.account, box.id, uids, target.account, target.id),
            scope=flag_scope(to.rights),
            by=view.by,
        )

    async def move(self, view: View, uids: NumSet, to: Place) -> Copied | Refusal:
        """MOVE (RFC 6851), all or none; call ``view.sync(allow_expunge=True)`` afterwards."""
        if view.read_only:
            return READ_ONLY
        if "i" not in to.rights or not view.rights >= {"t", "e"}:  # RFC 6851 §4.2
            return NOT_ALLOWED
        box, target = view.box, to.box
        return await self._store.move(
            *(box.account, box.id, uids, target.account, target.id),
            scope=flag_scope(to.rights),
            by=view.by,
        )

    async def expunge(self, view: View, uids: NumSet | None = None) -> Removed | Refusal:
        """EXPUNGE what has \\Deleted; with ``uids`` only among these (RFC 4315 §2.1)."""
        if view.read_only:
            return READ_ONLY
        if "e" not in view.rights:
            return NOT_ALLOWED
        box = view.box
        return await self._store.expunge(box.account, box.id, uids, only_deleted=True, by=view.by)

    async def vanished(self, view: View, modseq: int, known: NumSet | None) -> NumSet:
        """UIDs that a client which knew the mailbox at ``modseq`` must forget (VANISHED EARLIER,
        RFC 7162 §3.2.5.2 and §3.2.6), among ``known`` (None: all).

        Where the store's memory does not reach back so far, every UID that is not there.
        """
        box = view.box
        gone, exact_from = await self._store.expunged_since(box.account, box.id, modseq)
        if modseq < exact_from:
            largest = view.uidnext - 1
            below = NumSet([(1, largest)]) if largest else NumSet()
            everyone = NumSet([(1, view.exists)]) if view.exists else NumSet()
            gone = below - view.exact_uids(everyone)
        elif gone:  # one that went just now still has its number, and is told with it
            gone = gone - view.exact_uids(view.seqs_of_uids(gone.ranges))
        return gone if known is None else gone & known

    # ------------------------------------------------------------------ mailboxes

    async def find(self, account: int, name: str) -> Mailbox | Refusal:
        """The mailbox of that name."""
        return await self._store.mailbox_by_name(account, name) or NO_MAILBOX

    async def create(self, account: int, name: str, special_use: str = "") -> Mailbox | Refusal:
        """CREATE with its missing parents; a trailing separator means nothing here (RFC 9051
        §6.3.4)."""
        return await self._store.create_mailbox(account, name.rstrip("/") or name, special_use)

    async def delete(self, account: int, name: str, *, by: str = "") -> Refusal | None:
        """DELETE. Its messages can be undeleted; its children stay."""
        box = await self._store.mailbox_by_name(account, name)
        return NO_MAILBOX if box is None else await self._store.delete_mailbox(account, box.id, by)

    async def rename(self, account: int, name: str, to: str) -> Refusal | None:
        """RENAME with its children; of INBOX, the messages only (RFC 9051 §6.3.6). A name that is
        no mailbox but has children can be renamed too."""
        to = to.rstrip("/") or to
        box = await self._store.mailbox_by_name(account, name)
        if box is None:
            return await self._store.rename_children(account, name, to)
        return await self._store.rename_mailbox(account, box.id, to)

    async def set_special_use(self, account: int, name: str, use: str) -> Refusal | None:
        """Give the mailbox a special use (RFC 6154), '' to take it away."""
        box = await self._store.mailbox_by_name(account, name)
        return (
            NO_MAILBOX if box is None else await self._store.set_special_use(account, box.id, use)
        )

    async def recent(self, box: Mailbox) -> int:
        """Messages that the next session would see as \\Recent: STATUS RECENT."""
        if box.recent_uid >= box.uidnext:
            return 0
        uids = NumSet([(box.recent_uid, MAX_NUMBER)])
        batches = self._store.rows(box.account, box.id, uids, (Column.UID,))
        return sum([len(batch) async for batch in batches])

    async def deleted_storage(self, box: Mailbox) -> int:
        """Octets of the messages with \\Deleted: STATUS DELETED-STORAGE (RFC 9208 §4.2.4)."""
        if not box.deleted:
            return 0
        snapshot = await self._store.load(box.account, box.id)
        if snapshot is None:
            return 0
        marked = bit_mask(snapshot.flags.tobytes(), DELETED)
        uids = NumSet.of(uid for uid, mark in zip(snapshot.uids, marked, strict=True) if mark)
        total = 0
        async for batch in self._store.rows(box.account, box.id, uids, (Column.SIZE,)):
            total += sum(size for (size,) in batch if isinstance(size, int))
        return total

    # ------------------------------------------------------------------ second thoughts

    async def undelete(
        self, account: int, entries: Iterable[Retained], name: str | None = None
    ) -> list[Copied] | Refusal:
        """Bring expunged messages back: into ``name``, else each to where it was, else INBOX."""
        homes: dict[int, list[Retained]] = {}
        for entry in entries:
            box = (
                await self._store.mailbox_by_name(account, name)
                if name is not None
                else await self._store.mailbox(account, entry.mailbox)
                or await self._store.mailbox_by_name(account, INBOX)
            )
            if box is None:
                return NO_MAILBOX
            homes.setdefault(box.id, []).append(entry)
        done = []
        for mailbox, group in homes.items():
            result = await self._store.undelete(account, group, mailbox)
            if isinstance(result, Refusal):
                return result
            done.append(result)
        return done


def _replaced(replaces: tuple[View, int] | None) -> Replaces | None:
    if replaces is None:
        return None
    view, uid = replaces
    return Replaces(view.box.account, view.box.id, uid, view.by)


class _Discards(Protocol):
    def discard(self) -> None: ...


def _discard(contents: Iterable[_Discards]) -> None:
    for content in contents:
        content.discard()
