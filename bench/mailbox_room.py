"""What a mailbox costs in memory: opening, telling hundreds of sessions, searching, fetching.

    python bench/mailbox_room.py [messages] [sessions]

Prints best-of-several milliseconds on this machine; only ratios travel.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from array import array
from collections.abc import AsyncIterator, Callable, Sequence

from pillarbox.bus.local import LocalBus
from pillarbox.mailbox.facts import facts_of
from pillarbox.mailbox.fetch import fetch
from pillarbox.mailbox.fetchplan import Att, Section, plan
from pillarbox.mailbox.search import search
from pillarbox.mailbox.view import View
from pillarbox.mailbox.views import Views
from pillarbox.model import query as q
from pillarbox.model.change import Added, Arrived, Change, Expunged, Flagged
from pillarbox.model.flags import SEEN
from pillarbox.model.mailbox import Mailbox
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column, Snapshot

MESSAGE = (
    b'From: "Ann Example" <ann@example.org>\r\nTo: bob@example.org, Carol <carol@example.net>\r\n'
    b"Subject: =?utf-8?q?Re=3A_Hello_w=C3=B6rld?= number %d\r\n"
    b"Date: Mon, 1 Jan 2024 10:00:00 +0100\r\nMessage-ID: <%d@example.org>\r\n"
    b"References: <q@y> <x@y>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
    + b"Some words in a line of a message.\r\n"
    * 100
)


class Rows:
    """A store of rows made beforehand: what is left is this room's own cost."""

    def __init__(self, count: int) -> None:
        self.count = count
        facts = [facts_of(MESSAGE % (n, n)) for n in range(100)]
        self.values = {
            Column.ENVELOPE: [f.envelope for f in facts],
            Column.COMMON: [f.common for f in facts],
            Column.SCAN: [f.scan for f in facts],
            Column.KEYS: [f.keys for f in facts],
            Column.BODY: [MESSAGE % (n, n) for n in range(100)],
        }

    async def load(self, account: int, mailbox: int) -> Snapshot:
        n = self.count
        box = Mailbox(account, mailbox, "INBOX", 1, n + 1, n, 1, n + 1, messages=n)
        flags = array("Q", [SEEN if i % 7 else 0 for i in range(n)])
        return Snapshot(box, array("I", range(1, n + 1)), array("Q", range(1, n + 1)), flags)

    async def claim_recent(self, account: int, mailbox: int) -> int:
        return self.count + 1

    async def rows(
        self, account: int, mailbox: int, uids: NumSet, columns: Sequence[Column]
    ) -> AsyncIterator[list[tuple[object, ...]]]:
        batch: list[tuple[object, ...]] = []
        for uid in uids:
            batch.append(tuple(self._value(uid, column) for column in columns))
            if len(batch) == 500:
                yield batch
                batch = []
        if batch:
            yield batch

    def _value(self, uid: int, column: Column) -> object:
        if column is Column.UID or column is Column.BLOB:
            return uid
        if column is Column.INTERNALDATE:
            return 1_700_000_000 + uid * 60
        if column in {Column.ZONE, Column.SIZE}:
            return 0
        return self.values[column][uid % 100]


def timed(name: str, run: Callable[[], object], repeat: int = 5, unit: int = 1) -> None:
    best = 1e9
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    per = f"  ({best / unit * 1e6:.2f} us each)" if unit > 1 else ""
    print(f"{name:58} {best * 1e3:9.3f} ms{per}")


async def timed_async(name: str, run: Callable[[], object], repeat: int = 3) -> None:
    best = 1e9
    for _ in range(repeat):
        start = time.perf_counter()
        await run()  # type: ignore[misc]
        best = min(best, time.perf_counter() - start)
    print(f"{name:58} {best * 1e3:9.3f} ms")


async def telling(store: Rows, sessions: int) -> None:
    bus = LocalBus()
    views = Views(store, bus)
    gc.collect()
    start = time.perf_counter()
    first = await views.open(1, 1, session="s0")
    print(f"{'open, snapshot in memory':58} {(time.perf_counter() - start) * 1e3:9.3f} ms")
    assert first is not None
    start = time.perf_counter()
    opened = [await views.open(1, 1, session=f"s{n}") for n in range(1, sessions)]
    each = (time.perf_counter() - start) / max(1, sessions - 1)
    print(f"{'open again, each':58} {each * 1e3:9.3f} ms")
    all_views = [first, *[view for view in opened if view is not None]]
    state = first.state
    modseq = state.highest_modseq

    def change(make: Callable[[int], Change]) -> None:
        nonlocal modseq
        modseq += 1
        bus.publish([make(modseq)])

    def sync_all(views: Sequence[View] = all_views) -> int:
        return sum(bool(view.sync(allow_expunge=True)) for view in views)

    def arrival() -> None:
        change(lambda m: Added(1, 1, m, [Arrived(state.uidnext, 0, 100)], ()))

    def flag(uids: list[int]) -> None:
        change(lambda m: Flagged(1, 1, m, uids, [SEEN] * len(uids), ()))

    def expunge(uids: list[int]) -> None:
        change(lambda m: Expunged(1, 1, m, uids))

    def then_sync(act: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            act()
            sync_all()

        return run

    n = len(all_views)
    timed(f"arrival, told to {n} sessions", then_sync(arrival), unit=n)
    timed(f"one flag, told to {n} sessions", then_sync(lambda: flag([500])), unit=n)
    timed(f"1000 flags, told to {n} sessions", then_sync(lambda: flag(list(range(1, 1001)))))
    timed(
        f"one expunge, told to {n} sessions", then_sync(lambda: expunge([state.uids[500]])), unit=n
    )
    timed("expunge of every second of 1000", lambda: expunge(list(state.uids[:1000:2])))
    sync_all()
    for _ in range(1000):
        flag([state.uids[0]])
    timed("a session that fell behind the log", lambda: first.sync(allow_expunge=True), 1)


async def asking(store: Rows) -> None:
    view = await Views(store, LocalBus()).open(1, 1, session="s")
    assert view is not None
    n = view.exists

    async def find(query: q.Query) -> None:
        await search(store, view, query, now=1_800_000_000)  # type: ignore[arg-type]

    async def read(*items: Att | Section) -> None:
        async for _ in fetch(store, view, plan(items), NumSet([(1, n)])):  # type: ignore[arg-type]
            pass

    await timed_async("search UNSEEN", lambda: find(q.Not(q.Flag("\\Seen"))))
    both = q.And((q.Not(q.Flag("\\Seen")), q.Not(q.Flag("\\Deleted")), q.Flag("$Work")))
    await timed_async("search UNSEEN UNDELETED KEYWORD $Work", lambda: find(both))
    await timed_async("search MODSEQ", lambda: find(q.ModSeq(n // 2)))
    await timed_async("search LARGER", lambda: find(q.Size(larger=10)))
    await timed_async("search SUBJECT, absent ASCII", lambda: find(q.Header("subject", "zebra")))
    await timed_async("search FROM, present", lambda: find(q.Header("from", "ann")), 1)
    if n <= 100_000:
        some = q.And((q.Sequence(((1, 10_000),)), q.Text("body", "zebra")))
        await timed_async("search BODY in 10,000 of 4 KB", lambda: find(some), 1)
    await timed_async("fetch UID FLAGS", lambda: read(Att.UID, Att.FLAGS))
    await timed_async("fetch UID ENVELOPE", lambda: read(Att.UID, Att.ENVELOPE), 1)
    header = Section((), "HEADER.FIELDS", (b"from", b"subject"))
    await timed_async("fetch UID HEADER.FIELDS (FROM SUBJECT)", lambda: read(Att.UID, header), 1)
    if n <= 100_000:
        first = Section((), "HEADER")
        await timed_async("fetch BODY[HEADER], inline", lambda: read(first), 1)
        await timed_async("fetch BODY[], inline", lambda: read(Section()), 1)
    timed("first unseen", view.first_unseen)


async def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    sessions = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    print(f"{messages} messages, {sessions} sessions")
    store = Rows(messages)
    await telling(store, sessions)
    await asking(store)


if __name__ == "__main__":
    asyncio.run(main())
