"""FUZZY (RFC 6203): what matches approximately, and how well.

A text is a set of words. It matches when each of them does, in any order and anywhere in what the
key looks into. A word matches, from best to worst: a word of the message that is the same; one
that begins with it; one that holds it; one that becomes it by few edits (a character inserted,
removed or replaced, or two neighbours exchanged): none up to three characters, one up to nine,
two beyond. At least three characters in a row must be right, because the index knows no less.

The score of a message is the mean over its fuzzy keys of how well their words match, weighed by
where they were found: the subject counts most, the body least and more for a word it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pillarbox.message.casemap import fold
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
_LONG: Final = 10
_LOOKED_AT: Final = 100
"""Occurrences of a piece in one text."""


def allowed_edits(word: str) -> int:
    """Edits by which another word may differ and still match."""
    return (len(word) >= _LEAST_TO_EDIT) + (len(word) >= _LONG)


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

    def score(self, places: Iterable[tuple[str, float]]) -> float:
        """How well folded texts match, each with a weight of at most 1: 0 is not at all, 1 best."""
        best = [0.0] * len(self.words)
        for text, weight in places:
            for at, word in enumerate(self.words):
                if best[at] < weight:
                    found = _held(word, text) or self._resembled(at, text)
                    best[at] = max(best[at], weight * found)
        return sum(best) / len(best) if best and all(best) else 0.0

    def _resembled(self, at: int, text: str) -> float:
        """RESEMBLES if a word of the text becomes the word by few edits."""
        word = self.words[at]
        edits = allowed_edits(word)
        if not edits:
            return 0.0
        low, high = len(word) - edits, len(word) + edits
        seen: set[str] = set()
        for gram in self._grams[at]:
            for place in _places(gram, text):
                other = _word_at(text, place, high)
                if low <= len(other) <= high and other not in seen:
                    seen.add(other)
                    if differs_by(word, other) <= edits:
                        return RESEMBLES
        return 0.0


def _held(word: str, text: str) -> float:
    """How well a text holds a word as it is."""
    best, same = 0.0, 0
    for place in _places(word, text):
        end = place + len(word)
        begins = not place or not _is_part(text[place - 1])
        ends = end == len(text) or not _is_part(text[end])
        same += begins and ends
        best = max(best, BEGINS if begins else HOLDS)
    return SAME + _REPEATED * min(same, _MOST) if same else best


def _places(piece: str, text: str) -> Iterator[int]:
    """Where a piece is in a text, up to a bound."""
    place = text.find(piece)
    for _ in range(_LOOKED_AT):
        if place < 0:
            return
        yield place
        place = text.find(piece, place + len(piece))


def _word_at(text: str, place: int, longest: int) -> str:
    """The word around a place; of a long one more than ``longest`` characters."""
    start = place
    while start and place - start <= longest and _is_part(text[start - 1]):
        start -= 1
    end = place
    while end < len(text) and end - start <= longest and _is_part(text[end]):
        end += 1
    return text[start:end]


def _is_part(char: str) -> bool:
    return char.isalnum() or char == "_" or "\u0300" <= char <= "\u036f"


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
