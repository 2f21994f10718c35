"""What is known of a search so far: for each part of the query, who matches and who may.

A set is one big integer, an octet of 0 or 1 a message: AND and OR of a million messages take a
tenth of a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from pillarbox.mailbox.criteria import NO, YES, Criterion
from pillarbox.model.query import Text

Bounds = tuple[int, int]
"""Messages that match for sure, and those that may; the first are among the second."""


class Node(Protocol):
    """A part of a query."""

    def bounds(self) -> Bounds: ...


class Known:
    """A leaf that the arrays answer."""

    __slots__ = ("_bounds",)

    def __init__(self, mask: bytes) -> None:
        bits = int.from_bytes(mask, "little")
        self._bounds = (bits, bits)

    def bounds(self) -> Bounds:
        return self._bounds


_IS_YES: Final = bytes([NO, YES, NO]) + bytes(253)
_IS_MAYBE: Final = bytes([NO, YES, YES]) + bytes(253)


class Leaf:
    """A leaf that costs something: what is known of it so far."""

    __slots__ = ("criterion", "maybe", "scores", "yes")

    def __init__(self, found: Criterion, count: int) -> None:
        self.criterion = found
        self.yes = bytearray(count)
        self.maybe = bytearray(b"\x01") * count
        self.scores: dict[int, float] = {}

    @property
    def exact(self) -> bool:
        """It asks for a text within the message itself, as it stands: nothing fuzzy."""
        return isinstance(self.criterion.text, Text) and self.criterion.needle is not None

    def learn(self, indexes: Sequence[int], answers: bytes) -> None:
        """Note NO, YES or UNKNOWN for messages at ascending ``indexes``."""
        yes, maybe = answers.translate(_IS_YES), answers.translate(_IS_MAYBE)
        start, stop = indexes[0], indexes[-1] + 1
        if stop - start == len(indexes):  # a stretch without holes: the usual case
            self.yes[start:stop] = yes
            self.maybe[start:stop] = maybe
            return
        for index, sure, may in zip(indexes, yes, maybe, strict=True):
            self.yes[index] = sure
            self.maybe[index] = may

    def bounds(self) -> Bounds:
        return int.from_bytes(self.yes, "little"), int.from_bytes(self.maybe, "little")


class AllOf:
    """AND."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        self._parts = parts

    def bounds(self) -> Bounds:
        yes, maybe = self._parts[0].bounds()
        for part in self._parts[1:]:
            more = part.bounds()
            yes, maybe = yes & more[0], maybe & more[1]
        return yes, maybe


class AnyOf:
    """OR."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Node]) -> None:
        self._parts = parts

    def bounds(self) -> Bounds:
        yes, maybe = self._parts[0].bounds()
        for part in self._parts[1:]:
            more = part.bounds()
            yes, maybe = yes | more[0], maybe | more[1]
        return yes, maybe


class Not:
    """NOT."""

    __slots__ = ("_full", "_part")

    def __init__(self, part: Node, full: int) -> None:
        self._part = part
        self._full = full

    def bounds(self) -> Bounds:
        yes, maybe = self._part.bounds()
        return self._full ^ maybe, self._full ^ yes
