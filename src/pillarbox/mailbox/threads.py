"""THREAD (RFC 5256 §3): conversations from keys that were worked out when the messages came.

``references`` follows the six steps of the text by their numbers. ``refs`` is that without its
fifth step (draft-ietf-morg-inthread §4). Pure: messages in, trees out.

There is no object a message: nodes are numbers, those of the messages first, and what is known of
them are columns. Messages are walked in the order of their dates, so that siblings and threads come
out sorted without being sorted. An algorithm is a generator that stops after every few thousand
messages, so that whoever runs it can let others in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

NAMES: Final = ("DATE", "SUBJECT", "REPLY", "KIN", "ARRIVAL")
"""Columns of ``kept`` that threading asks for, in the order of the fields of ``Messages``."""
STEP: Final = 2048
"""Messages between two stops: about a millisecond."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What threading needs to know, a column each; messages in the order of their numbers."""

    sent: Sequence[int]
    """Seconds since 1970 UTC; the arrival where the message does not say (RFC 5256 §2.2)."""
    subject: Sequence[bytes]
    """Base subject, folded."""
    is_reply: Sequence[int]
    kin: Sequence[tuple[int, ...]]
    """Numbers that stand for the Message-ID, 0 when there is none, and for those of its ancestors,
    the oldest first."""
    arrived: Sequence[int]

    def __len__(self) -> int:
        return len(self.sent)

    def by_date(self) -> list[int]:
        """Nodes by sent date; of two at once the lower number comes first (RFC 5256 §2.2)."""
        return sorted(range(len(self)), key=self.sent.__getitem__)


@dataclass(slots=True)
class Forest:
    """Threads. A node is the index of a message, or a larger number: a dummy, an ancestor nobody
    has."""

    roots: list[int] = field(default_factory=list)
    below: dict[int, list[int]] = field(default_factory=dict)
    """Children, for nodes that have any."""


Steps = Generator[None, None, Forest]


async def unhurried(steps: Steps) -> Forest:
    """Run an algorithm, everybody else having turns meanwhile."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Forest = end.value
            return found
        await asyncio.sleep(0)


def ordered_subject(messages: Messages) -> Steps:
    """ORDEREDSUBJECT: messages of one base subject, the first of them above all others."""
    forest = Forest()
    heads: dict[bytes, int] = {}
    for some in _pieces(messages.by_date()):
        yield
        for node in some:
            head = heads.setdefault(messages.subject[node], node)
            if head == node:
                forest.roots.append(node)
            elif head in forest.below:
                forest.below[head].append(node)
            else:
                forest.below[head] = [node]
    return forest


def references(messages: Messages) -> Steps:
    """REFERENCES: replies below what they answer, then threads of one subject together."""
    order = messages.by_date()
    parents = yield from _linked(messages)
    forest = yield from _grown(parents, order)
    return (yield from _gathered(forest, messages, order))


def refs(messages: Messages) -> Steps:
    """REFS: as REFERENCES, but subjects bring nobody together, and the thread in which a message
    arrived last comes last."""
    parents = yield from _linked(messages)
    forest = yield from _grown(parents, messages.by_date())
    last: dict[int, tuple[int, int]] = {}
    for some in _pieces(forest.roots):
        yield
        for root in some:
            whole = [root]
            for node in whole:
                whole += forest.below.get(node, ())
            last[root] = max((messages.arrived[n], n) for n in whole if n < len(messages))
    forest.roots.sort(key=last.__getitem__)
    return forest


def _pieces(nodes: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(nodes), STEP):
        yield nodes[start : start + STEP]


def _linked(messages: Messages) -> Generator[None, None, list[int]]:
    """Step 1: every message and every id that is spoken of becomes a node, linked by references.
    The parents by node, -1 for none."""
    count = len(messages)
    own = [kin[0] for kin in reversed(messages.kin)]
    # The second message with an id is one without.
    by_id = dict(zip(own, range(count - 1, -1, -1), strict=True))
    by_id.pop(0, None)
    parents = [-1] * count
    for node, (_, *spoken) in enumerate(messages.kin):
        if not node % STEP:
            yield
        last = -1
        for reference in spoken:
            found = by_id.get(reference, -1)
            if found < 0:
                found = by_id[reference] = len(parents)
                parents.append(-1)
            if last >= 0 and parents[found] < 0 and not _is_below(parents, last, found):
                parents[found] = last
            last = found
        parent = parents[node]
        if parent != last:
            parents[node] = last if last >= 0 and not _loops(parents, last, node) else -1
    return parents


def _is_below(parents: Sequence[int], node: int, other: int) -> bool:
    """True when ``node`` is ``other`` or among its descendants: a link would make a loop."""
    while node >= 0:
        if node == other:
            return True
        node = parents[node]
    return False


def _loops(parents: list[int], last: int, node: int) -> bool:
    """The same for a message that leaves the parent it has."""
    parents[node] = -1
    return _is_below(parents, last, node)


def _grown(parents: Sequence[int], order: Sequence[int]) -> Generator[None, None, Forest]:
    """Steps 2 to 4: dummies go, below the top their children take their place; a dummy at the top
    stays where it has several."""
    forest, count = Forest(), len(order)
    roots, below = forest.roots, forest.below
    for some in _pieces(order):
        yield
        for node in some:
            parent = parents[node]
            while parent >= count and parents[parent] >= 0:
                parent = parents[parent]
            if parent in below:
                below[parent].append(node)
                continue
            if parent >= 0:
                below[parent] = [node]
            if parent < 0 or parent >= count:  # a dummy stands where its first child would
                roots.append(node if parent < 0 else parent)
    for place, root in enumerate(roots):
        if root >= count and len(below[root]) == 1:
            roots[place] = below.pop(root)[0]
    return forest


def _gathered(
    forest: Forest, messages: Messages, order: Sequence[int]
) -> Generator[None, None, Forest]:
    """Steps 5 and 6: threads of the same base subject become one."""
    below, count = forest.below, len(messages)
    subjects, is_reply = messages.subject, messages.is_reply

    def first(node: int) -> int:
        return node if node < count else below[node][0]

    table: dict[bytes, int] = {}
    for some in _pieces(forest.roots):
        yield
        for node in some:
            subject = subjects[first(node)]
            if not subject:
                continue
            other = table.setdefault(subject, node)
            if other < count and (node >= count or (is_reply[other] and not is_reply[node])):
                table[subject] = node
    merged: dict[int, int] = {}
    gone: set[int] = set()
    grown: set[int] = set()
    dummy = max([count, *(root + 1 for root in forest.roots)])
    for some in _pieces(forest.roots):
        yield
        for node in some:
            subject = subjects[first(node)]
            other = table[subject] if subject else node
            if other == node:
                continue
            if other >= count and node >= count:
                below[other] += below.pop(node)
            elif other >= count or (is_reply[node] and not is_reply[other]):
                below.setdefault(other, []).append(node)
            else:
                below[dummy] = [other, node]
                merged[other] = table[subject] = other = dummy
                dummy += 1
            gone.add(node)
            grown.add(other)
    yield
    rank = [0] * count
    for place, node in enumerate(order):
        rank[node] = place
    for node in grown:
        below[node].sort(key=rank.__getitem__)
    forest.roots = [merged.get(root, root) for root in forest.roots if root not in gone]
    forest.roots.sort(key=lambda root: rank[first(root)])
    return forest
