"""The one way in: a message to its mailboxes and to the queue, all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pillarbox.model.change import Change
from pillarbox.model.refusal import Refusal
from pillarbox.model.story import Delivered
from pillarbox.store import rules
from pillarbox.store import telling as words
from pillarbox.store.api import (
    Appended,
    NewItem,
    NewMessage,
    QueueItem,
    QueueRecipient,
    Target,
)
from pillarbox.store.journal import Telling
from pillarbox.store.memory.state import Box, Home, Message, Queued, State


def accept(
    state: State,
    message: NewMessage,
    targets: Sequence[Target],
    queued: NewItem | None,
    telling: Telling | None = None,
    more: Sequence[NewItem] = (),
    modseqs: dict[int, int] | None = None,
) -> tuple[list[Appended | Refusal], list[Change]]:
    """What ``Mail.accept`` promises, without the publishing. ``modseqs``: by account, those that
    the transaction has taken already."""
    size = message.content.size
    places = _places(state, targets, size)
    pairs = list(queued.pairs) if queued else []
    if queued:
        refused = [
            t for t, place in zip(targets, places, strict=True) if isinstance(place, Refusal)
        ]
        pairs += [target.pair for target in refused if target.pair is not None]
    if not pairs and not more and all(isinstance(place, Refusal) for place in places):
        refusals: list[Appended | Refusal] = [p for p in places if isinstance(p, Refusal)]
        if telling is not None and telling.discarded:
            _tell(state, telling, message, 0, (), refusals)
        return refusals, []
    homes = {id(p[0]): p[0] for p in places if not isinstance(p, Refusal)}
    blob = state.keep(bytes(message.content.view()), message.facts, list(homes.values()))
    modseqs = {} if modseqs is None else modseqs
    results: list[Appended | Refusal] = []
    arrived: dict[tuple[int, int], tuple[Home, Box, list[Message]]] = {}
    for target, place in zip(targets, places, strict=True):
        if isinstance(place, Refusal):
            results.append(place)
            continue
        home, box = place
        modseq = modseqs.get(target.account) or home.next_modseq()
        modseqs[target.account] = modseq
        new = put_one(state, home, box, target, blob, modseq)
        arrived.setdefault((target.account, box.id), (home, box, []))[2].append(new)
        results.append(Appended(target.account, box.id, box.uidvalidity, new.uid, modseq, blob))
    rows = rules.queue_rows(queued, pairs) if queued and pairs else ()
    if rows:
        state.last_item += 1
    story = 0
    if telling is not None:
        item = state.last_item if rows else 0
        story = _tell(state, telling, message, blob, rows, results, item)
        state.book.add(story, words.held(queued, item, rows))
    if queued and rows:
        _enqueue(state, queued, rows, blob, size, story)
    for other in more:
        state.last_item += 1
        _enqueue(state, other, rules.queue_rows(other, other.pairs), blob, size, story)
    changes: list[Change] = [
        state.added(home, box, modseqs[home.account.id], new, fresh=True)
        for home, box, new in arrived.values()
    ]
    return results, changes


def _places(state: State, targets: Sequence[Target], size: int) -> list[tuple[Home, Box] | Refusal]:
    """Where each target leads; those before it that fit have taken their room already."""
    used: Counter[int] = Counter()
    more: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    places: list[tuple[Home, Box] | Refusal] = []
    for target in targets:
        found = state.box(target.account, target.mailbox)
        if found is None:
            places.append(rules.NO_TARGET)
            continue
        home, box = found
        refused = None
        if target.enforce_quota:
            refused = home.no_room(used[target.account] + size, more[target.account] + 1)
        refused = refused or state.room(box, taken[box.id] + 1)
        places.append(refused or found)
        if refused is None:
            used[target.account] += size
            more[target.account] += 1
            taken[box.id] += 1
    return places


def put_one(state: State, home: Home, box: Box, target: Target, blob: int, modseq: int) -> Message:
    """One target's row."""
    size = len(state.blobs[blob].body)
    new = Message(0, 0, 0, target.internaldate, target.zone, 0, blob, size)
    return state.put(home, box, new, target.flags, modseq)


def _tell(
    state: State,
    telling: Telling,
    message: NewMessage,
    blob: int,
    rows: Sequence[QueueRecipient],
    results: Sequence[Appended | Refusal],
    item: int = 0,
) -> int:
    """Into the journal; the number of the story."""
    names = {(h.account.id, b.id): b.name for h in state.homes.values() for b in h.boxes.values()}
    ended = words.ways(telling, results, names, rows)
    if telling.story:
        state.book.add(telling.story, (*telling.notes, Delivered(ended)))
        return telling.story
    event = words.accepted(
        telling,
        ended,
        size=message.content.size,
        blob=blob,
        item=item,
        message_id=message.facts.message_id,
    )
    return state.book.begin((*telling.notes, event))


def _enqueue(
    state: State,
    queued: NewItem,
    recipients: Sequence[QueueRecipient],
    blob: int,
    size: int,
    story: int,
) -> None:
    item = QueueItem(
        state.last_item,
        queued.envelope,
        blob,
        size,
        state.clock.now(),
        tuple(recipients),
        priority=queued.priority,
        held=queued.why_held,
        story=story,
    )
    state.queue[item.id] = Queued(item)
    state.blobs[blob].refs += 1
