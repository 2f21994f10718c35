"""Operations on the index of texts."""

from __future__ import annotations

from pillarbox.app.admin.rooms import Call, Value, account_of

LONGEST = 5.0
"""Seconds that one call works at most."""


async def index_again(call: Call, account: str = "") -> Value:
    """Forget the texts of an account, or all; how many messages are to be indexed again."""
    owner = await account_of(call.store, account) if account else None
    count = await call.store.reindex(owner.id if owner else None)
    call.rooms.indexer.wake()
    return {"account": owner.address if owner else "", "messages": count}


async def index_fill(call: Call, seconds: float = 1.0) -> Value:
    """Fill the index for a while; how far it is then."""
    progress = await call.rooms.indexer.fill(min(seconds, LONGEST))
    return {"indexed": progress.indexed, "waiting": progress.waiting}
