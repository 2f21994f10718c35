"""Lists, suppressions and sending in dicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pillarbox.model.lists import MailingList, Member, Suppressed
from pillarbox.model.refusal import Refusal
from pillarbox.model.sending import Sending, Sent
from pillarbox.store import rules
from pillarbox.store.lists import MAX_MEMBERS
from pillarbox.store.memory.state import State


class MemoryLists:
    """See ``lists.Lists``, ``lists.Suppressions`` and ``lists.Senders``."""

    state: State

    async def lists(self) -> list[MailingList]:
        return sorted(self.state.lists.values(), key=lambda one: one.address)

    async def list_at(self, address: str) -> MailingList | None:
        return next((one for one in self.state.lists.values() if one.address == address), None)

    async def add_list(self, new: MailingList) -> MailingList | Refusal:
        domain = rules.domain_of(new.address)
        if not domain:
            return rules.NOT_AN_ADDRESS
        if domain not in self.state.domains:
            return rules.NO_DOMAIN
        if self.state.taken(new.address):
            return rules.ADDRESS_TAKEN
        self.state.edition += 1
        self.state.last_list += 1
        made = self.state.lists[self.state.last_list] = replace(new, id=self.state.last_list)
        return made

    async def change_list(self, changed: MailingList) -> Refusal | None:
        before = self.state.lists.get(changed.id)
        if before is None:
            return rules.NO_LIST
        self.state.edition += 1
        self.state.lists[changed.id] = replace(changed, address=before.address)
        return None

    async def remove_list(self, number: int) -> Refusal | None:
        gone = self.state.lists.pop(number, None)
        if gone is None:
            return rules.NO_LIST
        self.state.edition += 1
        self.state.forget_owner(gone.address)
        for member in await self.members(number):
            del self.state.members[member.id]
        return None

    async def members(self, number: int) -> list[Member]:
        found = [one for one in self.state.members.values() if one.list == number]
        return sorted(found, key=lambda one: one.address)

    async def member(self, member: int) -> tuple[MailingList, Member] | None:
        found = self.state.members.get(member)
        return (self.state.lists[found.list], found) if found is not None else None

    async def set_members(
        self, number: int, members: Iterable[tuple[str, bool]]
    ) -> list[Member] | Refusal:
        if number not in self.state.lists:
            return rules.NO_LIST
        wanted = dict(members)
        if not all(map(rules.domain_of, wanted)):
            return rules.NOT_AN_ADDRESS
        there = {one.address: one for one in await self.members(number)}
        if len(there.keys() | wanted.keys()) > MAX_MEMBERS:
            return rules.TOO_MANY_MEMBERS
        self.state.edition += 1
        done = []
        for address, owner in wanted.items():
            if address in there:
                member = replace(there[address], owner=owner)
            else:
                self.state.last_member += 1
                member = Member(self.state.last_member, number, address, owner)
            self.state.members[member.id] = member
            done.append(member)
        return done

    async def remove_member(self, number: int, address: str) -> Refusal | None:
        for member in await self.members(number):
            if member.address == address:
                self.state.edition += 1
                del self.state.members[member.id]
                return None
        return rules.NO_MEMBER

    async def suppressed(self, owner: str, address: str) -> Suppressed | None:
        return self.state.suppressions.get((owner, address))

    async def suppressions(self, owner: str = "") -> list[Suppressed]:
        entries = self.state.suppressions
        return [entries[key] for key in sorted(entries) if owner in {"", key[0]}]

    async def suppress(self, entries: Sequence[Suppressed]) -> None:
        kept = self.state.suppressions
        for new in entries:
            key = (new.owner, new.address)
            kept[key] = rules.suppression(kept.get(key), new)

    async def unsuppress(self, owner: str, address: str) -> Refusal | None:
        gone = self.state.suppressions.pop((owner, address), None)
        return None if gone is not None else rules.NOT_SUPPRESSED

    async def sending(self, account: int) -> Sending:
        return self.state.sending.get(account, Sending())

    async def count_sent(self, sent: Sent) -> None:
        count_sent(self.state, sent)

    async def set_alarmed(self, account: int, at: float) -> None:
        if account in self.state.homes:
            before = self.state.sending.get(account, Sending())
            self.state.sending[account] = replace(before, alarmed=at)


def count_sent(state: State, sent: Sent) -> None:
    """``Senders.count_sent`` at once."""
    if sent.account not in state.homes:
        return
    before = state.sending.get(sent.account, Sending())
    networks = {name: (first, last) for name, first, last in before.networks}
    if sent.network:
        first, _ = networks.get(sent.network, (sent.at, sent.at))
        networks[sent.network] = (first, sent.at)
    state.sending[sent.account] = replace(
        before,
        hours=rules.counted(before.hours, sent),
        networks=tuple(
            (name, *times)
            for name, times in sorted(networks.items())
            if times[1] > rules.forgotten(sent.at)
        ),
    )
