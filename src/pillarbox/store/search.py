"""The index of texts a store keeps beside its messages, and how it is filled.

An index knows pieces of three characters (``GRAM``) of each message's text, so it can name
messages that may hold a text; whether they do is for the reader of the message to say. It never
misses a message: what is not indexed yet, or not as a whole, is always named.

It is filled behind the mail, never with it: whoever fills it (``mailbox.indexer``) takes messages
in the order in which they came, and the store remembers up to where. Losing an index loses no
mail, so nothing here need survive a power cut; what is left must be right all the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

GRAM: Final = 3
"""Characters of a piece. Shorter texts cannot be asked for."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Texts of ``GRAM`` characters each, of which a message must have at least so many."""

    of: tuple[str, ...]
    least: int


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A message whose text the index lacks."""

    blob: int
    scan: bytes
    """Frozen part tree; empty when the message has gone meanwhile."""
    body: bytes | None
    """The message, where it is kept inline."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of them. ``generation`` tells a batch of before a ``reindex`` from one after it."""

    generation: int
    messages: Sequence[Unindexed] = ()


@dataclass(frozen=True, slots=True)
class Indexed:
    """The text of one message, ``whole`` unless some of it is missing: then it is always a
    candidate."""

    blob: int
    text: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """Messages in the index and messages it lacks."""

    indexed: int
    waiting: int


class TextIndex(Protocol):
    """What a store that can be searched for text offers."""

    async def index_edition(self, edition: int) -> None:
        """Say by which rules texts are made. Texts made by others are forgotten; before this is
        called the index names no candidates."""
        ...

    async def unindexed(self, messages: int, octets: int) -> Batch:
        """The next messages, oldest first: so many, or of so many octets, at most (but one)."""
        ...

    async def index_texts(self, generation: int, texts: Sequence[Indexed]) -> None:
        """Add the texts of a whole batch, in its order. A batch of an older generation is
        ignored."""
        ...

    async def candidates(
        self, account: int, mailbox: int, wanted: Sequence[Pieces]
    ) -> array[int] | None:
        """UIDs (ascending, typecode 'I') of a mailbox that may have each of ``wanted``; all
        others that were there do not. None when the index cannot tell."""
        ...

    async def index_progress(self) -> Progress: ...

    async def reindex(self, account: int | None = None) -> int:
        """Forget the texts of an account, or all, so that they are made again; how many."""
        ...

    async def tidy_index(self) -> int:
        """Forget the texts of messages that are gone; how many. Bounded: 0 when done."""
        ...
