"""What is remembered of names of mailboxes, which anybody may ask for."""

from __future__ import annotations

from pathlib import Path

from pillarbox.store.sqlite.cache import MISSED, NAMES
from pillarbox.store.sqlite.store import SqliteStore
from support.storekit import open_kit


async def test_names_that_are_made_up_take_no_memory(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path / "store")
    store = kit.store
    assert isinstance(store, SqliteStore)
    ann = await kit.account()
    there = "a long way/" * 30 + "down"
    for name in ("lists", there):
        await kit.box(ann, name)
    for name in ("lists", there):
        assert await store.mailbox_at(ann.id, name) is not None
    assert await store.mailbox_at(ann.id, "a detail") is None

    known = store.cache.names.of(ann.id, lambda _: {})
    before = dict(known)
    assert set(before) == {"lists", there, "a detail"}
    for number in range(NAMES + 8):
        assert await store.mailbox_at(ann.id, f"{number:01000}") is None
    assert await store.mailbox_at(ann.id, "x" * (MISSED + 1)) is None
    assert store.cache.names.of(ann.id, lambda _: {}) == before
    assert await store.mailbox_at(ann.id, "x" * MISSED) is None
    assert set(store.cache.names.of(ann.id, lambda _: {})) == {*before, "x" * MISSED}
    await store.close()
