"""The tree of mailboxes."""

from __future__ import annotations

from pillarbox.model.change import BoxChanged, BoxCreated, BoxDeleted, Change, Expunged
from pillarbox.model.flags import EVERY_FLAG, FlagScope, to_flag_set
from pillarbox.model.mailbox import INBOX, Mailbox, canonical_name
from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.store import rules
from pillarbox.store.memory.state import Box, Home, Kept, Message, State


class MemoryMailboxes:
    """See ``api.Mailboxes``."""

    state: State

    async def mailboxes(self, account: int) -> list[Mailbox]:
        home = self.state.homes.get(account)
        if home is None:
            return []
        ordered = sorted(home.boxes.values(), key=lambda box: rules.name_order(box.name))
        return [home.row(box) for box in ordered]

    async def mailbox(self, account: int, mailbox: int) -> Mailbox | None:
        found = self.state.box(account, mailbox)
        return found[0].row(found[1]) if found else None

    async def mailbox_by_name(self, account: int, name: str) -> Mailbox | None:
        home = self.state.homes.get(account)
        box = home.by_name(canonical_name(name)) if home else None
        return home.row(box) if home and box else None

    async def mailbox_at(self, account: int, name: str) -> Mailbox | None:
        return await self.mailbox_by_name(account, name)

    async def create_mailbox(
        self, account: int, name: str, special_use: str = ""
    ) -> Mailbox | Refusal:
        home = self.state.homes.get(account)
        if home is None:
            return rules.NO_ACCOUNT
        limit = home.account.max_mailboxes
        plan = rules.plan_create([box.name for box in home.boxes.values()], name, limit)
        if isinstance(plan, Refusal):
            return plan
        use = rules.special_use(special_use)
        if use is None:
            return rules.UNKNOWN_USE
        if use and any(box.special_use == use for box in home.boxes.values()):
            return rules.USE_TAKEN
        modseq = home.next_modseq()
        boxes = [self.state.new_box(home, new, modseq) for new in plan]
        boxes[-1].special_use = use
        self.state.commit([BoxCreated(account, modseq, home.row(box)) for box in boxes])
        return home.row(boxes[-1])

    async def delete_mailbox(self, account: int, mailbox: int, by: str = "") -> Refusal | None:
        found = self.state.box(account, mailbox)
        if found is None:
            return rules.NO_MAILBOX
        home, box = found
        if box.name == INBOX:
            return rules.NOT_INBOX  # RFC 9051 §6.3.5
        modseq = home.next_modseq()
        messages = list(box.messages.values())
        if messages:
            retain(self.state, home, box, messages, modseq, by, "deleted")
        del home.boxes[box.id]
        self.state.forget_box(account, box.id)
        self.state.commit([BoxDeleted(account, modseq, box.id, box.name)])
        return None

    async def rename_mailbox(self, account: int, mailbox: int, name: str) -> Refusal | None:
        found = self.state.box(account, mailbox)
        if found is None:
            return rules.NO_MAILBOX
        home, box = found
        if box.name == INBOX:
            return self._rename_inbox(home, box, name)
        return self._rename_names(home, box.name, name)

    async def rename_children(self, account: int, old: str, new: str) -> Refusal | None:
        home = self.state.homes.get(account)
        return rules.NO_MAILBOX if home is None else self._rename_names(home, old, new)

    def _rename_names(self, home: Home, above: str, name: str) -> Refusal | None:
        account = home.account.id
        existing = {other.name: other.id for other in home.boxes.values()}
        plan = rules.plan_rename(existing, above, name, home.account.max_mailboxes)
        if isinstance(plan, Refusal):
            return plan
        modseq = home.next_modseq()
        boxes = [self.state.new_box(home, new, modseq) for new in plan.create]
        changes: list[Change] = [BoxCreated(account, modseq, home.row(new)) for new in boxes]
        follow = {new for _, old, new in plan.rename if old in home.subscriptions}
        home.subscriptions -= {old for _, old, _ in plan.rename}
        home.subscriptions |= follow  # a subscription follows the mailbox its owner moved
        for moved, _, new in plan.rename:
            home.boxes[moved].name = new
        for moved, old, _ in plan.rename:
            changes.append(BoxChanged(account, modseq, home.row(home.boxes[moved]), old))
        self.state.commit(changes)
        return None

    def _rename_inbox(self, home: Home, inbox: Box, name: str) -> Refusal | None:
        """RFC 9051 §6.3.6: the messages move, INBOX stays; its children too."""
        limit = home.account.max_mailboxes
        plan = rules.plan_create([box.name for box in home.boxes.values()], name, limit)
        if isinstance(plan, Refusal):
            return plan
        account = home.account.id
        modseq = home.next_modseq()
        boxes = [self.state.new_box(home, new, modseq) for new in plan]
        changes: list[Change] = [BoxCreated(account, modseq, home.row(box)) for box in boxes]
        for (owner, box, user), entries in list(self.state.annotations.items()):
            if (owner, box) == (account, inbox.id):  # RFC 5464 §4.1: they are copied
                self.state.annotations[account, boxes[-1].id, user] = dict(entries)
        uids = list(inbox.messages)
        if uids:
            moved = shift(self.state, home, inbox, home, boxes[-1], uids, modseq, modseq)
            changes.append(self.state.added(home, boxes[-1], modseq, moved))
            changes.append(Expunged(account, inbox.id, modseq, uids))
        self.state.commit(changes)
        return None

    async def subscribe(self, account: int, name: str, subscribed: bool) -> None:
        home = self.state.home(account)
        name = canonical_name(name)
        if (name in home.subscriptions) == subscribed:
            return
        (home.subscriptions.add if subscribed else home.subscriptions.remove)(name)
        box = home.by_name(name)
        if box is not None:
            self.state.commit([BoxChanged(account, home.next_modseq(), home.row(box))])

    async def subscriptions(self, account: int) -> list[str]:
        home = self.state.homes.get(account)
        return sorted(home.subscriptions, key=rules.name_order) if home else []

    async def set_special_use(self, account: int, mailbox: int, use: str) -> Refusal | None:
        found = self.state.box(account, mailbox)
        if found is None:
            return rules.NO_MAILBOX
        done = special_use_change(*found, use)
        if isinstance(done, Refusal):
            return done
        self.state.commit(done)
        return None

    async def claim_recent(self, account: int, mailbox: int) -> int:
        found = self.state.box(account, mailbox)
        if found is None:
            return 0
        box = found[1]
        first, box.recent_uid = box.recent_uid, box.uidnext
        return first


def special_use_change(home: Home, box: Box, use: str) -> list[Change] | Refusal:
    """Give the mailbox a special use; what is to be published."""
    known = rules.special_use(use)
    if known is None:
        return rules.UNKNOWN_USE
    if known == box.special_use:
        return []
    if known and any(other.special_use == known for other in home.boxes.values()):
        return rules.USE_TAKEN
    box.special_use = known
    return [BoxChanged(home.account.id, home.next_modseq(), home.row(box))]


def retain(
    state: State,
    home: Home,
    box: Box,
    messages: list[Message],
    modseq: int,
    by: str = "",
    kind: str = "expunged",
) -> None:
    """Expunge so that it can be undone: the reference moves to the retained entry."""
    where = (home.account.id, box.id, box.name)
    state.book.deed(kind, where, NumSet.of(message.uid for message in messages), by)
    state.take(home, box, messages, modseq)
    at = int(state.clock.now())
    for message in messages:
        flags = to_flag_set(message.flags, box.keywords)
        home.kept[box.id, message.uid] = Kept(box.id, box.name, message, flags, at, by)


def shift(
    state: State,
    home: Home,
    box: Box,
    to_home: Home,
    to_box: Box,
    uids: list[int],
    modseq: int,
    to_modseq: int,
    scope: FlagScope = EVERY_FLAG,
    by: str = "",
) -> list[Message]:
    """Move messages: new ones in the target, tombstones in the source, nothing retained."""
    olds = [box.messages[uid] for uid in uids]
    moved = state.duplicate(box, olds, to_home, to_box, to_modseq, scope)
    where, to = (home.account.id, box.id, box.name), (to_home.account.id, to_box.id, to_box.name)
    state.book.deed("moved", where, NumSet.of(uids), by, to, moved[0].uid)
    state.take(home, box, olds, modseq)
    for old in olds:
        state.release(old.blob)
    return moved
