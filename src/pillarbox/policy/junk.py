"""How much a message is like what somebody calls junk: one pure function over counts of words.

The words that say most are combined as independent witnesses, once for junk and once against it
(Fisher's method, as G. Robinson proposed it for mail). Where both sides speak loudly, or nobody,
the result lies in the middle and nothing follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WITNESSES: Final = 150
"""Words that are heard, the clearest first."""
_CLEAR: Final = 0.1
"""How far from the middle a word must be to be heard at all."""
_STRENGTH, _MIDDLE = 0.45, 0.5
"""What a word counts for that was hardly ever seen."""
_FEW: Final = 8
"""Witnesses below which nothing is decided: a message of three words proves nothing."""
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Training:
    """What somebody taught his filter: messages of each kind, and words that are known."""

    junk: int = 0
    good: int = 0
    words: int = 0

    def enough(self, least: int) -> bool:
        """So many of both kinds, without which every judgement would be a guess."""
        return min(self.junk, self.good) >= least


@dataclass(frozen=True, slots=True)
class Score:
    """``value``: 0 good, 1 junk. ``words``: those that said most, for whom they spoke."""

    value: float
    words: tuple[str, ...] = ()


NO_IDEA: Final = Score(0.5)


def score(counts: Mapping[str, tuple[int, int]], training: Training) -> Score:
    """``counts``: in how many messages of junk and of good mail each word of this one was."""
    if not training.junk or not training.good:
        return NO_IDEA
    judged = ((word, _chance(*seen, training)) for word, seen in counts.items() if any(seen))
    clear = [(word, chance) for word, chance in judged if abs(chance - 0.5) >= _CLEAR]
    heard = sorted(clear, key=lambda one: (-abs(one[1] - 0.5), one[0]))[:WITNESSES]
    if len(heard) < _FEW:
        return NO_IDEA
    against = _doubt([1.0 - chance for _, chance in heard])
    speaking = _doubt([chance for _, chance in heard])
    value = (1.0 + speaking - against) / 2.0
    side = [word for word, chance in heard if (chance > 0.5) == (value > 0.5)]
    return Score(value, tuple(side[:_NAMED]))


def _chance(junk: int, good: int, training: Training) -> float:
    """That a message with this word is junk, drawn to the middle for rare words."""
    bad, fine = min(1.0, junk / training.junk), min(1.0, good / training.good)
    times = junk + good
    return (_STRENGTH * _MIDDLE + times * (bad / (bad + fine))) / (_STRENGTH + times)


def _doubt(chances: list[float]) -> float:
    """The chance that witnesses who know nothing are at least so far from agreeing (the upper
    tail of chi-square with two degrees of freedom a witness)."""
    half = -sum(map(math.log, chances))
    term = total = math.exp(-half)
    for n in range(1, len(chances)):
        term *= half / n
        total += term
    return min(1.0, total)
