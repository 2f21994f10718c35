"""The audit: the ledger only, for dicts cannot disagree with themselves."""

from __future__ import annotations

from pillarbox.model.numset import NumSet
from pillarbox.model.story import Accepted, Story
from pillarbox.store.ledger import Audited, Lost, Place, check
from pillarbox.store.memory.state import State


class MemoryAudit:
    """See ``ledger.Auditor``."""

    state: State

    async def audit(self, repair: bool = False) -> Audited:
        seen = Audited()
        for number, page in self.state.book.pages.items():
            taken = False
            story = Story(number, tuple(entry for _, entry in page))
            for end in check(story, _Present(self.state)):
                taken = True
                if isinstance(end, Lost):
                    seen.found("lost", end.text)
                else:
                    seen.ends[end] += 1
            seen.messages += taken
        return seen


class _Present:
    """See ``ledger.Facts``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def lies(self, place: Place) -> bool:
        account, mailbox, uid = place
        found = self._state.box(account, mailbox)
        home = self._state.homes.get(account)
        there = found is not None and uid in found[1].messages
        return there or (home is not None and (mailbox, uid) in home.kept)

    def left(self, place: Place) -> bool:
        account, mailbox, uid = place
        ends = [deed for deed in self._state.book.deeds if deed.account == account and deed.ends()]
        return any(
            not deed.mailbox or (deed.mailbox == mailbox and uid in (deed.uids or NumSet()))
            for deed in ends
        )

    def waits(self, item: int, number: int) -> bool:
        row = self._state.queue.get(item)
        recipients = row.item.recipients if row is not None else ()
        return any(
            r.number == number and (r.state in {"due", "held"} or bool(r.owed)) for r in recipients
        )

    def known(self, trace: str, after: int) -> bool:
        return any(
            isinstance(entry.event, Accepted) and entry.event.trace == trace
            for number, page in self._state.book.pages.items()
            if number > after
            for _, entry in page
        )
