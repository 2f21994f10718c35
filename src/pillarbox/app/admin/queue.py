"""Operations on waiting mail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from pillarbox.app.admin.rooms import Call, Value, granted
from pillarbox.base.errors import Misuse
from pillarbox.model.refusal import Refusal
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Listed, Local, Remote, Route
from pillarbox.queue.outcome import told
from pillarbox.queue.report import Action
from pillarbox.store import rules
from pillarbox.store.api import QueueFilter, QueueItem, QueueRecipient, Settled

PAGE = 500
BY = "an operator"
GIVEN_UP = Reply(550, "5.4.7", "The administrator of the sending server gave up on this message")
DROPPED = Reply(550, "5.7.0", "The administrator of the sending server dropped this message")
Rows = Sequence[QueueRecipient]

_KINDS: dict[type[Route], str] = {Local: "local", Remote: "remote", Listed: "list"}
_STATES = ("due", "held", "done", "failed")


async def queue_list(call: Call, limit: int = 0, after: int = 0, **which: Any) -> Value:
    """Waiting mail, oldest first: at most ``limit`` items (0: all) with numbers above ``after``,
    that the filters of ``_filter`` let through."""
    where = _filter(call, which)
    items: list[Value] = []
    async for item in _found(call, where, after):
        if limit and len(items) >= limit:
            return {"items": items, "more": True}
        items.append(_item(item))
    return {"items": items, "more": False}


async def queue_show(call: Call, item: int) -> Value:
    """All about one item."""
    found = await _one(call, item)
    envelope = found.envelope
    return _item(found) | {
        "blob": found.blob,
        "envid": envelope.sender.envid,
        "params": dict(envelope.sender.params),
        "received": {
            "at": envelope.received_at,
            "from": envelope.peer.ip,
            "helo": envelope.peer.helo,
            "user": envelope.peer.user,
            "protocol": envelope.peer.protocol,
            "tls": envelope.peer.tls,
        },
    }


async def queue_hold(call: Call, items: Sequence[int] = (), **which: Any) -> Value:
    """Try it no more until it is released."""
    return await _each(call, items, which, lambda item, _: call.store.hold(item.id, True, BY))


async def queue_release(call: Call, items: Sequence[int] = (), **which: Any) -> Value:
    """Let held mail go on."""
    done = await _each(call, items, which, lambda item, _: call.store.hold(item.id, False, BY))
    call.rooms.wake_queue()
    return done


async def queue_retry(call: Call, items: Sequence[int] = (), **which: Any) -> Value:
    """Try it now instead of later."""
    now = call.rooms.clock.now()
    done = await _each(call, items, which, lambda item, _: call.store.retry(item.id, now, BY))
    call.rooms.wake_queue()
    return done


async def queue_drop(call: Call, items: Sequence[int] = (), **which: Any) -> Value:
    """Forget waiting mail; nobody is told. Other recipients of an item than those that were
    asked for go on waiting."""

    def drop(item: QueueItem, rows: Rows) -> Awaitable[Refusal | None]:
        if set(rules.waiting(item.recipients)) <= {row.number for row in rows}:
            return call.store.drop(item.id, BY)
        return call.store.expire(item.id, _over(rows, DROPPED), BY)

    return await _each(call, items, which, drop)


async def queue_expire(call: Call, items: Sequence[int] = (), **which: Any) -> Value:
    """Give up now what would be given up later, with the report that its sender is due."""
    done = await _each(
        call,
        items,
        which,
        lambda item, rows: call.store.expire(item.id, _given_up(item, rows), BY),
    )
    call.rooms.wake_queue()
    return done


def _over(rows: Rows, why: Reply) -> list[Settled]:
    waiting = rules.waiting(rows)
    return [Settled(number, "failed", 0.0, why) for number in waiting]


def _given_up(item: QueueItem, rows: Rows) -> list[Settled]:
    results = []
    for row in rows:
        if row.state not in {"due", "held"}:
            continue
        over = Settled(row.number, "failed", 0.0, GIVEN_UP)
        notify = item.envelope.recipients[row.envelope_index].notify
        owed = told(notify, over, Action.DELIVERED, now=0.0, warn=0.0, warned=True)
        if item.envelope.sender.address is None:  # RFC 5321 §4.5.5
            owed = ""
        results.append(Settled(row.number, "failed", 0.0, GIVEN_UP, owed))
    return results


async def _each(
    call: Call,
    numbers: Sequence[int],
    which: Mapping[str, Any],
    change: Callable[[QueueItem, Rows], Awaitable[Refusal | None]],
) -> Value:
    """Change the items with these numbers, all or the first that refuses; or those that the
    filters let through, as far as they are still there and free. ``change`` is told which
    recipients are meant."""
    if bool(numbers) == bool(which):
        raise Misuse("say which items: their numbers, or what they have in common")
    if numbers:
        items = [await _one(call, number) for number in numbers]
        for item in items:
            granted(await change(item, item.recipients), f"queue item {item.id}")
        return {"items": [item.id for item in items], "passed": []}
    done: list[int] = []
    passed: list[int] = []
    where = _filter(call, which)
    async for item in _found(call, where):
        (passed if await change(item, rules.matching(item, where)) else done).append(item.id)
    return {"items": done, "passed": passed}


async def _one(call: Call, number: int) -> QueueItem:
    found = await call.store.queue_items(1, after=number - 1)
    if not found or found[0].id != number:
        raise Misuse(f"queue item {number}: there is no such message in the queue")
    return found[0]


async def _found(call: Call, where: QueueFilter, after: int = 0) -> AsyncIterator[QueueItem]:
    page = await call.store.queue_items(PAGE, after, where)
    while page:
        for item in page:
            yield item
        page = await call.store.queue_items(PAGE, page[-1].id, where)


def _filter(call: Call, which: Mapping[str, Any]) -> QueueFilter:
    """``sender``, ``recipient``: an address, or @ and a domain; ``domain``: where it goes;
    ``older``: seconds since it came; ``state``; ``every`` True: no condition at all."""
    unknown = set(which) - {"sender", "recipient", "domain", "older", "state", "every"}
    if unknown:
        raise Misuse(f"there is no filter {min(unknown)!r}")
    state = which.get("state", "")
    if state and state not in _STATES:
        raise Misuse(f"{state!r} is no state", hint=f"one of {', '.join(_STATES)}")
    older = which.get("older")
    return QueueFilter(
        sender=which.get("sender"),
        recipient=which.get("recipient", ""),
        domain=which.get("domain", "").removeprefix("@").lower(),
        state=state,
        before=None if older is None else call.rooms.clock.now() - float(older),
    )


def _item(item: QueueItem) -> Value:
    return {
        "id": item.id,
        "trace": item.envelope.id,
        "sender": str(item.envelope.sender.address or ""),
        "user": item.envelope.peer.user,
        "size": item.size,
        "created": item.created,
        "priority": item.priority,
        "leased": bool(item.lease),
        "held": item.held,
        "recipients": [_recipient(item, recipient) for recipient in item.recipients],
    }


def _recipient(item: QueueItem, recipient: QueueRecipient) -> Value:
    to = item.envelope.recipients[recipient.envelope_index]
    route = to.routes[recipient.route_index]
    return {
        "recipient": str(to.address),
        "route": f"{_KINDS[type(route)]} {route.address}",
        "state": recipient.state,
        "attempts": recipient.attempts,
        "due": recipient.due,
        "last": str(recipient.last) if recipient.last else "",
    }
