"""What a long queue costs, and how fast mail goes through it, beside Postfix.

    python bench/mailqueue.py items [--items 100000] [--domains 5000]
    python bench/mailqueue.py sink [--messages 3000] [--rounds 3]
    python bench/mailqueue.py page          # both, written to docs/bench/queue.md

``items`` fills a store and times what is done with a queue: picking what is due, settling an
attempt, looking when the next is due, listing, at a thousand items and at all of them, in
milliseconds of the processor and of the clock. ``sink`` sends the same mail through Pillarbox and
through Debian's Postfix, in turn, to the same ``smtp-sink``; it needs root, as Postfix does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import load
import rivals
import uvloop
from senders import CONNECTIONS, OURS, POSTFIX, SERVERS, through

from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Peer, Recipient, Remote, Role, Sender
from pillarbox.store.api import Facts, NewItem, NewMessage, QueueFilter, Settled, Store
from pillarbox.store.journal import Telling
from pillarbox.store.sqlite import open_store

PAGE = Path(__file__).resolve().parent.parent / "docs" / "bench" / "queue.md"
SMALL = 1000
SENDERS = 500
LATER = Reply(451, "4.4.1", "connect: timed out")

# ---------------------------------------------------------------------------- a long queue


@dataclass
class Row:
    """One kind of work at one length of the queue."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def say(self) -> str:
        return f"{statistics.median(self.wall) * 1e3:.2f} | {statistics.median(self.cpu) * 1e3:.2f}"


async def timed(row: Row, work: Callable[[], Awaitable[object]]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    row.wall.append(time.perf_counter() - wall)
    row.cpu.append(time.process_time() - cpu)


def envelope(n: int, domains: int) -> Envelope:
    to = Recipient(Address(f"r{n}", f"d{n % domains}.test"), (Remote(f"r{n}@d{n % domains}.test"),))
    sender = Address(f"user{n % SENDERS}", "example.test")
    peer = Peer("192.0.2.1", 40000, "client.test", "TLSv1.3", str(sender), "ESMTPSA")
    role, trace = Role.SUBMISSION, f"t{n:015}"
    return Envelope(Sender(sender, size=600), (to,), role, peer, time.time(), trace)


async def fill(store: Store, start: int, stop: int, domains: int) -> None:
    """Queue items from ``start`` on, due at once."""
    body = b"Subject: bench\r\n\r\n" + b"hello\r\n" * 80
    facts = Facts(b"e" * 200, b"b" * 80, b"c" * 200, b"s" * 100, message_id="")

    async def one(n: int) -> None:
        staging = store.stage(len(body))
        staging.write(body)
        whole = envelope(n, domains)
        item = NewItem(whole, [(0, 0)], time.time())
        message = NewMessage(await staging.finish(), facts)
        await store.accept(message, [], item, Telling(whole))

    for at in range(start, stop, 256):
        await asyncio.gather(*(one(n) for n in range(at, min(at + 256, stop))))


async def pick(store: Store, busy: list[str]) -> None:
    now = time.time()
    await store.lease("w", now, now + 600, 50, busy=busy)


async def work_on(store: Store, length: int) -> list[Row]:
    """Time what is done with the queue as it is."""
    lease, settle, due = Row("pick 50 that are due"), Row("settle one"), Row("when is the next due")
    busy = Row("pick 50, 500 destinations busy")
    page, flt = Row("a page of 1,000"), Row("find those to one domain")
    full = [f"d{n}.test" for n in range(500)]
    later = time.time() + 86400
    for _ in range(10):
        now = time.time()
        taken = await store.lease("w", now, now + 600, 50)
        for item in taken:
            result = Settled(0, "due", later, LATER, by="mx.test", tls="TLSv1.3")
            await timed(settle, partial(store.settle, item.id, item.lease, [result]))
    for row, names in ((lease, []), (busy, full)):
        for _ in range(10):
            await timed(row, partial(pick, store, names))
            await timed(due, store.next_due)
            await store.reclaim()
    where = QueueFilter(domain="d7.test")
    for _ in range(3):
        await timed(page, lambda: store.queue_items(1000))
        await timed(flt, lambda: store.queue_items(1000, 0, where))
    every = Row("list all")

    async def everything() -> None:
        after = 0
        while some := await store.queue_items(1000, after):
            after = some[-1].id

    await timed(every, everything)
    print(f"  {length} items", *(f"{row.name}: {row.say()}" for row in (lease, settle)), sep="; ")
    return [lease, busy, settle, due, page, flt, every]


def resident() -> int:
    """Octets of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def items(count: int, domains: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="pillarbox-queue-") as folder:
        store = await open_store(Path(folder))
        await fill(store, 0, SMALL, domains)
        small, before = await work_on(store, SMALL), resident()
        wall, cpu = time.perf_counter(), time.process_time()
        await fill(store, SMALL, count, domains)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        filled = resident()
        large, after = await work_on(store, count), resident()
        await store.close()
        disk = rivals.octets_under(Path(folder))
    each = count - SMALL
    lines = [
        f"{count:,} items, {domains:,} domains, {SENDERS} senders. Milliseconds, the median.",
        "",
        f"| | {SMALL:,} items, clock | processor | {count:,} items, clock | processor |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {a.name} | {a.say()} | {b.say()} |" for a, b in zip(small, large, strict=True)),
        "",
        f"Queuing took {wall / each * 1e3:.2f} ms each by the clock and {cpu / each * 1e3:.2f} ms"
        f" of the processor. Memory of the process: {before / 1e6:.0f} MB with {SMALL:,} items,"
        f" {filled / 1e6:.0f} MB after queuing {count:,}, {after / 1e6:.0f} MB after working on"
        f" them. Disk: {disk / count:,.0f} octets an item, a message of 600 among them.",
    ]
    print("\n".join(lines))
    return lines


# ---------------------------------------------------------------------------- to a null sink


def to_sink(count: int, rounds: int) -> list[str]:
    messages = load.corpus(count, 4096)
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SERVERS}
    for _ in range(rounds):
        for name in SERVERS:
            seen[name].append(through(name, messages))
    middle = {
        name: [statistics.median(values) for values in zip(*figures, strict=True)]
        for name, figures in seen.items()
    }
    ours, signing, theirs = (middle[name] for name in SERVERS)
    pairs = list(zip(seen[OURS], seen[POSTFIX], strict=True))
    names = ("accepted, /s", "out at the sink, /s", "CPU of the server, ms a message")
    lines = [
        f"{count:,} messages of 4 KB by {CONNECTIONS} connections, one recipient each, {rounds}"
        " round(s) in turn: the medians, and the ratio of Pillarbox without signing to Postfix"
        " (above 1, Pillarbox is ahead) with its spread over the rounds.",
        "",
        "| | Pillarbox | signing (RSA, Ed25519) | Postfix | ratio | spread |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for n, name in enumerate(names):
        power = -1 if n == len(names) - 1 else 1  # of CPU, less is more
        ratios = [(a[n] / b[n]) ** power for a, b in pairs]
        lines.append(
            f"| {name} | {ours[n]:,.2f} | {signing[n]:,.2f} | {theirs[n]:,.2f}"
            f" | {(ours[n] / theirs[n]) ** power:.2f} | {min(ratios):.2f} to {max(ratios):.2f} |"
        )
    print("\n".join(lines))
    return lines


# ---------------------------------------------------------------------------- the page

_TEXT = """\
# The queue: how long, how fast

Made by `python bench/mailqueue.py page`. Machine: {machine}.

## A long queue
`items`: the store alone. "Settle one" writes the answer of an attempt, with its line in the
message's story, and is durable when it returns; picking takes a lease for each of the 50. Both have
to stay what they are however much waits, and memory has to stay flat, because the queue is rows and
nothing else: what grows is the page cache of SQLite, up to its bound of 64 MB for writing and 16
for each reader. The clock includes the syncs of the disk. A look with fewer than 128 due reads them
all in one statement; a longer queue is walked by senders (decision 0060).

{items}

## Through the queue to a null sink
`sink`: Debian's Postfix with its own defaults but for 20 connections to the sink, Pillarbox with a
login for each connection, a journal of every message, and 20 connections to the sink too. Neither
uses TLS. The time runs from the first octet in to the last message that `smtp-sink` counted. On a
machine with other work Postfix's many processes get a larger share of it than the one of Pillarbox,
so there the processor's time is the figure to trust. What a message costs on its way, and what was
done about it: decision 0096.

{sink}
"""


def page(items_: list[str], sink: list[str]) -> None:
    load_ = " ".join(Path("/proc/loadavg").read_text().split()[:2])
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, load {load_} at the end,"
        f" Linux {platform.release()}, Python {platform.python_version()},"
        f" {time.strftime('%Y-%m-%d')}"
    )
    PAGE.write_text(_TEXT.format(machine=machine, items="\n".join(items_), sink="\n".join(sink)))
    print(f"wrote {PAGE}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["items", "sink", "page"])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--domains", type=int, default=5000)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    found: dict[str, list[str]] = {}
    if arguments.what in {"items", "page"}:
        found["items"] = uvloop.run(items(arguments.items, arguments.domains))
    if arguments.what in {"sink", "page"}:
        found["sink"] = to_sink(arguments.messages, arguments.rounds)
    if arguments.what == "page":
        page(found["items"], found["sink"])


if __name__ == "__main__":
    main()
