"""Texts of many messages joined to one, so that a word is found in all of them by one search.

Looking into ten thousand subjects one by one costs more than the looking itself.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from pillarbox.mailbox.criteria import NO, UNKNOWN, YES, of_kept
from pillarbox.mailbox.document import Needle
from pillarbox.mailbox.kept import UNREAD

SIZE: Final = 4096
"""Messages of a block: what comes is joined to the last one only, and one message in a script of
wide characters does not make all others wide."""
MANY: Final = 32
"""More than one of so many messages found, and looking into each is cheaper."""
_END: Final = "\n"
"""Between two texts. No needle has one: any white space in it is a space."""


class Block:
    """Texts of messages that follow each other, as a column of ``kept`` has them."""

    __slots__ = ("_starts", "_text", "_unread", "_values")

    def __init__(self, values: Sequence[str | int | None]) -> None:
        self._values = values
        texts = [value if isinstance(value, str) else "" for value in values]
        self._text = _END.join(texts)
        self._starts = array("I", accumulate([len(text) + 1 for text in texts], initial=0))
        self._unread = [at for at, value in enumerate(values) if value == UNREAD]

    def __len__(self) -> int:
        return len(self._values)

    def answers(self, needle: Needle) -> bytes:
        """NO, YES or UNKNOWN for each message."""
        found = bytearray((NO,)) * len(self._values)
        for at in self._unread:
            found[at] = UNKNOWN
        sure = needle.value == needle.longest
        left = len(self._values) // MANY
        for at in self._holders(needle.longest):
            if left == 0:
                return of_kept(needle, self._values)
            left -= 1
            if sure or needle.within(str(self._values[at])):
                found[at] = YES
        return bytes(found)

    def _holders(self, word: str) -> Iterator[int]:
        """Messages that hold the word, which is not empty."""
        text, starts = self._text, self._starts
        at = text.find(word)
        while at >= 0:
            number = bisect_right(starts, at) - 1
            yield number
            at = text.find(word, starts[number + 1])


def joined(before: Sequence[Block], values: Sequence[str | int | None]) -> list[Block]:
    """A column in blocks; ``before``: those of the column when it was shorter."""
    if sum(map(len, before)) == len(values):
        return list(before)
    whole = [block for block in before if len(block) == SIZE]
    starts = range(len(whole) * SIZE, len(values), SIZE)
    return whole + [Block(values[start : start + SIZE]) for start in starts]
