#!/usr/bin/env python3
"""Kill the server without warning while mail comes in, and prove that nothing is lost.

Each round starts a demo house on the same directory, lets 20 SMTP senders and 5 IMAP writers
work, kills the server with SIGKILL at a random moment, starts it again and looks:

* every message that was acknowledged (250, or OK to APPEND) is there exactly once,
* every message that is there is whole: its checksum holds,
* no UID was given twice, UIDNEXT never fell, UIDVALIDITY did not change,
* ``PRAGMA integrity_check`` says ok for every database.

Anyone can run it: ``python tests/crash/rounds.py --rounds 30``. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import imaplib
import json
import os
import random
import re
import signal
import smtplib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

SENDERS = 20
WRITERS = 5
USERS = 5
PASSWORD = "crash-test-only"


@dataclass
class Known:
    """What the clients were promised, kept over all rounds."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """Message-ID to mailbox owner."""
    tried: set[str] = field(default_factory=set)
    uids: dict[tuple[str, int], str] = field(default_factory=dict)
    """(user, UID) to Message-ID, as APPENDUID or a later look told."""
    uidnext: dict[str, int] = field(default_factory=dict)
    uidvalidity: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Failed(Exception):
    """A promise was broken."""


def message(number: str, size: int) -> bytes:
    """A message that carries the checksum of its own text."""
    text = "\r\n".join(hashlib.sha256(f"{number}{n}".encode()).hexdigest() for n in range(size))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (
        f"From: <sender@example.com>\r\nTo: <user@example.test>\r\nSubject: {number}\r\n"
        f"Message-ID: <{number}@crash.example>\r\nX-Digest: {digest}\r\n\r\n{text}\r\n"
    ).encode()


def is_whole(raw: bytes) -> bool:
    """True when the text still has the checksum that its header names."""
    header, _, text = raw.partition(b"\r\n\r\n")
    digest = re.search(rb"X-Digest: ([0-9a-f]{64})", header)
    found = hashlib.sha256(text.removesuffix(b"\r\n")).hexdigest().encode()
    return digest is not None and digest[1] == found


class House:
    """A demo house in a directory that outlives its processes."""

    def __init__(self, directory: Path, command: list[str]) -> None:
        self.directory = directory
        self.command = command
        self.ready: dict[str, object] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ready = self.directory / "ready.json"
        ready.unlink(missing_ok=True)
        arguments = ["--users", str(USERS), "--password", PASSWORD, "--ready-file", str(ready)]
        log = (self.directory / "server.log").open("ab")
        self.process = subprocess.Popen(
            [*self.command, "demo", *arguments, "--dir", str(self.directory / "house")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        deadline = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the server did not start, see {self.directory}/server.log")
            time.sleep(0.02)
        self.ready = json.loads(ready.read_text())

    def kill(self) -> None:
        """SIGKILL for every process of the house."""
        pids = self.ready["pids"]
        assert isinstance(pids, list)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def port(self, name: str) -> int:
        value = self.ready[f"{name}_port"]
        assert isinstance(value, int)
        return value

    def imap(self, user: str) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port("imap"), timeout=30)
        client.login(user, PASSWORD)
        return client


def send(house: House, known: Known, stop: threading.Event, worker: int, round_: int) -> None:
    """One SMTP sender: many connections, several messages each, one to three recipients."""
    chance = random.Random(f"{round_}/{worker}")
    count = 0
    while not stop.is_set():
        try:
            with smtplib.SMTP("127.0.0.1", house.port("smtp"), timeout=30) as client:
                for _ in range(chance.randint(1, 20)):
                    user = f"user{chance.randrange(USERS)}@example.test"
                    number = f"s-{round_}-{worker}-{count}"
                    count += 1
                    # some are large enough to be kept as files of their own
                    size = 3500 if chance.random() < 0.02 else chance.choice((5, 60, 200))
                    with known.lock:
                        known.tried.add(number)
                    client.sendmail("sender@example.com", [user], message(number, size))
                    with known.lock:
                        known.acknowledged[number] = user
                    if stop.is_set():
                        return
        except (OSError, smtplib.SMTPException):
            time.sleep(0.01)


def write(house: House, known: Known, stop: threading.Event, worker: int, round_: int) -> None:
    """One IMAP writer: APPEND to its own INBOX, noting each UID."""
    user = f"user{worker % USERS}@example.test"
    count = 0
    while not stop.is_set():
        try:
            client = house.imap(user)
            while not stop.is_set():
                number = f"a-{round_}-{worker}-{count}"
                count += 1
                with known.lock:
                    known.tried.add(number)
                status, data = client.append("INBOX", "", "", message(number, 40))
                if status != "OK":
                    raise OSError(str(data))
                found = re.search(rb"APPENDUID (\d+) (\d+)", data[0])
                if found is None:
                    raise Failed(f"no APPENDUID in {data!r}")
                with known.lock:
                    known.acknowledged[number] = user
                    note_uid(known, user, int(found[2]), number)
        except (OSError, imaplib.IMAP4.error):
            time.sleep(0.01)


def note_uid(known: Known, user: str, uid: int, number: str) -> None:
    """Remember who got a UID; two messages with the same one are a broken promise."""
    before = known.uids.setdefault((user, uid), number)
    if before != number:
        raise Failed(f"UID {uid} of {user} was {before} and is now {number}")


def look(house: House, known: Known) -> int:
    """Compare what is there with what was promised; messages found."""
    found: dict[str, int] = {}
    for n in range(USERS):
        user = f"user{n}@example.test"
        client = house.imap(user)
        _, data = client.status("INBOX", "(UIDNEXT UIDVALIDITY)")
        numbers = dict(re.findall(rb"(UIDNEXT|UIDVALIDITY) (\d+)", data[0]))
        validity, uidnext = int(numbers[b"UIDVALIDITY"]), int(numbers[b"UIDNEXT"])
        if known.uidvalidity.setdefault(user, validity) != validity:
            raise Failed(f"UIDVALIDITY of {user} changed")
        if uidnext < known.uidnext.get(user, 0):
            raise Failed(f"UIDNEXT of {user} fell to {uidnext}")
        known.uidnext[user] = uidnext
        client.select("INBOX", readonly=True)
        _, rows = client.uid("FETCH", "1:*", "(UID BODY.PEEK[])")
        for row in rows:
            if not isinstance(row, tuple):
                continue
            uid = int(re.search(rb"UID (\d+)", row[0])[1])  # type: ignore[index]
            if uid >= uidnext:
                raise Failed(f"UID {uid} of {user} is not below UIDNEXT {uidnext}")
            number = re.search(rb"Message-ID: <([^@]+)@crash", row[1])
            if number is None:
                continue  # the house's own first message
            name = number[1].decode()
            if not is_whole(row[1]):
                raise Failed(f"message {name} of {user} is damaged")
            if name not in known.tried:
                raise Failed(f"message {name} was never sent")
            if known.acknowledged.get(name, user) != user:
                raise Failed(f"message {name} is with {user}, not {known.acknowledged[name]}")
            note_uid(known, user, uid, name)
            found[name] = found.get(name, 0) + 1
        client.logout()
    missing = known.acknowledged.keys() - found.keys()
    twice = [name for name, times in found.items() if times > 1]
    if missing or twice:
        raise Failed(f"missing: {sorted(missing)[:10]}, more than once: {twice[:10]}")
    return len(found)


def check_databases(directory: Path) -> None:
    """SQLite's own opinion, after the house is stopped."""
    for path in sorted(directory.rglob("*.db")):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise Failed(f"{path}: {verdict}")


def one_round(house: House, known: Known, number: int, longest: float) -> float:
    """Work, kill at a random moment; seconds until the kill."""
    house.start()
    stop = threading.Event()
    threads = [
        threading.Thread(target=target, args=(house, known, stop, worker, number), daemon=True)
        for target, amount in ((send, SENDERS), (write, WRITERS))
        for worker in range(amount)
    ]
    for thread in threads:
        thread.start()
    moment = random.uniform(0.05, longest)
    time.sleep(moment)
    house.kill()
    stop.set()
    for thread in threads:
        thread.join(60)
    return moment


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--longest", type=float, default=2.0, help="seconds until the kill")
    parser.add_argument("--look-every", type=int, default=1, help="rounds between two looks")
    parser.add_argument("--command", nargs="+", default=[sys.executable, "-m", "pillarbox"])
    arguments = parser.parse_args()
    known = Known()
    with tempfile.TemporaryDirectory(prefix="pillarbox-crash-") as scratch:
        house = House(Path(scratch), arguments.command)
        try:
            for number in range(1, arguments.rounds + 1):
                moment = one_round(house, known, number, arguments.longest)
                if number % arguments.look_every and number < arguments.rounds:
                    continue
                house.start()
                found = look(house, known)
                house.stop()
                check_databases(Path(scratch))
                print(
                    f"round {number}: killed after {moment:.2f} s, "
                    f"{len(known.acknowledged)} acknowledged, {found} found",
                    flush=True,
                )
        except Failed as error:
            print(f"FAILED: {error}")
            print((Path(scratch) / "server.log").read_text(errors="replace")[-4000:])
            return 1
        finally:
            house.kill() if house.process and house.process.poll() is None else None
    print(f"{arguments.rounds} rounds: nothing lost, nothing twice, nothing damaged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
