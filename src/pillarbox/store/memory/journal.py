"""The journal."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.model.story import Event, Refused, Story
from pillarbox.store.memory.state import State


class MemoryJournal:
    """See ``journal.Journal``."""

    state: State

    async def note(self, key: int, events: Sequence[Event]) -> bool:
        found = self.state.book.keys.get(key)
        if not found:
            return False
        self.state.book.add(found[-1], events)
        return True

    async def refused(self, refusals: Sequence[Refused]) -> None:
        for refusal in refusals:
            self.state.book.begin((refusal,))

    async def stories(self, key: int, limit: int = 20) -> list[Story]:
        found = self.state.book.keys.get(key, [])
        return [self.state.book.story(number) for number in found[::-1][: max(limit, 0)]]

    async def stories_after(self, after: int, limit: int = 200) -> list[Story]:
        pages = self.state.book.pages
        numbers = [number for number in pages if number > after][:limit]
        return [Story(n, tuple(entry for _, entry in pages[n])) for n in numbers]

    async def forget(self, before: float) -> int:
        queued = {row.item.story for row in self.state.queue.values()}
        return self.state.book.forget(before, queued)
