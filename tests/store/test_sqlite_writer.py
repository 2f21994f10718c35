"""The write lane: one failure harms nobody else, and a full disk is no end."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from pillarbox.base.errors import Permanent, Temporary
from pillarbox.model.account import Domain
from pillarbox.model.change import Added
from pillarbox.model.refusal import Refusal
from pillarbox.store.api import Appended, Target
from pillarbox.store.sqlite import Options, journal
from pillarbox.store.sqlite.store import SqliteStore
from pillarbox.store.sqlite.tx import Tx
from support.storekit import INLINE, Kit, open_kit


@pytest.fixture(params=[True, False], ids=["loop", "thread"])
async def kit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kit]:
    options = Options(
        inline_limit=INLINE, switch_interval=None, write_on_loop=request.param, batch_ops=16
    )
    opened = await open_kit("sqlite", tmp_path, options)
    yield opened
    await opened.store.close()


def inner(kit: Kit) -> SqliteStore:
    assert isinstance(kit.store, SqliteStore)
    return kit.store


async def test_waiting_changes_share_a_commit(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    kit.batches.clear()
    await asyncio.gather(*(kit.put(box) for _ in range(64)))
    assert sum(kit.batches) == 64
    assert 4 <= len(kit.batches) <= 8  # at most 16 in one
    assert max(kit.batches) <= 16


async def test_a_batch_is_bounded_in_octets(tmp_path: Path) -> None:
    options = Options(batch_octets=1000, switch_interval=None, inline_limit=INLINE)
    kit = await open_kit("sqlite", tmp_path, options)
    box = await kit.box(await kit.account())
    kit.batches.clear()
    noise = [
        bytes((i * 37 + j * j * 11 + (i * j) % 253) % 256 for j in range(240)) for i in range(40)
    ]
    await asyncio.gather(*(kit.put(box, body=body) for body in noise))
    assert max(kit.batches) <= 4
    await kit.store.close()


async def test_only_the_faulty_one_fails(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    writer = inner(kit).writer
    runs = []

    def faulty(tx: Tx) -> None:
        runs.append(1)
        tx.db.execute("UPDATE account SET used = 777")
        tx.ids.take(tx.db, "mailbox")
        tx.ids.uidvalidity(tx.db, tx.now)
        tx.changes.append(Added(ann.id, box.id, 99, [], ()))
        raise RuntimeError("a bug")

    kit.taken()
    jobs = [kit.put(box), kit.store.create_mailbox(ann.id, "before"), writer.do(faulty)]
    jobs += [kit.put(box), kit.store.create_mailbox(ann.id, "after"), writer.do(faulty)]
    answers = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == [
        "Appended", "Mailbox", "Temporary", "Appended", "Mailbox", "Temporary",
    ]  # fmt: skip
    assert len(runs) == 3  # the first broke the batch, then each alone
    assert await kit.uids(box) == [1, 2]
    changes = kit.taken()
    assert [c.modseq for c in changes] == [2, 3, 4, 5]
    assert (await kit.store.accounts())[0].used == 200
    boxes = await kit.store.mailboxes(ann.id)
    assert len({b.uidvalidity for b in boxes}) == len(boxes)
    assert len({b.id for b in boxes}) == len(boxes)


async def test_errors_say_whether_to_try_again(kit: Kit) -> None:
    cases: list[tuple[Exception, type[Exception]]] = [
        (ValueError("x"), Temporary),
        (Permanent("x"), Permanent),
        (apsw.CorruptError("x"), Permanent),
        (apsw.IOError("x"), Temporary),
    ]
    for error, expected in cases:

        def operation(_: Tx, error: Exception = error) -> None:
            raise error

        with pytest.raises(expected):
            await inner(kit).writer.do(operation)
    await kit.store.set_domain(Domain("still.example"))


async def test_a_full_disk_is_temporary_and_passes(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    await kit.put(box)
    db = inner(kit).writer._db
    pages = int(db.pragma("page_count"))
    db.execute(f"PRAGMA max_page_count = {pages + 2}")
    message = await kit.message(bytes(range(256)) * 15)
    message.facts.common = b"".join(n.to_bytes(2, "big") for n in range(8000))
    kit.taken()
    target = Target(ann.id, box.id)
    many = [kit.store.accept(message, [target]) for _ in range(12)]
    answers = await asyncio.gather(*many, return_exceptions=True)
    failed = [a for a in answers if isinstance(a, Temporary)]
    assert failed
    assert "full" in failed[0].hint
    kept = len(answers) - len(failed)
    assert len(kit.taken()) == kept
    assert len(await kit.uids(box)) == kept + 1
    db.execute("PRAGMA max_page_count = 1000000")
    (done,) = await kit.store.accept(message, [target])
    assert isinstance(done, Appended)
    assert done.uid == kept + 2
    assert db.pragma("integrity_check") == "ok"


async def test_a_failed_commit_is_nobodys(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    large = await kit.message(b"L" * 20_000)
    db = inner(kit).writer._db
    fail = True

    def hook() -> bool:
        return fail

    db.set_commit_hook(hook)
    kit.taken()
    target = Target(ann.id, box.id)
    with pytest.raises(Temporary):
        await kit.store.accept(large, [target])
    answers = await asyncio.gather(*(kit.put(box) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(a, Temporary) for a in answers)
    assert kit.taken() == []
    assert await kit.uids(box) == []
    fail = False
    (done,) = await kit.store.accept(large, [target])  # its bytes are still there
    assert isinstance(done, Appended)
    assert (done.uid, done.modseq) == (1, box.highest_modseq + 1)
    assert await kit.store.read(done.blob) == b"L" * 20_000


async def test_a_listener_with_a_fault_does_not_hold_up_the_answer(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def broken(changes: object) -> None:
        raise RuntimeError("listener")

    inner(kit)._publish = broken
    assert (await kit.put(box)).uid == 1
    assert len(complaints) == 1


async def test_too_many_waiting(tmp_path: Path) -> None:
    kit = await open_kit("sqlite", tmp_path, Options(waiting_ops=5, switch_interval=None))
    ann = await kit.account()
    box = await kit.box(ann)
    answers = await asyncio.gather(*(kit.put(box) for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(a, Temporary) for a in answers) == 4
    assert await kit.uids(box) == [1, 2, 3, 4, 5]
    await kit.store.close()


async def test_closing_finishes_what_was_begun(kit: Kit) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    begun = [asyncio.ensure_future(kit.put(box, body=b"z" * size)) for size in (5, 9000, 5)]
    await asyncio.sleep(0)
    await kit.store.close()
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert isinstance(answers[0], Appended)
    assert isinstance(answers[2], Appended)


async def test_the_log_is_folded_in_beside_the_work(tmp_path: Path) -> None:
    options = Options(wal_limit=256 * 1024, switch_interval=None, inline_limit=64 * 1024)
    kit = await open_kit("sqlite", tmp_path, options)
    ann = await kit.account()
    box = await kit.box(ann)
    log = tmp_path / "mail.db-wal"
    chance, sizes = random.Random(1), []
    for _ in range(60):
        body = chance.randbytes(20_000)
        await asyncio.gather(*(kit.put(box, body=body) for _n in range(2)))
        await asyncio.sleep(0)
        sizes.append(log.stat().st_size)
    store = inner(kit)
    if store._checkpointer._task is not None:
        await store._checkpointer._task
    assert max(sizes) < 3 * 1024 * 1024
    assert (tmp_path / "mail.db").stat().st_size > 1024 * 1024
    assert len(await kit.uids(box)) == 120
    await kit.store.close()


async def test_refused_is_not_failed(kit: Kit) -> None:
    """A refusal must not send a batch through the slow way again."""
    ann = await kit.account(quota=1)
    box = await kit.box(ann)
    runs = []
    writer = inner(kit).writer
    message = await kit.message()
    await asyncio.gather(
        *(kit.store.accept(message, [Target(ann.id, box.id)]) for _ in range(3)),
        writer.do(lambda _: runs.append(1)),
    )
    assert runs == [1]
    answer = await kit.store.delete_mailbox(ann.id, box.id)
    assert isinstance(answer, Refusal)


async def test_bringing_mail_back_stays_off_the_loop(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await kit.account()
    box = await kit.box(ann)
    await kit.put(box)
    await kit.store.expunge(ann.id, box.id, None, only_deleted=False)
    threads: list[threading.Thread] = []
    monkeypatch.setattr(journal, "restored", lambda *_: threads.append(threading.current_thread()))
    await kit.store.undelete(ann.id, await kit.store.retained(ann.id), box.id)
    assert await kit.uids(box) == [2]
    assert threads
    assert threading.current_thread() not in threads
