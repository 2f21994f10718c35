"""Open mailboxes keep step with real stores by their changes alone, whatever happens to mail."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.bus.local import LocalBus
from pillarbox.mailbox import arrays, state
from pillarbox.mailbox.access import Place
from pillarbox.mailbox.intake import whole
from pillarbox.mailbox.ops import Draft, Ops
from pillarbox.mailbox.view import View
from pillarbox.mailbox.views import Views
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.flags import DELETED, FLAGGED, NO_FLAGS, SEEN, FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.model.rights import ALL
from pillarbox.store.api import FlagOp, Store
from pillarbox.store.memory import MemoryStore
from pillarbox.store.sqlite import open_store

MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
NAMES = ("INBOX", "Archive", "Sent")


@pytest.fixture(params=["memory", "sqlite"])
async def wired(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Store, LocalBus]]:
    bus = LocalBus()
    store: Store = MemoryStore(bus.publish)
    if request.param == "sqlite":
        store = await open_store(tmp_path / "store", publish=bus.publish)
    yield store, bus
    await store.close()


async def same_as_store(store: Store, view: View) -> None:
    snapshot = await store.load(view.box.account, view.box.id)
    assert snapshot is not None
    seen = view.state
    assert seen.uids == snapshot.uids
    assert seen.flags == snapshot.flags
    assert seen.modseqs == snapshot.modseqs
    assert seen.keywords == snapshot.box.keywords
    assert seen.uidnext == snapshot.box.uidnext
    assert seen.highest_modseq >= snapshot.box.highest_modseq
    for modseq in (0, seen.highest_modseq // 2, seen.highest_modseq - 1):
        changed = [at for at, one in enumerate(seen.modseqs) if one > modseq]
        assert seen.changed_since(modseq) == changed
    assert seen.generation == 0  # it never had to load again


async def do_something(ops: Ops, store: Store, view: View, rnd: random.Random) -> None:
    account = view.box.account
    uids = list(view.state.uids)
    some = NumSet.of(rnd.sample(uids, rnd.randint(1, len(uids)))) if uids else NumSet()
    keywords = frozenset(rnd.sample(("$a", "$b", "$c"), rnd.randint(0, 2)))
    flags = FlagSet(rnd.choice((0, SEEN, FLAGGED, DELETED)), keywords)
    box = await store.mailbox_by_name(account, rnd.choice(NAMES))
    assert box is not None
    to = Place(box, box.name, ALL)
    roll = rnd.random()
    if roll < 0.3:
        messages = [await whole(store, MESSAGE) for _ in range(rnd.randint(1, 4))]
        await ops.append(account, view.box.name, [Draft(m, NO_FLAGS, 0) for m in messages])
    elif roll < 0.6:
        await ops.store_flags(view, some, rnd.choice(list(FlagOp)), flags)
    elif roll < 0.7:
        await ops.copy(view, some, to)
    elif roll < 0.8:
        await ops.move(view, some, to)
    elif roll < 0.9:
        await ops.expunge(view)
    elif roll < 0.95:
        await ops.undelete(account, await store.retained(account))
    else:
        number = rnd.randrange(10**9)
        await ops.rename(account, "INBOX", f"Old {number}")


@pytest.mark.parametrize("seed", range(6))
async def test_views_keep_step(
    wired: tuple[Store, LocalBus], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "BLOCK", 3)
    monkeypatch.setattr(state, "BLOCK", 3)
    rnd = random.Random(seed)
    store, bus = wired
    await store.set_domain(Domain("example.test"))
    made = await store.add_account("ann@example.test", Credentials(""))
    assert isinstance(made, Account)
    ops, views = Ops(store), Views(store, bus)
    opened = []
    for name in NAMES:
        box = await store.mailbox_by_name(made.id, name)
        assert box is not None
        view = await views.open(made.id, box.id, session=name)
        assert view is not None
        opened.append(view)
    for _ in range(60):
        await do_something(ops, store, rnd.choice(opened), rnd)
        for view in opened:
            await same_as_store(store, view)
            if rnd.random() < 0.3:
                view.sync(allow_expunge=rnd.random() < 0.5)
    for view in opened:
        view.sync(allow_expunge=True)
        assert list(view.uids[: view.count]) == list(view.state.uids)
        await views.close(view)
