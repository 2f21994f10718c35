"""The filter of each account: what its owner moved to Junk, and out of it, judges what comes next.

It only files as junk, never refuses, and says nothing before it learned enough of both kinds.
Whatever goes wrong here, the message is taken as if there were no such filter.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from pillarbox.base.lanes import Lane
from pillarbox.base.log import Logger
from pillarbox.filters.chain import Screened
from pillarbox.message.tokens import LOOKED_AT, tokens
from pillarbox.model.transaction import Envelope, Local
from pillarbox.model.verdict import Action, Finding
from pillarbox.policy import junk
from pillarbox.store.learned import Learned

log = Logger("filters")

METHOD: Final = "learned"
"""Of our findings."""
FIELD: Final = "X-Pillarbox-Junk"
MOST: Final = 100
"""Recipients of one message whose filters are asked; beyond them nobody is."""


@dataclass(frozen=True, slots=True)
class Options:
    """``least``: messages of each kind before a filter speaks. ``certain``: from which score (0 to
    1) on a message is junk. ``seconds`` for one message."""

    enabled: bool = True
    least: int = 20
    certain: float = 0.95
    seconds: float = 5.0


class Personal:
    """One for a house. ``lane``: where words are made."""

    def __init__(self, store: Learned, lane: Lane, options: Options) -> None:
        self._store = store
        self._lane = lane
        self.options = options

    async def screen(self, envelope: Envelope, content: memoryview, screened: Screened) -> Screened:
        """With what the filters of its local recipients say. Never raises."""
        if not self.options.enabled or screened.verdict.action is not Action.ACCEPT:
            return screened
        try:
            able = await self._able(envelope)
            if not able:
                return screened  # most messages: not even a timer is set
            async with asyncio.timeout(self.options.seconds):
                return await self._screen(envelope, content, screened, able)
        except TimeoutError:
            log.warning("filter.failed", filter=METHOD, id=envelope.id, error="not ready in time")
        except Exception as error:
            log.error("filter.bug", exc=error, filter=METHOD, id=envelope.id)
        return screened

    async def _able(self, envelope: Envelope) -> list[tuple[Local, junk.Training]]:
        """Whose filters have learned enough to speak."""
        able = []
        for route in _people(envelope)[:MOST]:
            taught = await self._store.taught(route.account)
            training = junk.Training(taught.junk, taught.good, taught.words)
            if training.enough(self.options.least):
                able.append((route, training))
        return able

    async def _screen(
        self,
        envelope: Envelope,
        content: memoryview,
        screened: Screened,
        able: Sequence[tuple[Local, junk.Training]],
    ) -> Screened:
        words = await self._lane.run(tokens, bytes(content[:LOOKED_AT]))
        ids = {word_id(word): word for word in words}
        findings: list[Finding] = []
        scores: list[junk.Score] = []
        junk_for: set[int] = set()
        for route, training in able:
            known = await self._store.word_counts(route.account, ids)
            counts = {ids[one]: seen for one, seen in known.items()}
            score = junk.score(counts, training)
            finding = self._finding(route.address, score)
            if finding.result == "junk":
                junk_for.add(route.account)
            findings.append(finding)
            scores.append(score)
            await asyncio.sleep(0)  # the loop may have others to serve between two tables
        verdict = replace(screened.verdict, personal=tuple(findings), junk_for=frozenset(junk_for))
        fields = screened.fields
        if (
            len(_people(envelope)) == 1
        ):  # several share the message: nobody learns of the others by a field
            fields += _field(findings[0].result, scores[0])
        return Screened(verdict, fields)

    def _finding(self, address: str, score: junk.Score) -> Finding:
        certain = self.options.certain
        result = "unsure"
        if score.value >= certain:
            result = "junk"
        elif score.value <= 1.0 - certain:
            result = "good"
        points = f"{score.value * 100:.0f} of 100 points, junk from {certain * 100:.0f}"
        words = f"{_SAID[result].format(address)} ({points})"
        if score.words:
            words += ", because of: " + ", ".join(score.words)
        return Finding(METHOD, result, words)


_SAID = {
    "junk": "it reads like what {} calls junk",
    "good": "it reads like the good mail of {}",
    "unsure": "the filter of {} cannot tell",
}


def _people(envelope: Envelope) -> list[Local]:
    """Local accounts, each once, that it goes to."""
    found: dict[int, Local] = {}
    for recipient in envelope.recipients:
        for route in recipient.routes:
            if isinstance(route, Local):
                found.setdefault(route.account, route)
    return list(found.values())


def _field(result: str, score: junk.Score) -> bytes:
    words = ",".join(word for word in score.words if word.isascii() and word.isprintable())
    said = f"{FIELD}: {result}; points={score.value * 100:.0f}"
    return (said + (f";\r\n\twords={words}" if words else "") + "\r\n").encode("ascii")


@lru_cache(8192)
def word_id(word: str) -> int:
    """63 bits that stand for a word."""
    octets = word.encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(octets, digest_size=8).digest(), "big") >> 1


def word_ids(data: bytes) -> Sequence[int]:
    """The words of a message, for learning it."""
    return [word_id(word) for word in tokens(data)]
