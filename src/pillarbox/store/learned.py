"""What accounts taught their filters: how often each word was in junk and in good mail. Part of
``store.api``.

Words are kept as hashes (63 bits), so what somebody writes about cannot be read off the store. A
message is learned once, by its blob: copies and moves are the same message.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_WORDS = 60_000
"""Of one account; beyond that the rarest, longest unseen go, a tenth at a time."""
MAX_LESSONS = 20_000
"""Messages of one account that can still be unlearned; older lessons stand for good."""


@dataclass(frozen=True, slots=True)
class Taught:
    """Messages of junk and of good mail that an account's filter learned, and words it knows."""

    junk: int = 0
    good: int = 0
    words: int = 0


@dataclass(frozen=True, slots=True)
class Lesson:
    """A message (its blob) and its words; ``junk`` None: it is neither, unlearn it."""

    message: int
    junk: bool | None
    words: Collection[int]


class Learned(Protocol):
    """The tables of words."""

    async def taught(self, account: int) -> Taught: ...

    async def lessons(self, account: int, messages: Collection[int]) -> dict[int, bool]:
        """Those of the messages (blobs) that are learned; True: as junk."""
        ...

    async def word_counts(self, account: int, words: Collection[int]) -> dict[int, tuple[int, int]]:
        """In how many messages of junk and of good mail each was; words never seen are missing."""
        ...

    async def learn(self, account: int, lessons: Sequence[Lesson]) -> int:
        """Learn messages in one transaction; what one was learned as before is taken back.

        Returns how many changed something: not those that are so already, none where there is
        no such account.
        """
        ...

    async def forget_taught(self, account: int) -> None:
        """Begin anew."""
        ...
