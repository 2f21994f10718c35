"""The journal: what happened to every message, kept for a while. Part of ``store.api``.

A story is one message: it begins with the row that says it was accepted, appended or refused, in
the transaction that did it; attempts, reports and notes are added to it. What users do to mail in
mailboxes is one row an operation, however many messages it touched, and put together with the
stories when they are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from pillarbox.model.reply import Reply
from pillarbox.model.story import Event, Refused, Story
from pillarbox.model.transaction import Envelope

Pair = tuple[int, int]
"""(recipient, route) within an envelope."""

MAX_REFUSED = 100_000
"""Stories of refusals that are kept; strangers make as many as they like, the oldest go first."""


@dataclass(slots=True)
class Telling:
    """What the story says beside what the store knows itself, when a message is accepted."""

    envelope: Envelope
    places: Mapping[Pair, int] = field(default_factory=dict)
    """Which target serves which pair."""
    discarded: Mapping[Pair, str] = field(default_factory=dict)
    """Pairs whose copy was thrown away on purpose, and by whom, in words. Nothing else may
    become of an accepted message without a trace in a mailbox or the queue."""
    refused: Mapping[Pair, Reply] = field(default_factory=dict)
    """Pairs that were told no, each by a reply of its own (LMTP)."""
    notes: Sequence[Event] = ()
    """What went before, in order: verdicts, rules, routing."""
    story: int = 0
    """0 begins a story. Else the one to go on with: mail that comes out of the queue."""
    numbers: Sequence[int] = ()
    """Of the recipients within the queue item, when a story goes on."""


class Journal(Protocol):
    """What is kept about messages beside them. All times are seconds since 1970 UTC."""

    async def note(self, key: int, events: Sequence[Event]) -> bool:
        """Add to the newest story with this key (``by_trace``, ``by_item`` …); False when there
        is none. What belongs to a change of mail goes into that change's transaction instead."""
        ...

    async def refused(self, refusals: Sequence[Refused]) -> None:
        """Stories that are over when they begin."""
        ...

    async def stories(self, key: int, limit: int = 20) -> list[Story]:
        """Those with this key, newest first."""
        ...

    async def stories_after(self, after: int, limit: int = 200) -> list[Story]:
        """Whole stories by number, without what users did to the mail later."""
        ...

    async def forget(self, before: float) -> int:
        """Drop stories that began, and operations that happened, before a time, and refusals
        above ``MAX_REFUSED``; how many stories that were. Those still in the queue stay."""
        ...


_HASHED = 1 << 62
_ITEMS = 1 << 61
_BLOBS = 1 << 60


def by_trace(trace: str) -> int:
    """The key of an envelope id."""
    return _key("t", trace)


def by_item(item: int) -> int:
    """The key of a queue item."""
    return _ITEMS | item


def by_blob(blob: int) -> int:
    """The key of an immutable message (``Appended.blob``)."""
    return _BLOBS | blob


def by_message_id(message_id: str) -> int:
    """The key of a Message-ID, with or without its brackets."""
    return _key("m", message_id.strip().removeprefix("<").removesuffix(">"))


@lru_cache(maxsize=4096)
def by_address(address: str) -> int:
    """The key of a sender or recipient, in any case."""
    return _key("a", address.lower())


def _key(kind: str, word: str) -> int:
    digest = hashlib.blake2b((kind + word).encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest()) >> 2 | _HASHED
