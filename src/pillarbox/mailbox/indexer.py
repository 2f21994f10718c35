"""Fills the index of texts behind the mail.

Messages are taken in the order in which they came, their texts made in a thread and handed to
the store's index. It rests between two batches, stands back a moment while the loop is busy, for
seconds while mail pours in and for one behind it, though not for ever: a tail that is not indexed
is looked at by every search. A message that cannot be read is noted as such and searched as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.base.lanes import Lane
from pillarbox.base.log import Logger
from pillarbox.mailbox.document import Depth, Document, read
from pillarbox.mailbox.texts import EDITION, text_of
from pillarbox.message.freeze import thaw
from pillarbox.store.api import Blobs
from pillarbox.store.search import Indexed, Progress, TextIndex, Unindexed

log = Logger("mailbox")


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes and times (seconds)."""

    messages: int = 64
    octets: int = 1024 * 1024
    """Of a batch."""
    settle: float = 1.0
    """After mail came, until it is indexed: what follows it closely comes along."""
    look: float = 60.0
    """Between two looks when nothing is heard."""
    rest: float = 0.3
    """Times as long as a batch took until the next. Most of a batch is the index's own work, which
    holds no lock of the interpreter."""
    busy: float = 0.010
    """How late the loop may wake us before it counts as busy."""
    stand_back: float = 0.25
    patience: int = 20
    """How often to stand back while mail pours in before going on all the same."""
    glance: int = 1
    """The same while others keep the loop busy: they search sooner or later, and a batch every
    quarter of a second takes a twentieth of their time."""


DEFAULT: Final = Options()
_PROBE: Final = 0.005
"""Mail pours in if some comes while we listen so long: from 200 messages a second on."""


class Source(Blobs, TextIndex, Protocol):
    """What is needed of the store."""


class Indexer:
    """One for a store. ``lane``: threads for making texts."""

    def __init__(self, store: Source, lane: Lane, clock: Clock, options: Options = DEFAULT) -> None:
        self._store = store
        self._lane = lane
        self._clock = clock
        self._options = options
        self._news = asyncio.Event()
        self._one = asyncio.Lock()

    def wake(self) -> None:
        """Mail came, or something is to be indexed again."""
        self._news.set()

    async def run(self) -> None:
        """Fill the index for ever."""
        await self._store.index_edition(EDITION)
        while True:
            self._news.clear()
            while await self.step():
                pass
            while await self._store.tidy_index():
                await self._clock.sleep(self._options.stand_back)
            await self._wait()

    async def _wait(self) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(self._options.look))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait((sleep, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            news.cancel()
        await self._clock.sleep(self._options.settle)

    async def fill(self, seconds: float) -> Progress:
        """Work for about so long, or until all is done, and say how far it is."""
        await self._store.index_edition(EDITION)
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until and await self.step():
            pass
        return await self._store.index_progress()

    async def step(self) -> bool:
        """One batch and the rest after it; False when nothing was left to do."""
        async with self._one:
            began = self._clock.monotonic()
            batch = await self._store.unindexed(self._options.messages, self._options.octets)
            if not batch.messages:
                return False
            texts = await self._texts(batch.messages)
            await self._store.index_texts(batch.generation, texts)
            spent = self._clock.monotonic() - began
        await self._clock.sleep(spent * self._options.rest)
        await self._quiet()
        return True

    async def _quiet(self) -> None:
        """Return when the loop has time, or patience ends.

        A text costs about a third of what taking a message in costs, on the same processor.
        """
        poured = False
        for time in range(self._options.patience):
            asked = self._clock.monotonic()
            self._news.clear()  # whoever calls looks at the store again: nothing is missed
            await self._clock.sleep(_PROBE)
            late = self._clock.monotonic() - asked - _PROBE >= self._options.busy
            if self._news.is_set():
                poured = True
            elif poured:  # it ends: whoever waited for it reads it now
                poured = False
                await self._clock.sleep(self._options.settle)
                continue
            elif not late or time >= self._options.glance:
                return
            await self._clock.sleep(self._options.stand_back)

    async def _texts(self, messages: Sequence[Unindexed]) -> list[Indexed]:
        documents = [await self._document(message) for message in messages]
        return await self._lane.run(_made, messages, documents)

    async def _document(self, message: Unindexed) -> Document | None:
        if not message.scan:
            return None  # it has gone
        try:
            scan = thaw(message.scan)
            return await read(self._store, message.blob, scan, message.body, Depth.PARTS)
        except Temporary:
            raise  # the disk, not the message: begin again later
        except Exception as error:
            log.warning("index.unreadable", blob=message.blob, reason=error)
            return None


def _made(messages: Sequence[Unindexed], documents: Sequence[Document | None]) -> list[Indexed]:
    return [_one(message.blob, found) for message, found in zip(messages, documents, strict=True)]


def _one(blob: int, document: Document | None) -> Indexed:
    if document is not None:
        try:
            text, whole = text_of(document)
        except Exception as error:
            log.warning("index.unreadable", blob=blob, reason=error)
        else:
            return Indexed(blob, text, whole)
    return Indexed(blob, "", whole=False)
