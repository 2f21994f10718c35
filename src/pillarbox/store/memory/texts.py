"""The index of texts: what it means, without what makes it fast."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from pillarbox.store.memory.state import State
from pillarbox.store.search import Batch, Indexed, Pieces, Progress, Unindexed


@dataclass(slots=True)
class Texts:
    """What the index knows: text and whether it is whole, by blob."""

    edition: int | None = None
    generation: int = 0
    known: dict[int, tuple[str, bool]] = field(default_factory=dict)

    def may_have(self, blob: int, wanted: Sequence[Pieces]) -> bool:
        """False when a message surely lacks something."""
        text, whole = self.known.get(blob, ("", False))
        return not whole or all(
            sum(piece in text for piece in pieces.of) >= pieces.least for pieces in wanted
        )


class MemoryTexts:
    """See ``search.TextIndex``."""

    state: State
    texts: Texts

    async def index_edition(self, edition: int) -> None:
        if self.texts.edition != edition:
            self.texts.edition = edition
            self.texts.known.clear()
            self.texts.generation += 1

    async def unindexed(self, messages: int, octets: int) -> Batch:
        found: list[Unindexed] = []
        for number, blob in self.state.blobs.items():
            if number in self.texts.known or not blob.boxed:
                continue
            if len(found) == messages or (found and octets <= 0):
                break
            octets -= len(blob.body)
            inline = len(blob.body) <= self.state.inline_limit
            found.append(Unindexed(number, blob.facts.scan, blob.body if inline else None))
        return Batch(self.texts.generation, found)

    async def index_texts(self, generation: int, texts: Sequence[Indexed]) -> None:
        if generation == self.texts.generation:
            for one in texts:
                self.texts.known[one.blob] = (one.text, one.whole)

    async def candidates(
        self, account: int, mailbox: int, wanted: Sequence[Pieces]
    ) -> array[int] | None:
        found = self.state.box(account, mailbox)
        if self.texts.edition is None or found is None:
            return None
        messages, may_have = found[1].messages.values(), self.texts.may_have
        return array("I", [m.uid for m in messages if may_have(m.blob, wanted)])

    async def index_progress(self) -> Progress:
        boxed = {number for number, blob in self.state.blobs.items() if blob.boxed}
        indexed = len(boxed & self.texts.known.keys())
        return Progress(indexed, len(boxed) - indexed)

    async def reindex(self, account: int | None = None) -> int:
        known = self.texts.known
        wanted = set(known)
        if account is not None:
            home = self.state.homes.get(account)
            boxes = home.boxes.values() if home else ()
            wanted &= {m.blob for box in boxes for m in box.messages.values()}
        for blob in wanted:
            del known[blob]
        self.texts.generation += 1
        return len(wanted)

    async def tidy_index(self) -> int:
        gone = self.texts.known.keys() - self.state.blobs.keys()
        for blob in gone:
            del self.texts.known[blob]
        return len(gone)
