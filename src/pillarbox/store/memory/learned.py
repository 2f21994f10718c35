"""What accounts taught their filters, in dicts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pillarbox.store import learned
from pillarbox.store.learned import Lesson, Taught
from pillarbox.store.memory.lore import Lore
from pillarbox.store.memory.state import State


class MemoryLearned:
    """See ``learned.Learned``."""

    state: State

    def _lore(self, account: int) -> Lore | None:
        if account not in self.state.homes:
            return None
        return self.state.lore.setdefault(account, Lore())

    async def taught(self, account: int) -> Taught:
        lore = self.state.lore.get(account) or Lore()
        return Taught(lore.junk, lore.good, len(lore.words))

    async def lessons(self, account: int, messages: Collection[int]) -> dict[int, bool]:
        known = (self.state.lore.get(account) or Lore()).lessons
        return {one: known[one] for one in messages if one in known}

    async def word_counts(self, account: int, words: Collection[int]) -> dict[int, tuple[int, int]]:
        known = (self.state.lore.get(account) or Lore()).words
        return {word: (known[word][0], known[word][1]) for word in words if word in known}

    async def learn(self, account: int, lessons: Sequence[Lesson]) -> int:
        lore = self._lore(account)
        if lore is None:
            return 0
        news, now = 0, int(self.state.clock.now())
        for lesson in lessons:
            before = lore.lessons.get(lesson.message)
            if before == lesson.junk:
                continue
            news += 1
            words = set(lesson.words)
            if before is not None:
                lore.count(before, -1, words, now)
                del lore.lessons[lesson.message]
            if lesson.junk is not None:
                lore.count(lesson.junk, 1, words, now)
                lore.lessons[lesson.message] = lesson.junk
        if len(lore.words) > learned.MAX_WORDS:
            rare = sorted(lore.words, key=lambda w: (sum(lore.words[w][:2]), lore.words[w][2], w))
            for word in rare[: len(rare) - learned.MAX_WORDS * 9 // 10]:
                del lore.words[word]
        while len(lore.lessons) > learned.MAX_LESSONS:
            del lore.lessons[next(iter(lore.lessons))]
        return news

    async def forget_taught(self, account: int) -> None:
        self.state.lore.pop(account, None)
