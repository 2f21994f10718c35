"""What the SQLite store can take, and what opening and changing a large mailbox costs.

    python bench/store.py accept [--seconds 4] [--busy]
    python bench/store.py mailbox [--messages 10000]

``accept``: messages a second made durable, by size and by number of concurrent writers, with the
process's CPU time for each. ``--busy`` adds a session that keeps the event loop occupied all the
time, in slices of 0.3 ms. ``mailbox``: milliseconds for operations on all messages of a mailbox.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.flags import FLAGGED, SEEN, FlagSet
from pillarbox.model.numset import MAX_NUMBER, NumSet
from pillarbox.store.api import Column, Facts, FlagOp, NewMessage, Store, Target
from pillarbox.store.sqlite import open_store

ALL = NumSet([(1, MAX_NUMBER)])
ACCOUNTS = 100
chance = random.Random(1)
WORDS = [chance.randbytes(3).hex() for _ in range(3000)]


def text(size: int) -> bytes:
    """Words that compress to about a half."""
    return " ".join(chance.choice(WORDS) for _ in range(size // 7 + 1)).encode()[:size]


def facts() -> Facts:
    """As large as those of an ordinary message."""
    some = chance.randbytes
    return Facts(some(300), some(100), some(400), some(150), some(60), "preview of the text " * 4)


async def message(store: Store, body: bytes) -> NewMessage:
    staging = store.stage(len(body))
    staging.write(body)
    return NewMessage(await staging.finish(), facts())


async def people(store: Store) -> list[Target]:
    """The INBOX of each of some accounts."""
    await store.set_domain(Domain("example.org"))
    wanted = [(f"u{n}@example.org", Credentials("")) for n in range(ACCOUNTS)]
    found = []
    for account in await store.add_accounts(wanted):
        assert isinstance(account, Account)
        inbox = await store.mailbox_by_name(account.id, "INBOX")
        assert inbox is not None
        found.append(Target(account.id, inbox.id))
    return found


async def accept(folder: Path, size: int, writers: int, seconds: float, busy: bool) -> None:
    store = await open_store(folder)
    targets = await people(store)
    messages = [await message(store, text(size)) for _ in range(50)]
    took: list[float] = []
    over = False

    async def write(number: int) -> None:
        while not over:
            number += 1
            began = time.perf_counter()
            await store.accept(messages[number % 50], [targets[number % ACCOUNTS]])
            took.append(time.perf_counter() - began)

    async def occupy() -> None:
        while not over:
            until = time.perf_counter() + 0.0003
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    cpu, began = time.process_time(), time.perf_counter()
    tasks = [asyncio.create_task(write(number * 7)) for number in range(writers)]
    tasks += [asyncio.create_task(occupy())] if busy else []
    await asyncio.sleep(seconds)
    over = True
    await asyncio.gather(*tasks)
    elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
    took.sort()
    print(
        f"{size:7} octets, {writers:3} writers: {len(took) / elapsed:7.0f} /s"
        f" {cpu / len(took) * 1e6:6.0f} µs CPU,"
        f" p50 {took[len(took) // 2] * 1e3:6.2f} p99 {took[len(took) * 99 // 100] * 1e3:6.2f} ms",
        flush=True,
    )
    await store.close()


async def timed(name: str, call: Callable[[int], Awaitable[object]], times: int) -> None:
    took = []
    for number in range(times):
        began = time.perf_counter()
        await call(number)
        took.append((time.perf_counter() - began) * 1e3)
    print(f"{name:28} best {min(took):8.2f}  median {statistics.median(took):8.2f} ms", flush=True)


async def mailbox(folder: Path, count: int) -> None:
    store = await open_store(folder)
    target = (await people(store))[0]
    account, box = target.account, target.mailbox
    for _ in range(0, count, 1000):
        batch = [(await message(store, text(500)), target) for _ in range(1000)]
        await store.append_many(batch)

    async def read(*columns: Column) -> None:
        async for _ in store.rows(account, box, ALL, columns):
            pass

    def flags(uids: NumSet, bit: int) -> Callable[[int], Awaitable[object]]:
        ops = (FlagOp.ADD, FlagOp.REMOVE)
        return lambda n: store.set_flags(account, box, uids, ops[n % 2], FlagSet(bit))

    odd = NumSet.of(range(1, count, 2))
    others = [found.id for found in await store.mailboxes(account) if found.id != box]
    await timed("load", lambda _: store.load(account, box), 9)
    await timed("rows: envelope", lambda _: read(Column.UID, Column.ENVELOPE), 5)
    kept = (Column.UID, Column.ENVELOPE, Column.BODYSTRUCTURE, Column.COMMON)
    await timed("rows: all kept wire bytes", lambda _: read(*kept), 5)
    await timed("rows: bodies", lambda _: read(Column.UID, Column.BODY), 5)
    await timed("flags of all", flags(ALL, SEEN), 6)
    await timed("flags of every other", flags(odd, FLAGGED), 6)
    await timed("flags of one", flags(NumSet([(5, 5)]), FLAGGED), 60)
    await timed("copy all", lambda n: store.copy(account, box, ALL, account, others[n]), 3)
    await timed("move all", lambda n: store.move(account, others[n], ALL, account, others[3]), 2)
    await timed(
        "expunge all", lambda n: store.expunge(account, others[n + 2], None, only_deleted=False), 2
    )
    await timed("purge", lambda _: store.purge(1e12, 1e12), 1)
    await store.close()


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=["accept", "mailbox"])
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--busy", action="store_true")
    options.add_argument("--messages", type=int, default=10_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as folder:
        if chosen.what == "mailbox":
            await mailbox(Path(folder), chosen.messages)
            return
        for size in (4096, 100_000):
            for writers in (1, 10, 50):
                place = Path(folder) / f"{size}-{writers}"
                await accept(place, size, writers, chosen.seconds, chosen.busy)


if __name__ == "__main__":
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
