"""What is wrong with a script, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pillarbox.base.errors import Misuse

LONGEST = 400
"""Characters of a complaint that are told: it may repeat a word of a script, of any length."""


class Place(NamedTuple):
    """A place in a script; both count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint: ``line 3, column 7: unknown test "hedaer"``."""

    place: Place
    text: str

    def __str__(self) -> str:
        text = self.text if len(self.text) <= LONGEST else f"{self.text[:LONGEST]}…"
        return f"line {self.place.line}, column {self.place.column}: {text}"


class Invalid(Misuse):
    """A script that cannot run as it stands (RFC 5228 §2.10.6, compile-time errors)."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class Wrong(Exception):
    """Raised inside the room while reading a script; becomes ``Invalid``."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(place, text)


class Failed(Exception):
    """A run-time error (RFC 5228 §2.10.6); raised inside the room, told in ``Outcome.error``."""

    def __init__(self, text: str, place: Place | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.place = place
