"""How the journal says what a store did: what all stores must word alike, as pure functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any

from pillarbox.model.numset import NumSet
from pillarbox.model.refusal import Refusal
from pillarbox.model.story import (
    DISCARDED,
    KIND_OF,
    KINDS,
    MAILBOX,
    QUEUE,
    REFUSED,
    Accepted,
    Appended,
    Attempted,
    Delivered,
    Entry,
    Event,
    Expunged,
    Handled,
    Judged,
    Moved,
    Refused,
    Reported,
    Try,
    Way,
)
from pillarbox.model.transaction import Listed, Local, Remote, Route
from pillarbox.store import api, journal

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_NESTED: Mapping[str, type[Any]] = {"ways": Way, "tries": Try, "found": Judged}

_ROUTES: Mapping[type[Route], str] = {Local: "local", Remote: "remote", Listed: "list"}

Place = tuple[int, int, int]
"""Account, mailbox, UID: never given out twice."""


# ---------------------------------------------------------------------------- at rest


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, object], ...]:
    return tuple((field.name, field.default) for field in fields(kind))


@cache
def _values(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Takes all fields at once."""
    names = [name for name, _ in _fields(kind)]
    take = attrgetter(*names)
    return take if len(names) > 1 else lambda value: (take(value),)


def plain(value: Any) -> dict[str, Any]:
    """An event, or a part of one, as JSON values; what is at its default is left out."""
    packed: dict[str, Any] = {}
    kind: Any = value.__class__
    for (name, default), held in zip(_fields(kind), _values(kind)(value), strict=True):
        if held != default:
            packed[name] = [plain(one) for one in held] if name in _NESTED else held
    return packed


def freeze(event: Event) -> tuple[str, str]:
    """The event's word, and all it says as ASCII text."""
    return KIND_OF[type(event)], _encode(plain(event))


def thaw(word: str, text: str) -> Event | None:
    """What ``freeze`` was given; None for an event of a later version."""
    kind = KINDS.get(word)
    return None if kind is None else _made(kind, json.loads(text))


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    known: dict[str, Any] = {}
    for name, _ in _fields(kind):
        if name in values:
            held = values[name]
            if name in _NESTED:
                held = tuple(_made(_NESTED[name], one) for one in held)
            known[name] = tuple(held) if isinstance(held, list) else held
    return kind(**known)


# ---------------------------------------------------------------------------- taking a message


def ways(
    telling: journal.Telling,
    results: Sequence[api.Appended | Refusal],
    names: Mapping[tuple[int, int], str],
    rows: Sequence[api.QueueRecipient],
) -> tuple[Way, ...]:
    """Where each route of each recipient ended. ``names``: of mailboxes by account and number;
    ``rows``: the queue item's recipients."""
    queued = {(row.envelope_index, row.route_index): row.number for row in rows}
    told = []
    for n, recipient in enumerate(telling.envelope.recipients):
        to = str(recipient.address)
        number = telling.numbers[n] if telling.numbers else -1
        for r, route in enumerate(recipient.routes):
            leads = f"{_ROUTES[type(route)]} {route.address}"
            pair, place = (n, r), telling.places.get((n, r))
            result = results[place] if place is not None else None
            if pair in telling.discarded:
                name = telling.discarded[pair]
                told.append(Way(to, leads, DISCARDED, name=name, number=number))
            elif pair in telling.refused:
                reply = str(telling.refused[pair])
                told.append(Way(to, leads, REFUSED, number=number, reply=reply))
            elif pair in queued:
                told.append(Way(to, leads, QUEUE, number=queued[pair]))
            elif isinstance(result, api.Appended):
                key = (result.account, result.mailbox)
                name = names.get(key, "")
                told.append(Way(to, leads, MAILBOX, *key, name, result.uid, number))
            elif (shared := _shares(telling, place, queued)) is not None:
                told.append(Way(to, leads, QUEUE, number=shared))
            else:
                reply = result.text if result is not None else ""
                told.append(Way(to, leads, REFUSED, number=number, reply=reply))
    return tuple(told)


def _shares(
    telling: journal.Telling, place: int | None, queued: Mapping[tuple[int, int], int]
) -> int | None:
    """Who waits for the same mailbox, and with whose copy this one comes."""
    return next(
        (queued[pair] for pair, at in telling.places.items() if at == place and pair in queued),
        None,
    )


def accepted(
    telling: journal.Telling,
    ended: tuple[Way, ...],
    *,
    size: int,
    blob: int,
    item: int,
    message_id: str,
) -> Accepted:
    """The event that begins a story."""
    envelope = telling.envelope
    peer, sender = envelope.peer, envelope.sender
    return Accepted(
        envelope.id,
        envelope.role.value,
        str(sender.address or ""),
        size,
        blob,
        item,
        message_id,
        peer.ip,
        peer.helo,
        peer.tls,
        peer.user,
        peer.protocol,
        sender.envid,
        ended,
    )


def held(queued: api.NewItem | None, item: int, rows: Sequence[api.QueueRecipient]) -> list[Event]:
    """That some of it does not leave yet, where that was decided at once."""
    numbers = tuple(row.number for row in rows if row.state == "held")
    if queued is None or not numbers:
        return []
    return [Handled("held", queued.why_held or "a rule", item, numbers)]


def keys_of(event: Event) -> set[int]:
    """What a story that begins with this event is found by."""
    match event:
        case Accepted():
            words = [way.to for way in event.ways]
            keys = {journal.by_trace(event.trace), journal.by_blob(event.blob)}
            if event.item:
                keys.add(journal.by_item(event.item))
        case Appended():
            words = []
            keys = {journal.by_blob(event.blob)}
        case Refused():
            words = list(event.to)
            keys = {journal.by_trace(event.trace)} if event.trace else set()
        case _:
            return set()
    if event.message_id:
        keys.add(journal.by_message_id(event.message_id))
    if not isinstance(event, Appended) and event.sender:
        words.append(event.sender)
    return keys | {journal.by_address(word) for word in words}


# ---------------------------------------------------------------------------- out of the queue


def attempts(
    addresses: Sequence[str],
    recipients: Iterable[api.QueueRecipient],
    results: Sequence[api.Settled],
) -> list[Attempted]:
    """What an attempt came to: recipients with the same answer together. ``addresses``: of the
    envelope's recipients."""
    by_number = {recipient.number: recipient for recipient in recipients}
    groups: dict[tuple[object, ...], list[api.Settled]] = {}
    for result in results:
        if result.number in by_number:
            state = by_number[result.number].state  # put on hold meanwhile, it stays so
            answer = (str(result.reply or ""), state, result.owed, result.by, result.tls)
            groups.setdefault((*answer, result.maybe, result.tries), []).append(result)
    told = []
    for same, group in groups.items():
        first, state = group[0], str(same[1])
        to = tuple(addresses[by_number[r.number].envelope_index] for r in group)
        told.append(
            Attempted(
                tuple(result.number for result in group),
                to,
                str(first.reply or ""),
                state,
                first.by,
                first.tls,
                min(result.due for result in group) if state == "due" else 0.0,
                first.owed,
                first.maybe,
                first.tries,
            )
        )
    return told


def reported(
    recipients: Iterable[api.QueueRecipient], notice: api.NewItem | None
) -> Reported | None:
    """That the sender was told what is owed; None when nothing was."""
    owing = [recipient for recipient in recipients if recipient.owed]
    if not owing:
        return None
    to = notice.envelope.recipients[0].address if notice is not None else ""
    return Reported(
        tuple(recipient.number for recipient in owing),
        tuple(recipient.owed for recipient in owing),
        str(to),
        notice.envelope.id if notice is not None else "",
    )


# ---------------------------------------------------------------------------- what users did


@dataclass(frozen=True, slots=True)
class Deed:
    """What one operation did to messages of one mailbox."""

    id: int
    at: float
    kind: str
    """moved, copied, restored, expunged, or deleted: the mailbox, and all that was in it."""
    account: int
    mailbox: int
    name: str
    uids: NumSet
    """Empty: all."""
    by: str = ""
    to_account: int = 0
    to_mailbox: int = 0
    to_name: str = ""
    to_uid: int = 0
    """What the first of ``uids`` became; the others follow in order."""

    def ends(self) -> bool:
        """Nothing of it stays where it was."""
        return self.kind in {"moved", "expunged", "deleted"}


GONE_WITH_ACCOUNT = 0
"""Mailbox of the deed that an account was removed."""


def told(deed: Deed, uid: int) -> tuple[Event, Place | None]:
    """What a deed meant for one message, and where that leads."""
    if deed.kind in {"expunged", "deleted"}:
        whole = deed.kind == "deleted"
        return Expunged(deed.account, deed.mailbox, deed.name, uid, deed.by, whole), None
    to = deed.to_uid + _rank(deed.uids, uid)
    event = Moved(
        account=deed.account,
        mailbox=deed.mailbox,
        name=deed.name,
        uid=uid,
        to_account=deed.to_account,
        to_mailbox=deed.to_mailbox,
        to_name=deed.to_name,
        to_uid=to,
        by=deed.by,
        copied=deed.kind == "copied",
        restored=deed.kind == "restored",
    )
    return event, (deed.to_account, deed.to_mailbox, to)


def _rank(uids: NumSet, uid: int) -> int:
    """How many of the set are smaller."""
    return sum(min(high, uid - 1) - low + 1 for low, high in uids.ranges if low < uid)


def places_of(event: Event) -> Iterator[Place]:
    """Where an event put a message."""
    match event:
        case Accepted() | Delivered():
            for way in event.ways:
                if way.end == MAILBOX:
                    yield way.account, way.mailbox, way.uid
        case Appended():
            yield event.account, event.mailbox, event.uid


def entries(rows: Iterable[tuple[float, str, str]]) -> Iterator[Entry]:
    """Rows as they lie in the journal; those of a later version are passed over."""
    for at, word, text in rows:
        event = thaw(word, text)
        if event is not None:
            yield Entry(at, event)
