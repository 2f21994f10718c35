"""What one account taught its filter, in a memory store."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lore:
    """One account's. Words: [junk, good, last seen]; lessons in the order of their time."""

    junk: int = 0
    good: int = 0
    words: dict[int, list[int]] = field(default_factory=dict)
    lessons: dict[int, bool] = field(default_factory=dict)

    def count(self, junk: bool, by: int, words: Collection[int], now: int) -> None:
        """A message comes (1) or goes (-1)."""
        if junk:
            self.junk = max(0, self.junk + by)
        else:
            self.good = max(0, self.good + by)
        for word in words:
            seen = self.words.setdefault(word, [0, 0, now])
            seen[not junk] = max(0, seen[not junk] + by)
            seen[2] = now
            if not any(seen[:2]):
                del self.words[word]
