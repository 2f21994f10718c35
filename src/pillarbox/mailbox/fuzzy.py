"""FUZZY (RFC 6203): what matches approximately, and how well.

A text is a set of words. It matches when each of them does, in any order and anywhere in what the
key looks into. A word matches, from best to worst: a word of the message that is the same; one
that begins with it; one that holds it; one that becomes it by few edits (a character inserted,
removed or replaced, or two neighbours exchanged): none up to three characters, one up to seven,
two beyond. At least three characters in a row must be right, because the index knows no less.

The score of a message is the mean over its fuzzy keys of how well their words match, weighed by
where they were found: the subject counts most, the body least and more for a word it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pillarbox.mailbox.casemap import fold
from pillarbox.store.search import GRAM

_WORD: Final = re.compile(r"[\w\u0300-\u036f]+")
MAX_WORDS: Final = 20
"""Of a key that are looked for."""
SAME, BEGINS, HOLDS, RESEMBLES = 0.9, 0.8, 0.6, 0.4
"""How well a word matches."""
_REPEATED: Final = 0.02
"""What each occurrence of the same word adds, up to ``_MOST`` of them."""
_MOST: Final = 5
SUBJECT, HEADER, BODY = 1.0, 0.75, 0.5
"""What a place counts."""
SPOILS: Final = GRAM + 1
"""Pieces of three characters that one edit can change."""
_LEAST_TO_EDIT: Final = 4
_LONG: Final = 8


def allowed_edits(word: str) -> int:
    """Edits by which another word may differ and still match."""
    return (len(word) >= _LEAST_TO_EDIT) + (len(word) >= _LONG)


class Words:
    """The words of a text of a message, counted."""

    __slots__ = ("counts", "text")

    def __init__(self, folded: str) -> None:
        self.text = folded
        self.counts: dict[str, int] | None = None

    def each(self) -> dict[str, int]:
        """Word to how often it occurs."""
        if self.counts is None:
            self.counts = {}
            for word in _WORD.findall(self.text):
                self.counts[word] = self.counts.get(word, 0) + 1
        return self.counts


class Fuzzy:
    """A text to be found approximately."""

    __slots__ = ("_grams", "words")

    def __init__(self, text: str) -> None:
        folded = fold(text)
        found = list(dict.fromkeys(_WORD.findall(folded))) or folded.split()
        self.words = found[:MAX_WORDS]
        self._grams = [
            [word[at : at + GRAM] for at in range(len(word) - GRAM + 1)] for word in self.words
        ]

    def score(self, places: Iterable[tuple[Words, float]]) -> float:
        """How well texts match, each with a weight of at most 1: 0 is not at all, 1 is best."""
        best = [0.0] * len(self.words)
        for text, weight in places:
            for at in range(len(self.words)):
                if best[at] < weight:
                    best[at] = max(best[at], weight * self._word(at, text))
        return sum(best) / len(best) if best and all(best) else 0.0

    def _word(self, at: int, text: Words) -> float:
        """How well one word matches a text."""
        word, grams = self.words[at], self._grams[at]
        if word in text.text:
            counts = text.each()
            if word in counts:
                return SAME + _REPEATED * min(counts[word], _MOST)
            return BEGINS if any(other.startswith(word) for other in counts) else HOLDS
        edits = allowed_edits(word)
        if not edits or not any(gram in text.text for gram in grams):
            return 0.0
        low, high = len(word) - edits, len(word) + edits
        for other in text.each():
            near = low <= len(other) <= high and any(gram in other for gram in grams)
            if near and differs_by(word, other) <= edits:
                return RESEMBLES
        return 0.0


def differs_by(one: str, other: str) -> int:
    """Edits that make one word the other, no place edited twice."""
    older: list[int] = []
    old = list(range(len(other) + 1))
    for at, char in enumerate(one, 1):
        row = [at]
        for place, against in enumerate(other, 1):
            least = min(old[place] + 1, row[-1] + 1, old[place - 1] + (char != against))
            if at > 1 < place and char == other[place - 2] and one[at - 2] == against:
                least = min(least, older[place - 2] + 1)
            row.append(least)
        older, old = old, row
    return old[-1]


def spread(scores: Iterable[float]) -> list[int]:
    """Scores as numbers from 1 to 100, the best being 100 (RFC 6203 §4: the range SHOULD be used
    in full)."""
    found = list(scores)
    best = max(found, default=0.0)
    return [max(1, round(100 * score / best)) if best else 100 for score in found]
