"""kill -9 in the middle of everything: what was answered is there, whole and once.

A child takes messages, small ones and large ones, and says so on a pipe; it also moves, expunges
and purges others. It is killed without warning. (A kill does not test the disk's cache: that is
what the syncs of decision 0022 are for.)
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.model.mailbox import Mailbox
from pillarbox.store.api import Column, Store
from pillarbox.store.sqlite import Options, open_store
from support.storekit import ALL, some

OPTIONS = Options(inline_limit=2000, wal_limit=512 * 1024)
ROUNDS = 4
CHILD = f"""
import asyncio, hashlib, itertools, os, random, sys
from pathlib import Path
from pillarbox.model.flags import flag_set
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Appended, Facts, FlagOp, NewMessage, Target
from pillarbox.store.sqlite import Options, open_store

ALL = NumSet([(1, 0xFFFFFFFF)])

async def main(directory, start):
    store = await open_store(Path(directory), options={OPTIONS!r})
    account = (await store.accounts())[0].id
    keep = (await store.mailbox_by_name(account, "INBOX")).id
    play, done = [(await store.mailbox_by_name(account, n)).id for n in ("Junk", "Trash")]
    numbers = itertools.count(int(start))
    chance = random.Random(int(start))

    async def deliver():
        while True:
            tag = b"%08d" % next(numbers)
            size = chance.choice((50, 1500, 5000, 60000))
            rest = hashlib.sha256(tag).hexdigest().encode() * (size // 64 + 1)
            staging = store.stage(size)
            staging.write(tag + rest)
            facts = Facts(tag, b"", b"", b"")
            targets = [Target(account, keep, flag_set([tag.decode()[-1]])), Target(account, play)]
            content = await staging.finish()
            for one in await store.accept(NewMessage(content, facts), targets):
                if isinstance(one, Appended) and one.mailbox == keep:
                    os.write(1, b"%s %d %d\\n" % (tag, one.uid, one.modseq))

    async def meddle():
        while True:
            await store.set_flags(account, play, ALL, FlagOp.ADD, flag_set(["\\\\Seen"]))
            await store.move(account, play, ALL, account, done)
            await store.expunge(account, done, None, only_deleted=False)
            await store.purge(1e12, 1e12)

    await asyncio.gather(meddle(), *(deliver() for _ in range(8)))

asyncio.run(main(*sys.argv[1:]))
"""


async def prepare(directory: Path) -> None:
    store = await open_store(directory, options=OPTIONS)
    await store.set_domain(Domain("x.example"))
    assert isinstance(await store.add_account("ann@x.example", Credentials("x")), Account)
    await store.close()


def run_and_kill(directory: Path, start: int, seconds: float) -> dict[bytes, tuple[int, int]]:
    """What the child said was kept: (uid, modseq) by tag."""
    command = [sys.executable, "-c", CHILD, str(directory), str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        said = os.read(child.stdout.fileno(), 65536)  # it is under way
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        rest, complaints = child.communicate()
    assert said, complaints.decode()
    assert not complaints, complaints.decode()
    lines = (said + rest).rpartition(b"\n")[0].splitlines()
    return {tag: (int(uid), int(modseq)) for tag, uid, modseq in map(bytes.split, lines)}


async def check(store: Store, box: Mailbox, promised: dict[bytes, tuple[int, int]]) -> None:
    """Everything promised is there once and whole, and the numbers are in order."""
    loaded = await store.load(box.account, box.id)
    assert loaded is not None
    assert len(loaded.uids) == loaded.box.messages
    modseq_of = dict(zip(loaded.uids, loaded.modseqs, strict=True))
    there: dict[bytes, int] = {}
    columns = [Column.UID, Column.ENVELOPE, Column.BLOB, Column.SIZE]
    async for batch in store.rows(box.account, box.id, ALL, columns):
        for uid, tag, blob, size in batch:
            assert isinstance(uid, int)
            assert isinstance(tag, bytes)
            assert isinstance(blob, int)
            assert tag not in there, "kept twice"
            there[tag] = uid
            body = await store.read(blob)
            digest = hashlib.sha256(tag).hexdigest().encode()
            assert body[:8] == tag
            assert body[8:] == digest * ((len(body) - 8) // 64)
            assert len(body) == size
    for tag, (uid, modseq) in promised.items():
        assert there.get(tag) == uid, "promised and not kept"
        assert modseq_of[uid] == modseq
        assert loaded.box.uidnext > uid
        assert loaded.box.highest_modseq >= modseq


def files_and_rows(directory: Path) -> tuple[set[str], set[str]]:
    """Files there are, and files that rows name."""
    blobs = directory / "blobs"
    files = {str(p.relative_to(blobs)) for p in blobs.rglob("*") if p.is_file()}
    db = apsw.Connection(str(directory / "mail.db"))
    try:
        assert db.pragma("integrity_check") == "ok"
        named = {str(name) for (name,) in db.execute("SELECT file FROM blob WHERE file <> ''")}
        loose = db.execute(
            "SELECT count(*) FROM blob WHERE refs <> (SELECT count(*) FROM msg WHERE blob = id)"
            " + (SELECT count(*) FROM retained WHERE blob = id)"
            " + (SELECT count(*) FROM queue WHERE blob = blob.id)"
        ).get
        assert loose == 0, "references that were not counted"
    finally:
        db.close()
    return files, named


@pytest.mark.slow
async def test_nothing_answered_is_lost(tmp_path: Path) -> None:
    await prepare(tmp_path)
    chance = random.Random()
    promised: dict[bytes, tuple[int, int]] = {}
    for round_ in range(ROUNDS):
        new = run_and_kill(tmp_path, round_ * 1_000_000, chance.uniform(0.05, 0.4))
        uids = {uid for uid, _ in promised.values()}
        assert all(uid not in uids for uid, _ in new.values()), "a UID was given twice"
        assert not uids or min(uid for uid, _ in new.values()) > max(uids)
        promised |= new
        store = await open_store(tmp_path, options=OPTIONS)
        account = (await store.accounts())[0]
        inbox = await store.mailbox_by_name(account.id, "INBOX")
        assert inbox is not None
        await check(store, inbox, promised)
        boxes = await store.mailboxes(account.id)
        assert account.used == sum(box.size for box in boxes)
        if round_ == ROUNDS - 2:  # what is taken away by an order stays away
            gone = min(promised)
            await store.expunge(
                account.id, inbox.id, some(promised.pop(gone)[0]), only_deleted=False
            )
            await store.purge(1e12, 0)
        await store.close()
        files, named = files_and_rows(tmp_path)
        assert files == named
