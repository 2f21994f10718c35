"""Hundreds of sessions of several users on one shared mailbox: everybody hears everything, once."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pillarbox.base.clock import SystemClock
from pillarbox.base.lanes import Lane
from pillarbox.bus.local import LocalBus
from pillarbox.mailbox.intake import whole
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.flags import FlagSet, to_flag_set
from pillarbox.model.mailbox import Mailbox
from pillarbox.store.api import Store, Target
from pillarbox.store.sqlite import open_store
from support.imapmirror import Mirror
from support.imappipe import Doorway, Spoken

USERS = 10
IDLERS = 300
ROUNDS = 25
MESSAGE = "Subject: a\r\n\r\nbody\r\n"
OWNER = "user0@example.test"
TEAM = f"Other Users/{OWNER}/Team"


@asynccontextmanager
async def team(directory: Path) -> AsyncIterator[tuple[Store, Doorway, Mailbox]]:
    """A mailbox that its owner shares with everybody."""
    bus, lane = LocalBus(), Lane("crypto")
    store = await open_store(directory, publish=bus.publish)
    await store.set_domain(Domain("example.test"))
    accounts = [
        await store.add_account(f"user{n}@example.test", Credentials("")) for n in range(USERS)
    ]
    owner = accounts[0]
    assert isinstance(owner, Account)
    box = await store.create_mailbox(owner.id, "Team")
    assert isinstance(box, Mailbox)
    door = Doorway(store, bus, SystemClock(), lane)
    spoken = await door.open(OWNER)
    for number in range(1, USERS):
        answer = await spoken.say(f"SETACL Team user{number}@example.test lrswite")
        assert " OK" in answer[-1], answer
    await spoken.close()
    try:
        yield store, door, box
    finally:
        await store.close()
        await lane.close()


async def select(door: Doorway, number: int, *, qresync: bool) -> tuple[Spoken, Mirror]:
    user = number % USERS
    spoken, mirror = await door.open(f"user{user}@example.test"), Mirror(condstore=qresync)
    if qresync:
        await spoken.say("ENABLE QRESYNC")
    for line in await spoken.say(f'SELECT "{TEAM}"' if user else "SELECT Team"):
        mirror.hear(line)
    for line in await spoken.say("FETCH 1:* (UID FLAGS)"):
        mirror.hear(line)
    return spoken, mirror


async def write(door: Doorway, number: int, *, qresync: bool) -> None:
    """Somebody at work."""
    rnd = random.Random(number)
    spoken, mirror = await select(door, number, qresync=qresync)
    name = f'"{TEAM}"' if number % USERS else "Team"
    for _ in range(ROUNDS):
        uid = rnd.choice(mirror.uids()) if mirror.uids() else 1
        command = rnd.choice(
            (
                f"APPEND {name} (\\Seen) {{{len(MESSAGE)}+}}\r\n{MESSAGE}",
                f"UID STORE {uid} +FLAGS (\\Flagged w{number})",
                f"UID STORE {uid} FLAGS.SILENT (\\Deleted)",
                "EXPUNGE",
                f"UID MOVE {uid} {name}",
                f"UID COPY {uid} {name}",
            )
        )
        for line in await spoken.say(command):
            mirror.hear(line)
        if any(not seen.uid for seen in mirror.messages):
            for line in await spoken.say("FETCH 1:* (UID FLAGS)"):
                mirror.hear(line)
    await spoken.close()


async def test_everybody_hears_everything(tmp_path: Path) -> None:
    async with team(tmp_path / "store") as (store, door, box):
        for _ in range(10):
            await store.accept(await whole(store, MESSAGE.encode()), [Target(box.account, box.id)])
        idlers = [await select(door, n, qresync=n % 2 == 0) for n in range(IDLERS)]
        for spoken, _ in idlers:
            await spoken.say("IDLE", until="+ ")
        await asyncio.gather(*[write(door, 1000 + n, qresync=n % 2 == 0) for n in range(4)])
        snapshot = await store.load(box.account, box.id)
        assert snapshot is not None
        await idlers[0][0].turns()
        for spoken, mirror in idlers:
            for line in await spoken.done():
                mirror.hear(line)
            if any(not seen.uid for seen in mirror.messages):
                for line in await spoken.say("FETCH 1:* (UID FLAGS)"):
                    mirror.hear(line)
            assert mirror.uids() == list(snapshot.uids)
            for seen, bits in zip(mirror.messages, snapshot.flags, strict=True):
                flags = to_flag_set(bits, snapshot.box.keywords)
                assert seen.flags == {*flags.keywords, *_system(flags)}
            await spoken.close()


def _system(flags: FlagSet) -> list[str]:
    names = {1: "\\Seen", 2: "\\Answered", 4: "\\Flagged", 8: "\\Deleted", 16: "\\Draft"}
    return [name for bit, name in names.items() if flags.system & bit]


async def test_a_session_costs_the_same_however_large_the_mailbox(tmp_path: Path) -> None:
    many, sessions = 2000, 50
    async with team(tmp_path / "store") as (store, door, box):
        message = await whole(store, MESSAGE.encode())
        await store.accept(message, [Target(box.account, box.id)])
        first = await door.open(OWNER)
        await first.say("SELECT Team")
        empty = await _memory(door, sessions)
        uid = 1
        while uid < many:
            await first.say(f"COPY 1:{uid} Team")
            uid *= 2
        full = await _memory(door, sessions)
        assert 0 < empty < 40_000
        assert full - empty < uid  # less than one octet a message and session
        await first.close()


async def _memory(door: Doorway, sessions: int) -> float:
    """Octets that one more session holds that has selected the mailbox."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    opened = [await door.open(OWNER) for _ in range(sessions)]
    for spoken in opened:
        await spoken.say("SELECT Team")
        await spoken.say("IDLE", until="+ ")
    each = (tracemalloc.get_traced_memory()[0] - before) / sessions
    tracemalloc.stop()
    for spoken in opened:
        await spoken.close()
    return each
