"""Search results that follow the mailbox (RFC 5267 §4.3): what enters them and what leaves.

A context keeps the UIDs of its result, and for SORT their order. The result is never searched
again as a whole: only messages that arrived or changed are looked at, and what is expunged is
taken out. All positions count from 1 and are those at the moment a client comes to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pillarbox.mailbox.search import Source, search
from pillarbox.mailbox.sort import Criterion, sort
from pillarbox.mailbox.updates import Updates
from pillarbox.mailbox.view import View
from pillarbox.model import query as q
from pillarbox.model.numset import EMPTY, NumSet
from pillarbox.wire.imap import render
from pillarbox.wire.imap.commands import FetchItem

SORTED = 20_000
"""Messages in the result of a SORT that is kept in order: 8 octets each, and a list to look
through."""
FEW = 8
"""Arrivals that are put in their places one by one; more are sorted together with the rest."""

Pairs = list[tuple[int, str]]
"""Position and set, as ADDTO and REMOVEFROM have them."""
Spelling = Callable[[int], int]
"""From a UID to what the client is told: the same, or the message's number."""


@dataclass(slots=True)
class Context:
    """One search with UPDATE. ``query`` means UIDs only, see ``fixed``."""

    tag: str
    uid: bool
    query: q.Query
    found: NumSet
    """UIDs."""
    keys: tuple[Criterion, ...] = ()
    """Of SORT; none for SEARCH."""
    order: list[int] = field(default_factory=list)
    """UIDs in the order of the keys."""
    items: tuple[FetchItem, ...] = ()
    """What is fetched of a message that arrives and matches (RFC 5465 §7)."""


@dataclass(slots=True)
class Entered:
    """What has become of a context: the response to send, and the arrivals it concerns."""

    context: Context
    response: bytes
    added: NumSet


def fixed(query: q.Query, view: View) -> q.Query:
    """The query with its message numbers as the UIDs they mean now (RFC 5267 §4.3)."""
    match query:
        case q.Sequence(ranges=ranges):
            seqs = NumSet.merge((low or view.exists, high or view.exists) for low, high in ranges)
            present = NumSet([(1, view.exists)]) if view.exists else EMPTY
            return q.Saved(view.exact_uids(seqs & present))
        case q.And(parts=parts):
            return q.And(tuple(fixed(part, view) for part in parts))
        case q.Or(parts=parts):
            return q.Or(tuple(fixed(part, view) for part in parts))
        case q.Not(part=part):
            return q.Not(fixed(part, view))
        case _:
            return query


class Contexts:
    """Those of one session, ``limit`` at most."""

    __slots__ = ("_limit", "_live", "fresh", "touched")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._live: dict[str, Context] = {}
        self.touched: set[int] = set()
        """UIDs that arrived or changed since ``follow`` looked."""
        self.fresh: set[int] = set()
        """Those of them that arrived."""

    def __bool__(self) -> bool:
        return bool(self._live)

    def __contains__(self, tag: object) -> bool:
        return tag in self._live

    def add(self, context: Context) -> bool:
        """Keep it; False when there is no room (RFC 5267 §4.3.1)."""
        if len(self._live) >= self._limit or len(context.order) > SORTED:
            return False
        self._live[context.tag] = context
        return True

    def cancel(self, tags: Iterable[str]) -> None:
        """No more word about these."""
        for tag in tags:
            self._live.pop(tag, None)

    def clear(self) -> None:
        """The mailbox is left."""
        self._live.clear()
        self.touched.clear()
        self.fresh.clear()

    def leave(self, updates: Updates) -> bytes:
        """REMOVEFROM for messages that are expunged: to be sent before that is said, with the
        numbers they still have (RFC 5267 §4.3.4)."""
        if not updates.vanished:
            return b""
        old = dict(zip(updates.vanished, reversed(updates.expunged), strict=True))
        out = []
        for context in self._live.values():
            gone = context.found & updates.vanished
            if gone:
                spelt: Spelling = int if context.uid else old.__getitem__
                pairs = _removed(context, gone, spelt)
                out.append(render.esearch(context.tag, uid=context.uid, removed=pairs))
        self.touched.difference_update(updates.vanished)
        return b"".join(out)

    async def follow(self, store: Source, view: View, now: float) -> list[Entered]:
        """Look at what was touched; one entry for each context that it changes."""
        touched, self.touched, self.fresh = NumSet.of(self.touched), set(), set()
        out = []
        for context in list(self._live.values()) if touched else ():
            entered = await _follow(context, store, view, touched, now)
            if entered is not None:
                out.append(entered)
            if len(context.order) > SORTED:
                self.cancel([context.tag])
                code = render.codes.noupdate(context.tag)
                no = render.no("*", "The result has grown too large", code)
                out.append(Entered(context, no, EMPTY))
        return out


async def _follow(
    context: Context, store: Source, view: View, touched: NumSet, now: float
) -> Entered | None:
    query = q.And((q.Saved(touched), context.query))
    hits = (await search(store, view, query, now=now)).uid_set()
    lost = (context.found & touched) - hits
    added = hits - context.found
    if not lost and not added:
        return None
    spelt: Spelling = int if context.uid else view.seq
    response = b""
    if lost:
        pairs = _removed(context, lost, spelt)
        response = render.esearch(context.tag, uid=context.uid, removed=pairs)
    if added:
        pairs = await _added(context, store, view, added)
        response += render.esearch(context.tag, uid=context.uid, added=pairs)
    return Entered(context, response, added)


def _removed(context: Context, gone: NumSet, spelt: Spelling) -> Pairs:
    """Take UIDs out; from the last position to the first, so that each is true when its turn
    comes."""
    context.found = context.found - gone
    if not context.keys:
        return [(0, str(NumSet.of(map(spelt, gone))))]
    places = [place for place, uid in enumerate(context.order) if uid in gone]
    pairs = []
    for first, last in reversed(NumSet.of(place + 1 for place in places).ranges):
        pairs.append((first, render.ordered([*map(spelt, context.order[first - 1 : last])])))
        del context.order[first - 1 : last]
    return pairs


async def _added(context: Context, store: Source, view: View, new: NumSet) -> Pairs:
    """Put UIDs in; from the first position to the last."""
    context.found = context.found | new
    spelt: Spelling = int if context.uid else view.seq
    if not context.keys:
        return [(0, str(NumSet.of(map(spelt, new))))]
    if len(new) > FEW:
        context.order = await _ordered(context, store, view, context.found)
    else:
        for uid in new:
            context.order.insert(await _place(context, store, view, uid), uid)
    places = NumSet.of(place for place, uid in enumerate(context.order, 1) if uid in new)
    return [
        (first, render.ordered([*map(spelt, context.order[first - 1 : last])]))
        for first, last in places.ranges
    ]


async def _ordered(context: Context, store: Source, view: View, uids: NumSet) -> list[int]:
    seqs = NumSet.of(seq for uid in uids if (seq := view.seq(uid)))
    return [view.uid(seq) for seq in await sort(store, view, seqs, context.keys)]


async def _place(context: Context, store: Source, view: View, uid: int) -> int:
    """Where a message belongs, by comparing it with a few others."""
    low, high = 0, len(context.order)
    while low < high:
        middle = (low + high) // 2
        pair = await _ordered(context, store, view, NumSet.of((uid, context.order[middle])))
        if pair and pair[0] == uid:
            high = middle
        else:
            low = middle + 1
    return low
