"""Evaluate a search over the messages of a view.

For every node of the query two sets are kept: messages that surely match, and those that may.
Cheap sources narrow the gap between them before dear ones are asked, and only what is still in
the gap at the root is looked at again: first the arrays in memory, then narrow columns, then the
index of texts, the kept header fields, and the message itself only for the few that are left. NOT,
OR and AND need no special cases, and an index is just one more way to narrow what may match.

A set is one big integer, an octet of 0 or 1 a message: AND and OR of a million messages take a
tenth of a millisecond.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import itemgetter
from typing import Final, Protocol

from pillarbox.mailbox import document
from pillarbox.mailbox.arrays import bit_mask, mask_of_seqs, positions, seqs_of_mask, spans
from pillarbox.mailbox.bounds import AllOf, AnyOf, Known, Leaf, Node, Not
from pillarbox.mailbox.criteria import Tier, criterion, of_kept, of_texts
from pillarbox.mailbox.fuzzy import spread
from pillarbox.mailbox.kept import LONGEST, Answer, Kept
from pillarbox.mailbox.texts import Index
from pillarbox.mailbox.view import View
from pillarbox.mailbox.vocabulary import vocabulary
from pillarbox.message.freeze import thaw
from pillarbox.model import query as q
from pillarbox.model.flags import keyword_bit, system_bit
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Blobs, Column, Mail
from pillarbox.store.search import TextIndex

BREATH: Final = 128 * 1024
"""Octets of text looked at before other sessions get their turn: about a millisecond."""
GAP: Final = 16
"""Rows not wanted that are read along rather than asking for one more range."""

MANY: Final = 256
"""Texts at hand looked at before others get their turn: about as long."""
FEW: Final = 200
"""Messages in doubt up to which looking at them is cheaper than asking an index."""


class Source(Mail, Blobs, TextIndex, Protocol):
    """What is needed of the store."""


class Candidates(Protocol):
    """An index of texts: names messages that may match, never misses one that does."""

    async def candidates(
        self, account: int, mailbox: int, leaf: q.Text | q.Header
    ) -> array[int] | None:
        """UIDs that may match, ascending; all others that were there do not. None when the index
        cannot help with this text."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """Which messages of the view match, as a mask over its sequence numbers."""

    mask: bytes
    uids: array[int]
    modseqs: array[int]
    scores: Sequence[Mapping[int, float]] = ()
    """For each fuzzy leaf the scores of messages by index (sequence number less one)."""

    def __len__(self) -> int:
        return self.mask.count(1)

    def numbers(self, *, uid: bool) -> Sequence[int]:
        """Their sequence numbers or UIDs, one by one."""
        return list(compress(self.uids if uid else range(1, len(self.mask) + 1), self.mask))

    def seqs(self) -> NumSet:
        """Their sequence numbers."""
        return seqs_of_mask(self.mask)

    def uid_set(self) -> NumSet:
        """Their UIDs, exactly."""
        return NumSet.of(uid for start, stop in spans(self.mask) for uid in self.uids[start:stop])

    def highest_modseq(self) -> int:
        """The largest modseq among them, 0 when there are none (RFC 7162 §3.1.5)."""
        modseqs = self.modseqs
        return max((max(modseqs[start:stop]) for start, stop in spans(self.mask)), default=0)

    def relevancy(self) -> dict[int, int]:
        """Sequence number to score, 1 to 100, of every message found (RFC 6203 §4)."""
        found = [at for start, stop in spans(self.mask) for at in range(start, stop)]
        scores = [sum([leaf.get(at, 0.0) for leaf in self.scores]) for at in found]
        return {at + 1: score for at, score in zip(found, spread(scores), strict=True)}


async def search(
    store: Source, view: View, query: q.Query, *, now: float, index: Candidates | None = None
) -> Found:
    """Find what matches ``query`` among the messages the session shows.

    ``now``: seconds since 1970 UTC, for WITHIN. Sequence numbers mean what they meant at the
    call; do not ``sync`` before the answer is sent. Raises ValueError for a Filter, which only
    its owner's metadata can resolve.
    """
    run = _Run(view, now)
    root = run.node(query)
    await run.narrow(store, root, index or Index(store))
    yes, _ = root.bounds()
    columns = run.columns
    mask = _bytes(yes & run.alive, run.count)
    return Found(mask, columns.uids, columns.modseqs, [leaf.scores for leaf in run.scored])


def _bytes(bits: int, count: int) -> bytes:
    return bits.to_bytes(count, "little")


class _Run:
    """One search: the view as it was, and the leaves that cost something."""

    def __init__(self, view: View, now: float) -> None:
        self.view = view
        self.now = now
        self.columns = view.columns()
        self.count = len(self.columns.uids)
        self.full = int.from_bytes(b"\x01" * self.count, "little")
        alive = bytearray(b"\x01") * self.count
        for index in self.columns.gone:
            alive[index] = 0
        self.alive = int.from_bytes(alive, "little")
        """Messages that are there; those found missing on the way are taken out."""
        self.leaves: list[Leaf] = []
        self.scored: list[Leaf] = []
        """The fuzzy ones that are not below a NOT."""
        self._denied = 0
        self._flags = self.columns.flags.tobytes()

    # ------------------------------------------------------------------ from query to nodes

    def node(self, query: q.Query) -> Node:
        match query:
            case q.And(parts=parts):
                nodes = [self.node(part) for part in parts]
                return AllOf(nodes) if nodes else Known(b"\x01" * self.count)
            case q.Or(parts=parts):
                nodes = [self.node(part) for part in parts]
                return AnyOf(nodes) if nodes else Known(bytes(self.count))
            case q.Not(part=part):
                self._denied += 1
                node = self.node(part)
                self._denied -= 1
                return Not(node, self.full)
        empty = isinstance(query, q.Text) and not query.value
        found = None if empty else criterion(query, self.now)
        if found is None:
            return Known(self._mask(query))
        leaf = Leaf(found, self.count)
        self.leaves.append(leaf)
        if isinstance(query, q.Text | q.Header) and query.fuzzy and not self._denied:
            self.scored.append(leaf)
        return leaf

    def _mask(self, leaf: q.Query) -> bytes:
        """What the arrays say."""
        view, count = self.view, self.count
        match leaf:
            case q.All() | q.SaveDateSupported() | q.Text():
                # Every mailbox here keeps save dates (RFC 8514 §4.3); every text has an empty one.
                return b"\x01" * count
            case q.Sequence(ranges=ranges):
                # Numbers that do not exist match nothing; only a bad command is an error.
                within = [(low, high) for low, high in ranges if count]
                return mask_of_seqs(_resolved(within, count), count)
            case q.Uid(ranges=ranges):
                return mask_of_seqs(view.seqs_of_uids(ranges), count)
            case q.Saved(uids=uids):
                return mask_of_seqs(view.seqs_of_uids(uids.ranges if uids else ()), count)
            case q.Flag(name=name):
                return self._flag(name)
            case q.ModSeq(value=value):
                return bytes([modseq >= value for modseq in self.columns.modseqs])
        raise ValueError(f"cannot be searched for: {leaf!r}")

    def _flag(self, name: str) -> bytes:
        if name.lower() == "\\recent":
            recent = self.view.recent
            return bytes(self.count - recent) + b"\x01" * recent
        bit = system_bit(name) or keyword_bit(name, self.columns.keywords)
        return bit_mask(self._flags, bit) if bit else bytes(self.count)

    # ------------------------------------------------------------------ narrowing

    async def narrow(self, store: Source, root: Node, index: Candidates) -> None:
        """Ask dearer and dearer sources until nothing is in doubt."""
        await self._ask_tier(store, Tier.NUMBERS, root)
        for leaf in self.leaves:
            if leaf.criterion.kept and self._doubt(root).count(1) > FEW:
                await self._ask_kept(store, leaf)
        self._recall()
        leaves = [leaf for leaf in self.leaves if leaf.criterion.text is not None]
        if leaves and self._doubt(root).count(1) > FEW:
            await self._ask_index(index, leaves)
        await self._ask_tier(store, Tier.FIELDS, root)
        leaves = [leaf for leaf in self.leaves if leaf.criterion.document is not None]
        if leaves and (doubt := self._doubt(root)):
            await self._ask_texts(leaves, doubt)
            doubt = self._doubt(root)
            if doubt:
                await self._ask_messages(store, leaves, doubt)
            self._remember()

    def _recall(self) -> None:
        """What earlier searches found out about the same texts."""
        texts, uids = self._kept().texts, self.columns.uids
        for leaf in self.leaves:
            if leaf.exact and (answer := texts.recall(leaf.criterion.text, uids)):
                known = len(answer.uids)
                leaf.yes[:known] = answer.yes
                leaf.maybe[:known] = answer.maybe

    def _remember(self) -> None:
        kept = self._kept()
        if self.view.state.shelf.room(kept) <= 0:
            return
        uids = self.columns.uids[: self.count]
        for leaf in self.leaves:
            if leaf.exact:
                answer = Answer(uids, bytes(leaf.yes), bytes(leaf.maybe))
                kept.texts.remember(leaf.criterion.text, answer)

    async def _ask_tier(self, store: Source, tier: Tier, root: Node) -> None:
        leaves = [leaf for leaf in self.leaves if (r := leaf.criterion.rows) and r.tier is tier]
        if leaves and (doubt := self._doubt(root)):
            await self._ask_rows(store, leaves, doubt)

    def _doubt(self, root: Node) -> bytes:
        """Mask of the messages that only may match; empty when there are none."""
        yes, maybe = root.bounds()
        doubt = maybe & ~yes & self.alive
        return _bytes(doubt, self.count) if doubt else b""

    async def _ask_rows(self, store: Source, leaves: Sequence[Leaf], doubt: bytes) -> None:
        columns: list[Column] = [Column.UID]
        tests = []
        for leaf in leaves:
            rows = leaf.criterion.rows
            if rows is not None:
                columns += [column for column in rows.columns if column not in columns]
                getters = [itemgetter(columns.index(column)) for column in rows.columns]
                tests.append((leaf, rows.test, getters))
        async for indexes, batch in self._rows(store, doubt, columns, GAP):
            for leaf, test, getters in tests:
                values = [map(get, batch) for get in getters]
                leaf.learn(indexes, bytes(map(test, *values)))
            await asyncio.sleep(0)

    async def _ask_kept(self, store: Source, leaf: Leaf) -> None:
        """Ask what the mailbox keeps of its messages while it is open."""
        state, box = self.view.state, (self.view.box.account, self.view.box.id)
        kept, name, needle = self._kept(), leaf.criterion.kept, leaf.criterion.needle
        if needle is None or not state.shelf.pays(kept, name, len(state.uids)):
            return
        await kept.fill(store, box, state, [name])
        while not (words := vocabulary(kept, name)).learn(kept.uids, kept.columns[name]):
            await asyncio.sleep(0)
            await kept.fill(store, box, state, [name])
        state.shelf.trim()
        values = kept.columns[name]
        uids = self.columns.uids
        if kept.uids == uids:
            leaf.learn(range(self.count), words.answers(needle, uids, values))
            return
        here = bytes(map(set(kept.uids).__contains__, uids))
        there = bytes(map(set(uids).__contains__, kept.uids))
        indexes = list(compress(range(self.count), here))
        if indexes:
            leaf.learn(indexes, of_kept(needle, list(compress(values, there))))

    async def _ask_index(self, index: Candidates, leaves: Sequence[Leaf]) -> None:
        box = self.view.box
        for leaf in leaves:
            text = leaf.criterion.text
            named = await index.candidates(box.account, box.id, text) if text else None
            if named is not None:
                may = bytes(map(set(named).__contains__, self.columns.uids))
                both = int.from_bytes(may, "little") & int.from_bytes(leaf.maybe, "little")
                leaf.maybe = bytearray(_bytes(both, self.count))

    def _kept(self) -> Kept:
        return self.view.state.shelf.of((self.view.box.account, self.view.box.id))

    async def _ask_texts(self, leaves: Sequence[Leaf], doubt: bytes) -> None:
        """Ask the texts that earlier searches made."""
        texts = self._kept().texts
        texts.follow(self.view.state.uids)
        known, uids = texts.known, self.columns.uids
        indexes = [at for at in compress(range(self.count), doubt) if uids[at] in known]
        for start in range(0, len(indexes), MANY):
            some = indexes[start : start + MANY]
            found = [known[uids[at]] for at in some]
            for leaf in leaves:
                text, needle = leaf.criterion.text, leaf.criterion.needle
                if isinstance(text, q.Text) and needle is not None:
                    leaf.learn(some, of_texts(needle, text.scope, found))
            await asyncio.sleep(0)

    async def _ask_messages(self, store: Source, leaves: Sequence[Leaf], doubt: bytes) -> None:
        columns = [Column.UID, Column.BLOB, Column.SCAN, Column.BODY]
        texts = [text for leaf in leaves if isinstance(text := leaf.criterion.text, q.Text)]
        depth = document.depth_for(texts)
        kept, shelf = self._kept(), self.view.state.shelf
        looked = 0
        async for indexes, batch in self._rows(store, doubt, columns, 0):
            room = shelf.room(kept) if texts else 0
            for at, (uid, blob, frozen, body) in zip(indexes, batch, strict=True):
                scan = thaw(frozen) if isinstance(frozen, bytes) else None
                if scan is None or not isinstance(blob, int):
                    continue
                inline = body if isinstance(body, bytes) else None
                found = await document.read(store, blob, scan, inline, depth)
                for leaf in leaves:
                    test = leaf.criterion.document
                    if test is not None and leaf.maybe[at] and not leaf.yes[at]:
                        score = test(found)
                        leaf.learn((at,), bytes((score > 0,)))
                        leaf.scores[at] = score
                if room > 0 and found.octets <= LONGEST and isinstance(uid, int):
                    headers = found.headers() if depth is document.Depth.PARTS else None
                    room -= kept.texts.keep(uid, headers, found.texts())
                looked += found.octets
                if looked >= BREATH:
                    looked = 0
                    await asyncio.sleep(0)

    async def _rows(
        self, store: Source, doubt: bytes, columns: Sequence[Column], gap: int
    ) -> AsyncIterator[tuple[Sequence[int], list[tuple[object, ...]]]]:
        """Indexes of messages in doubt and their rows; notes the missing ones as gone."""
        uids, box = self.columns.uids, self.view.box
        wanted = NumSet([(uids[start], uids[stop - 1]) for start, stop in _joined(doubt, gap)])
        left = bytearray(doubt)
        async for batch in store.rows(box.account, box.id, wanted, columns):
            indexes = positions(uids, [_uid(row) for row in batch], self.count)
            if len(indexes) != len(batch):  # a UID that is none of this view's
                batch = [row for row in batch if self.view.seq(_uid(row))]
            keep = [left[index] for index in indexes]
            if not all(keep):
                batch = list(compress(batch, keep))
                indexes = list(compress(indexes, keep))
            if not indexes:
                continue
            start, stop = indexes[0], indexes[-1] + 1
            if stop - start == len(indexes):
                left[start:stop] = bytes(stop - start)
            else:
                for index in indexes:
                    left[index] = 0
            yield indexes, batch
        self.alive &= ~int.from_bytes(left, "little")


def _uid(row: Sequence[object]) -> int:
    return row[0] if isinstance(row[0], int) else 0


def _joined(mask: bytes, gap: int) -> list[tuple[int, int]]:
    """The slices that a mask marks, those that are near each other joined."""
    out: list[tuple[int, int]] = []
    for start, stop in spans(mask):
        if out and start - out[-1][1] <= gap:
            out[-1] = (out[-1][0], stop)
        else:
            out.append((start, stop))
    return out


def _resolved(ranges: Sequence[tuple[int, int]], count: int) -> NumSet:
    return NumSet.merge((low or count, high or count) for low, high in ranges)
