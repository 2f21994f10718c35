"""Messages in mailboxes."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Sequence

from pillarbox.model import story
from pillarbox.model.change import Added, Change, Expunged, Flagged
from pillarbox.model.flags import DELETED, EVERY_FLAG, FlagScope, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.sending import Sent
from pillarbox.store import rules
from pillarbox.store.api import (
    Appended,
    Column,
    Copied,
    FlagOp,
    NewItem,
    NewMessage,
    Parcel,
    Removed,
    Replaces,
    Snapshot,
    Stored,
    Target,
)
from pillarbox.store.blobs.codec import PLAIN, Folded
from pillarbox.store.journal import Telling
from pillarbox.store.memory.accept import accept, put_one
from pillarbox.store.memory.lists import count_sent
from pillarbox.store.memory.mailboxes import retain, shift
from pillarbox.store.memory.scripts import is_marked, mark
from pillarbox.store.memory.state import Box, Home, Message, State
from pillarbox.store.scripts import Mark


class MemoryMail:
    """See ``api.Mail``."""

    state: State

    async def accept(
        self,
        message: NewMessage,
        targets: Sequence[Target],
        queued: NewItem | None = None,
        telling: Telling | None = None,
        *,
        sent: Sent | None = None,
    ) -> list[Appended | Refusal]:
        before = self.state.last_blob
        results, changes = accept(self.state, message, targets, queued, telling)
        if sent is not None and self.state.last_blob > before:
            count_sent(self.state, sent)
        self.state.commit(changes)
        return results

    async def accept_each(
        self, parcels: Sequence[Parcel], marks: Sequence[Mark] = ()
    ) -> list[list[Appended | Refusal] | None]:
        done: list[list[Appended | Refusal] | None] = []
        changes: list[Change] = []
        modseqs: dict[int, int] = {}
        for one in parcels:
            if one.once is not None and is_marked(self.state, one.once):
                done.append(None)
                continue
            before = self.state.last_blob
            results, new = accept(
                *(self.state, one.message, one.targets, one.queued, one.telling, one.more),
                modseqs=modseqs,
            )
            kept = self.state.last_blob > before
            if one.once is not None and kept and not rules.lacking(one, results):
                mark(self.state, one.once)
            if one.sent is not None and kept:
                count_sent(self.state, one.sent)
            done.append(results)
            changes += new
        for remembered in rules.remembered(parcels, done, marks):
            mark(self.state, remembered)
        self.state.commit(changes)
        return done

    async def append_many(
        self,
        messages: Sequence[tuple[NewMessage, Target]],
        *,
        replaces: Replaces | None = None,
        by: str = "",
    ) -> list[Appended] | Refusal:
        if not messages:
            return []
        first = messages[0][1]
        if any((t.account, t.mailbox) != (first.account, first.mailbox) for _, t in messages):
            return rules.ONE_MAILBOX
        found = self.state.box(first.account, first.mailbox)
        if found is None:
            return rules.NO_TARGET
        home, box = found
        old = None
        if replaces is not None:
            old = self.state.box(replaces.account, replaces.mailbox)
            if old is None or replaces.uid not in old[1].messages:
                return rules.NO_MAILBOX if old is None else rules.NO_MESSAGE
        counted = [m.content.size for m, target in messages if target.enforce_quota]
        size, count = sum(counted), len(counted)
        if replaces is not None and old is not None and old[0] is home:
            size, count = size - old[1].messages[replaces.uid].size, count - 1
        if (size > 0 or count > 0) and (refused := home.no_room(size, count)) is not None:
            return refused
        if (refused := self.state.room(box, len(messages))) is not None:
            return refused
        modseq = home.next_modseq()
        gone = []
        if replaces is not None and old is not None:
            gone.append(self._retire(replaces, *old, modseq if old[0] is home else 0))
        new = []
        for message, target in messages:
            blob = self.state.keep(bytes(message.content.view()), message.facts, [home])
            new.append(put_one(self.state, home, box, target, blob, modseq))
            where = (first.account, box.id, box.name, new[-1].uid)
            told = story.Appended(*where, message.content.size, blob, message.facts.message_id, by)
            self.state.book.begin((told,))
        self.state.commit([self.state.added(home, box, modseq, new, fresh=True), *gone])
        return [
            Appended(first.account, box.id, box.uidvalidity, m.uid, modseq, m.blob) for m in new
        ]

    def _retire(self, replaces: Replaces, home: Home, box: Box, modseq: int) -> Expunged:
        """Expunge the message that is replaced; ``modseq`` 0: the account has had none yet."""
        modseq = modseq or home.next_modseq()
        retain(self.state, home, box, [box.messages[replaces.uid]], modseq, replaces.by)
        return Expunged(replaces.account, replaces.mailbox, modseq, [replaces.uid])

    async def load(self, account: int, mailbox: int) -> Snapshot | None:
        found = self.state.box(account, mailbox)
        if found is None:
            return None
        home, box = found
        messages = box.messages.values()
        return Snapshot(
            home.row(box),
            array("I", [m.uid for m in messages]),
            array("Q", [m.modseq for m in messages]),
            array("Q", [m.flags for m in messages]),
        )

    async def rows(
        self, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        found = self.state.box(account, mailbox)
        if found is None:
            return
        messages = _among(found[1], uids)
        batch: list[tuple[object, ...]] = []
        octets = 0
        for message in messages:
            row = tuple(self._value(message, column) for column in columns)
            batch.append(row)
            octets += sum(len(value) for value in row if isinstance(value, (bytes, str)))
            if len(batch) >= rules.ROWS_BATCH or octets >= rules.BYTES_BATCH:
                yield batch
                batch, octets = [], 0
        if batch:
            yield batch

    def _value(self, message: Message, column: Column) -> object:
        if column in {Column.UID, Column.SIZE, Column.INTERNALDATE, Column.ZONE, Column.SAVED}:
            return getattr(message, column.value)
        if column is Column.BLOB:
            return message.blob
        blob = self.state.blobs[message.blob]
        if column is Column.THREAD:
            return blob.thread
        if column in {Column.BODY, Column.FOLDED}:
            if len(blob.body) > self.state.inline_limit:
                return None
            whole = column is Column.BODY
            return blob.body if whole else Folded(PLAIN, blob.body, len(blob.body))
        return getattr(blob.facts, column.value)

    async def set_flags(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        op: FlagOp,
        flags: FlagSet,
        *,
        unchanged_since: int | None = None,
        origin: str = "",
        scope: FlagScope = EVERY_FLAG,
    ) -> Stored | Refusal:
        found = self.state.box(account, mailbox)
        if found is None:
            return rules.NO_MAILBOX
        home, box = found
        keywords = list(box.keywords)
        bits = rules.flag_bits(op, scope.cut(flags), keywords)
        if bits is None:
            return rules.TOO_MANY_KEYWORDS
        spared = rules.HOUSE_FLAGS | scope.spared
        changed, failed = [], []
        for message in _among(box, uids):
            if unchanged_since is not None and message.modseq > unchanged_since:
                failed.append(message.uid)
            elif rules.apply_flags(op, message.flags, bits, spared) != message.flags:
                changed.append(message)
        if not changed:
            return Stored(0, NumSet(), NumSet.of(failed))
        modseq = box.highest_modseq = home.next_modseq()
        box.keywords = keywords
        for message in changed:
            message.flags = rules.apply_flags(op, message.flags, bits, spared)
            message.modseq = modseq
        numbers = [m.uid for m in changed]
        new = [m.flags for m in changed]
        names = tuple(box.keywords)
        self.state.commit([Flagged(account, mailbox, modseq, numbers, new, names, origin)])
        return Stored(modseq, NumSet.of(numbers), NumSet.of(failed))

    async def copy(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        to_account: int,
        to_mailbox: int,
        *,
        scope: FlagScope = EVERY_FLAG,
        by: str = "",
    ) -> Copied | Refusal:
        source = self.state.box(account, mailbox)
        if source is None:
            return rules.NO_MAILBOX
        target = self.state.box(to_account, to_mailbox)
        if target is None:
            return rules.NO_TARGET
        (_, box), (to_home, to_box) = source, target
        olds = _among(box, uids)
        if not olds:
            return Copied(to_box.uidvalidity, [], [], 0)
        refused = to_home.no_room(sum(m.size for m in olds), len(olds))
        if refused is not None:
            return refused
        if (refused := self.state.room(to_box, len(olds))) is not None:
            return refused
        modseq = to_home.next_modseq()
        new = self.state.duplicate(box, olds, to_home, to_box, modseq, scope)
        uids_found = NumSet.of(m.uid for m in olds)
        there = (to_account, to_box.id, to_box.name)
        where = (account, box.id, box.name)
        self.state.book.deed("copied", where, uids_found, by, there, new[0].uid)
        self.state.commit([self.state.added(to_home, to_box, modseq, new)])
        return Copied(to_box.uidvalidity, [m.uid for m in olds], [m.uid for m in new], modseq)

    async def move(
        self,
        account: int,
        mailbox: int,
        uids: NumSet,
        to_account: int,
        to_mailbox: int,
        *,
        scope: FlagScope = EVERY_FLAG,
        by: str = "",
    ) -> Copied | Refusal:
        source = self.state.box(account, mailbox)
        if source is None:
            return rules.NO_MAILBOX
        target = self.state.box(to_account, to_mailbox)
        if target is None:
            return rules.NO_TARGET
        (home, box), (to_home, to_box) = source, target
        olds = [m.uid for m in _among(box, uids)]
        if not olds:
            return Copied(to_box.uidvalidity, [], [], 0)
        if home is not to_home:
            sizes = [m.size for m in _among(box, uids)]
            if (refused := to_home.no_room(sum(sizes), len(sizes))) is not None:
                return refused
        if (refused := self.state.room(to_box, len(olds))) is not None:
            return refused
        modseq = home.next_modseq()
        to_modseq = modseq if home is to_home else to_home.next_modseq()
        new = shift(self.state, home, box, to_home, to_box, olds, modseq, to_modseq, scope, by)
        added: Added = self.state.added(to_home, to_box, to_modseq, new)
        changes: list[Change] = [added, Expunged(account, mailbox, modseq, olds)]
        self.state.commit(changes)
        return Copied(to_box.uidvalidity, olds, [m.uid for m in new], to_modseq)

    async def expunge(
        self, account: int, mailbox: int, uids: NumSet | None, *, only_deleted: bool, by: str = ""
    ) -> Removed | Refusal:
        found = self.state.box(account, mailbox)
        if found is None:
            return rules.NO_MAILBOX
        home, box = found
        messages = list(box.messages.values()) if uids is None else _among(box, uids)
        if only_deleted:
            messages = [m for m in messages if m.flags & DELETED]
        if not messages:
            return Removed(0, [])
        modseq = home.next_modseq()
        retain(self.state, home, box, messages, modseq, by)
        gone = [m.uid for m in messages]
        self.state.commit([Expunged(account, mailbox, modseq, gone)])
        return Removed(modseq, gone)

    async def expunged_since(self, account: int, mailbox: int, modseq: int) -> tuple[NumSet, int]:
        found = self.state.box(account, mailbox)
        if found is None:
            return NumSet(), 0
        box = found[1]
        return NumSet.of(t.uid for t in box.tombstones if t.modseq > modseq), box.floor


def _among(box: Box, uids: NumSet) -> list[Message]:
    """Messages whose UID is in the set, ascending."""
    messages = list(box.messages.values())
    slices = uids.among([m.uid for m in messages])
    return [message for start, stop in slices for message in messages[start:stop]]
