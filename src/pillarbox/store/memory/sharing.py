"""Annotations and access lists in dicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pillarbox.model.change import AccessChanged, Annotated, Change
from pillarbox.model.refusal import Refusal
from pillarbox.model.rights import NONE, Rights
from pillarbox.store import rules
from pillarbox.store.memory.mailboxes import special_use_change
from pillarbox.store.memory.state import State
from pillarbox.store.sharing import MAX_ACCESS, MAX_ANNOTATIONS, SERVER, AccessOp


class MemorySharing:
    """See ``sharing.Annotations`` and ``sharing.AccessLists``."""

    state: State

    async def annotations(self, account: int, mailbox: int, user: int) -> dict[str, bytes]:
        return dict(sorted(self.state.annotations.get((account, mailbox, user), {}).items()))

    async def annotate(
        self,
        account: int,
        mailbox: int,
        values: Mapping[tuple[int, str], bytes | None],
        *,
        special_use: str | None = None,
        origin: str = "",
    ) -> Refusal | None:
        state = self.state
        home = state.homes.get(account)
        if account != SERVER and (home is None or (mailbox and mailbox not in home.boxes)):
            return rules.NO_MAILBOX
        changes: list[Change] = []
        after = rules.annotated(
            {user: state.annotations.get((account, mailbox, user), {}) for user, _ in values},
            values,
        )
        if any(len(entries) > MAX_ANNOTATIONS for entries in after.values()):
            return rules.TOO_MANY_ANNOTATIONS
        if special_use is not None and home is not None:
            done = special_use_change(home, home.boxes[mailbox], special_use)
            if isinstance(done, Refusal):
                return done
            changes += done
        modseq = home.modseq if home else 0
        for user, entries in after.items():
            key = (account, mailbox, user)
            state.annotations[key] = entries
            if not entries:
                del state.annotations[key]
            names = tuple(name for whose, name in values if whose == user)
            changes.append(Annotated(account, modseq, mailbox, user, names, origin))
        state.commit(changes)
        return None

    async def access_list(self, account: int, mailbox: int) -> dict[str, Rights]:
        return dict(sorted(self.state.access.get((account, mailbox), {}).items()))

    async def access_lists(self, account: int) -> dict[int, dict[str, Rights]]:
        return {
            mailbox: dict(sorted(entries.items()))
            for (owner, mailbox), entries in sorted(self.state.access.items())
            if owner == account
        }

    async def change_access(
        self, account: int, mailbox: int, identifier: str, op: AccessOp, rights: Rights
    ) -> Refusal | None:
        found = self.state.box(account, mailbox)
        if found is None:
            return rules.NO_MAILBOX
        entries = dict(self.state.access.get((account, mailbox), {}))
        before = entries.pop(identifier, NONE)
        after = rules.access(op, before, rights)
        if after:
            entries[identifier] = after
        if len(entries) > MAX_ACCESS:
            return rules.TOO_MANY_IDENTIFIERS
        if after == before:
            return None
        self.state.access[account, mailbox] = entries
        if not entries:
            del self.state.access[account, mailbox]
        modseq = found[0].modseq
        self.state.commit([AccessChanged(account, modseq, mailbox, identifier)])
        return None

    async def sharing(self, identifiers: Collection[str]) -> list[int]:
        return sorted(
            {
                place[0]
                for place, entries in self.state.access.items()
                if entries.keys() & identifiers
            }
        )
