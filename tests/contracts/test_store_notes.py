"""Notes on every store."""

from __future__ import annotations

from support.storekit import Kit


async def test_notes_are_kept_until_they_end(kit: Kit) -> None:
    store = kit.store
    await store.remember("sts", {"a.test": b"1", "b.test": b"2"}, until=100.0, now=0.0)
    await store.remember("sts", {"a.test": b"3", "c.test": b"4"}, until=200.0, now=0.0)
    await store.remember("tls", {"a.test": b"other"}, until=50.0, now=0.0)
    assert await store.recall("sts", now=10.0) == {"a.test": b"3", "b.test": b"2", "c.test": b"4"}
    assert await store.recall("sts", prefix="b.", now=10.0) == {"b.test": b"2"}
    assert await store.recall("sts", prefix="%", now=10.0) == {}
    assert await store.recall("sts", now=100.0) == {"a.test": b"3", "c.test": b"4"}
    await store.remember("sts", {"c.test": None}, until=0.0, now=100.0)
    assert await store.recall("sts", now=0.0) == {"a.test": b"3"}
    assert await store.recall("tls", now=0.0) == {}
