"""Which words a column of header fields has, and which messages hold each.

Ten thousand subjects are made of far fewer words. So a text without white space is looked for in
the words, joined to one text, and the messages that hold one of these are the answer; to look into
each subject costs twenty times as much. Messages are told by UID: those that go are in nobody's
way, and those that come are added.

Senders choose the words, so there are bounds: to what is learned in one go, and to how many words
are known. A column that is richer than that knows none, and each text is looked into.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain, compress
from typing import Final

from pillarbox.mailbox.criteria import NO, UNKNOWN, YES, of_kept
from pillarbox.mailbox.document import Needle
from pillarbox.mailbox.kept import UNREAD, Kept

PIECE: Final = 4096
"""Messages learned in one go: some milliseconds."""
WORK: Final = 32_768
"""Words learned in one go, about: as long as that takes where each message has thousands."""
LONG: Final = 32
"""Characters that cost about as much as one more word."""
RICH: Final = 8
"""Different words for each message, and ``PIECE`` to begin with; a column of more is too rich."""
MOST: Final = 300_000
"""Different words of one column, some 200 octets each."""
WORDS: Final = 1000
"""More words than this that hold what is looked for, and looking into each text is cheaper."""
_END: Final = "\n"
"""Between two words, which have no white space."""


class Vocabulary:
    """The words of one column."""

    __slots__ = ("_holders", "_last", "_lists", "_rich", "_starts", "_text", "_unread", "count")

    def __init__(self) -> None:
        self._holders: dict[str, array[int]] = {}
        self._unread = array("I")
        self._last = 0
        self.count = 0
        """Messages learned; some may have gone."""
        self._text = ""
        self._starts = array("I")
        self._lists: list[array[int]] = []
        self._rich = False

    def __len__(self) -> int:
        """Different words; 0 where they are too many to be known."""
        return len(self._holders)

    def learn(self, uids: array[int], values: Sequence[str | int | None]) -> bool:
        """Add some of the messages that are new; whether that was all. ``uids`` ascend."""
        start = bisect_right(uids, self._last)
        end = len(uids) if self._rich else self._add(uids, values, start)
        if end > start:
            self._last = uids[end - 1]
            self.count += end - start
        if len(self._holders) > min(RICH * self.count + PIECE, MOST):
            self._rich = True
            self._forget()
        return end == len(uids)

    def _add(self, uids: array[int], values: Sequence[str | int | None], start: int) -> int:
        """Learn some from ``start`` on; where the next are."""
        holders, spent, end = self._holders, 0, start
        some = slice(start, start + PIECE)
        for uid, value in zip(uids[some], values[some], strict=True):
            end += 1
            if isinstance(value, str):
                words = value.split()
                for word in set(words):
                    if word in holders:
                        holders[word].append(uid)
                    else:
                        holders[word] = array("I", (uid,))
                spent += len(words) + len(value) // LONG
                if spent >= WORK:
                    break
            elif value == UNREAD:
                self._unread.append(uid)
        return end

    def _forget(self) -> None:
        """All words."""
        self._holders = {}
        self._unread = array("I")
        self._text = ""
        self._starts = array("I")
        self._lists = []

    def answers(
        self, needle: Needle, uids: array[int], values: Sequence[str | int | None]
    ) -> bytes:
        """NO, YES or UNKNOWN for each of ``uids``, all of which were learned; ``values``: their
        column."""
        if self._rich:
            return of_kept(needle, values)
        found = None
        for word in needle.words:
            lists = self._holding(word)
            if lists is None or sum(map(len, lists)) > len(uids):
                return of_kept(needle, values)
            mask = int.from_bytes(_mask(lists, uids), "little")
            found = mask if found is None else found & mask
        if found is None:
            return of_kept(needle, values)
        answers = bytearray(found.to_bytes(len(uids), "little"))
        if not needle.is_word:
            for at in compress(range(len(uids)), bytes(answers)):
                answers[at] = YES if needle.within(str(values[at])) else NO
        for at in compress(range(len(uids)), _mask([self._unread], uids)) if self._unread else ():
            answers[at] = UNKNOWN
        return bytes(answers)

    def _holding(self, text: str) -> list[array[int]] | None:
        """Messages of each word that holds the text; None when these are too many words."""
        if len(self._lists) != len(self._holders):
            self._lists = list(self._holders.values())
            self._text = _END.join(self._holders)
            self._starts = array("I", accumulate(map(_room, self._holders), initial=0))
        found: list[array[int]] = []
        at = self._text.find(text)
        while at >= 0:
            number = bisect_right(self._starts, at) - 1
            found.append(self._lists[number])
            if len(found) > WORDS:
                return None
            at = self._text.find(text, self._starts[number + 1])
        return found


def _room(word: str) -> int:
    return len(word) + 1


def _mask(lists: Sequence[array[int]], uids: array[int]) -> bytes:
    """An octet of 1 for each of ``uids`` that is in one of the lists."""
    count = len(uids)
    if not count or uids[-1] - uids[0] + 1 != count:
        there = set(chain.from_iterable(lists))
        return bytes(map(there.__contains__, uids))
    mask = bytearray(count)
    first = uids[0]
    for uid in chain.from_iterable(lists):
        if 0 <= uid - first < count:
            mask[uid - first] = YES
    return bytes(mask)


def vocabulary(kept: Kept, name: str) -> Vocabulary:
    """That of a column, begun anew when it is mostly about messages that have gone."""
    found = kept.words.get(name)
    if found is None or found.count > 2 * len(kept.uids) + PIECE:
        found = kept.words[name] = Vocabulary()
    return found
