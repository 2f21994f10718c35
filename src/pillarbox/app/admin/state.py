"""Operations that show what the house is doing: the queue, the state of everything."""

from __future__ import annotations

from pillarbox.app.admin.rooms import Call, Value, granted
from pillarbox.model.transaction import Listed, Local, Remote, Route
from pillarbox.store.api import QueueItem, QueueRecipient

PAGE = 1000
_KINDS: dict[type[Route], str] = {Local: "local", Remote: "remote", Listed: "list"}


async def queue_list(call: Call) -> Value:
    """Waiting mail, oldest first."""
    items: list[QueueItem] = []
    page = await call.store.queue_items(PAGE)
    while page:
        items += page
        page = await call.store.queue_items(PAGE, after=page[-1].id)
    return {"items": [_item(item) for item in items]}


def _item(item: QueueItem) -> Value:
    return {
        "id": item.id,
        "trace": item.envelope.id,
        "sender": str(item.envelope.sender.address or ""),
        "size": item.size,
        "created": item.created,
        "recipients": [_recipient(item, recipient) for recipient in item.recipients],
    }


def _recipient(item: QueueItem, recipient: QueueRecipient) -> Value:
    to = item.envelope.recipients[recipient.envelope_index]
    return {
        "recipient": str(to.address),
        "route": _route(to.routes[recipient.route_index]),
        "state": recipient.state,
        "attempts": recipient.attempts,
        "due": recipient.due,
        "last": str(recipient.last) if recipient.last else "",
    }


def _route(route: Route) -> str:
    return f"{_KINDS[type(route)]} {route.address}"


async def queue_hold(call: Call, item: int) -> Value:
    """Try it no more until it is released."""
    granted(await call.store.hold(item, True), f"queue item {item}")
    return {"id": item}


async def queue_release(call: Call, item: int) -> Value:
    """Let held mail go on."""
    granted(await call.store.hold(item, False), f"queue item {item}")
    call.rooms.wake_queue()
    return {"id": item}


async def queue_retry(call: Call, item: int) -> Value:
    """Try it now instead of later."""
    granted(await call.store.retry(item, call.rooms.clock.now()), f"queue item {item}")
    call.rooms.wake_queue()
    return {"id": item}


async def queue_drop(call: Call, item: int) -> Value:
    """Forget waiting mail; nobody is told."""
    granted(await call.store.drop(item), f"queue item {item}")
    return {"id": item}


async def status(call: Call) -> Value:
    """The server's own account of itself, and what the store holds."""
    accounts = await call.store.accounts()
    items = await call.store.queue_items(PAGE)
    index = await call.store.index_progress()
    return call.rooms.about() | {
        "domains": len(await call.store.domains()),
        "accounts": len(accounts),
        "used": sum(account.used for account in accounts),
        "queue": len(items),
        "index": {"indexed": index.indexed, "waiting": index.waiting},
    }
