"""What the house is doing: its own account of itself, and what the store holds."""

from __future__ import annotations

from pillarbox.app.admin.rooms import Call, Value

PAGE = 1000


async def status(call: Call) -> Value:
    """The server's own account of itself, and what the store holds."""
    accounts = await call.store.accounts()
    items = await call.store.queue_items(PAGE)
    index = await call.store.index_progress()
    return await call.rooms.about() | {
        "domains": len(await call.store.domains()),
        "accounts": len(accounts),
        "used": sum(account.used for account in accounts),
        "queue": len(items),
        "index": {"indexed": index.indexed, "waiting": index.waiting},
    }
