"""Expunged mail that can be brought back, and its end."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.model.flags import DELETED, FlagSet, intern_keywords
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.api import Copied, Retained
from pillarbox.store.memory.state import Home, Kept, Message, State


class MemoryRetention:
    """The part of ``api.Mail`` about what was expunged."""

    state: State

    async def retained(self, account: int, mailbox: int | None = None) -> list[Retained]:
        home = self.state.homes.get(account)
        if home is None:
            return []
        found = [k for k in home.kept.values() if mailbox is None or k.mailbox == mailbox]
        found.sort(key=lambda kept: (kept.at, kept.mailbox, kept.message.uid))
        return [self._retained(home, kept) for kept in found]

    def _retained(self, home: Home, kept: Kept) -> Retained:
        message = kept.message
        return Retained(
            account=home.account.id,
            mailbox=kept.mailbox,
            mailbox_name=kept.mailbox_name,
            uid=message.uid,
            expunged_at=kept.at,
            size=message.size,
            blob=message.blob,
            envelope=self.state.blobs[message.blob].facts.envelope,
            by=kept.by,
        )

    async def undelete(
        self, account: int, entries: Sequence[Retained], to_mailbox: int, by: str = ""
    ) -> Copied | Refusal:
        target = self.state.box(account, to_mailbox)
        if target is None:
            return rules.NO_TARGET
        home, box = target
        wanted = dict.fromkeys((e.mailbox, e.uid) for e in entries if e.account == account)
        kept = {key: home.kept[key] for key in wanted if key in home.kept}
        if not kept:
            return Copied(box.uidvalidity, [], [], 0)
        sizes = [entry.message.size for entry in kept.values()]
        if (refused := home.no_room(sum(sizes), len(sizes))) is not None:
            return refused
        if (refused := self.state.room(box, len(kept))) is not None:
            return refused
        modseq = home.next_modseq()
        names = {name for entry in kept.values() for name in entry.flags.keywords}
        intern_keywords(names, box.keywords)
        source, new = [], []
        for key, entry in kept.items():
            old = entry.message
            source.append(old.uid)
            back = Message(0, 0, 0, old.internaldate, old.zone, 0, old.blob, old.size)
            flags = FlagSet(entry.flags.system & ~DELETED, entry.flags.keywords)
            new.append(self.state.put(home, box, back, flags, modseq))
            self.state.release(old.blob)
            del home.kept[key]
        places, to = list(kept), (account, box.id, box.name)
        for run in rules.runs(places):
            uids = NumSet.of(places[n][1] for n in run)
            where = (account, places[run[0]][0], "")
            self.state.book.deed("restored", where, uids, by, to, new[run[0]].uid)
        self.state.commit([self.state.added(home, box, modseq, new)])
        return Copied(box.uidvalidity, source, [m.uid for m in new], modseq)

    async def purge(self, before: float, tombstones_before: float) -> int:
        freed = 0
        for home in self.state.homes.values():
            for key, kept in list(home.kept.items()):
                if kept.at < before:
                    freed += self.state.release(kept.message.blob)
                    del home.kept[key]
            for box in home.boxes.values():
                old = [t for t in box.tombstones if t.at < tombstones_before]
                box.floor = max([box.floor, *(t.modseq for t in old)])
                box.tombstones = [t for t in box.tombstones if t.at >= tombstones_before]
        return freed
