#!/usr/bin/env python3
"""Kill the server without warning while mail comes in, and prove that nothing is lost.

Each round starts a demo house on the same directory, lets 20 SMTP senders and 5 IMAP writers
work, kills the server with SIGKILL at a random moment, sometimes once more while it starts, then
starts it again and looks. With ``--workers 2`` a worker is sometimes killed before, and sometimes
the first process alone, whose workers have to end by themselves. What is looked at:

* every message that was acknowledged (250, or OK to APPEND) is there exactly once, for each of
  its recipients, and where an acknowledged MOVE put it; one whose EXPUNGE was acknowledged is not;
* a message that was not acknowledged is there or not, and stays so in all later rounds;
* every message that is there is whole: its checksum holds; flags that were acknowledged are set;
* no UID was given twice, UIDNEXT never fell, UIDVALIDITY did not change;
* ``PRAGMA integrity_check`` says ok for every database.

Anyone can run it: ``python tests/crash/rounds.py --rounds 30``. Standard library only. Chance has
a seed, which is printed; the moments of the machine it cannot repeat.
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
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SENDERS = 20
WRITERS = 5
WORKERS = int(os.environ.get("PILLARBOX_SERVER_WORKERS", "1"))
USERS = 5
PASSWORD = "crash-test-only"
STARTING = 60.0
PATIENCE = 30.0
"""Seconds: until the server is ready; until it answers."""

INBOX, ARCHIVE, GONE = "INBOX", "Archive", ""
BOXES = (INBOX, ARCHIVE)

Copy = tuple[str, str]
"""A message's number and the address of a recipient."""


class Failed(Exception):
    """A promise was broken."""


@dataclass
class Known:
    """What the clients were promised, kept over all rounds."""

    places: dict[Copy, set[str]] = field(default_factory=dict)
    """Where a copy may be. More than one place while an answer is outstanding."""
    flagged: set[Copy] = field(default_factory=set)
    uids: dict[tuple[str, str, int], str] = field(default_factory=dict)
    """(user, mailbox, UID) to number, as an answer or a later look told."""
    uidnext: dict[tuple[str, str], int] = field(default_factory=dict)
    uidvalidity: dict[tuple[str, str], int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """What the clients themselves found broken."""
    acknowledged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def trying(self, copy: Copy, place: str) -> None:
        """From now on ``copy`` may also be at ``place``."""
        with self.lock:
            self.places.setdefault(copy, {GONE}).add(place)

    def done(self, copy: Copy, place: str) -> None:
        """The server said that ``copy`` is at ``place``."""
        with self.lock:
            self.places[copy] = {place}
            self.acknowledged += 1

    def note_uid(self, user: str, box: str, uid: int, number: str) -> None:
        """Remember who got a UID; two messages with the same one are a broken promise."""
        before = self.uids.setdefault((user, box, uid), number)
        if before != number:
            raise Failed(f"UID {uid} in {box} of {user} was {before} and is now {number}")


def message(number: str, size: int) -> bytes:
    """A message that carries the checksum of its own text."""
    text = "\r\n".join(hashlib.sha256(f"{number}{n}".encode()).hexdigest() for n in range(size))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (
        f"From: <sender@example.com>\r\nTo: <user@example.test>\r\nSubject: {number}\r\n"
        f"Message-ID: <{number}@crash.example>\r\nX-Digest: {digest}\r\n\r\n{text}\r\n"
    ).encode()


def number_of(raw: bytes) -> str:
    """The number of a message whose text still has the checksum that its header names."""
    header, _, text = raw.partition(b"\r\n\r\n")
    number = re.search(rb"^Message-ID: <([^@>]+)@crash\.example>\r?$", header, re.MULTILINE)
    digest = re.search(rb"^X-Digest: ([0-9a-f]{64})\r?$", header, re.MULTILINE)
    found = hashlib.sha256(text.removesuffix(b"\r\n")).hexdigest().encode()
    if number is None or digest is None or digest[1] != found:
        raise Failed(f"a damaged message: {raw[:300]!r}… ({len(raw)} octets)")
    return number[1].decode()


# -------------------------------------------------------------------------- the server


class House:
    """A demo house in a directory that outlives its processes."""

    def __init__(self, directory: Path, command: list[str], workers: int = WORKERS) -> None:
        self.directory = directory
        self.command = command
        self.workers = workers
        self.ready: dict[str, object] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start, without waiting."""
        (self.directory / "ready.json").unlink(missing_ok=True)
        ready = str(self.directory / "ready.json")
        arguments = ["--users", str(USERS), "--password", PASSWORD, "--ready-file", ready]
        arguments += ["--workers", str(self.workers)]
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "demo", *arguments, "--dir", str(self.directory / "house")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        self.begin()
        deadline = time.monotonic() + STARTING
        while not (self.directory / "ready.json").exists():
            if self.process is None or self.process.poll() is not None:
                raise Failed("the server did not start")
            if time.monotonic() > deadline:
                raise Failed("the server was not ready in time")
            time.sleep(0.01)
        self.ready = json.loads((self.directory / "ready.json").read_text())

    @property
    def pids(self) -> list[int]:
        """The first process, then workers."""
        pids = self.ready.get("pids", [])
        assert isinstance(pids, list)
        return pids

    def kill_worker(self) -> None:
        """SIGKILL for a worker. The house goes on, and starts another."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pids.pop(), signal.SIGKILL)

    def kill(self, alone: bool = False) -> None:
        """SIGKILL for every process of the house, or ``alone`` for the first."""
        for pid in self.pids[:1] if alone else self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.ready = {}
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """SIGTERM; a server that does not end by itself is a failure."""
        if self.process is None or self.process.poll() is not None:
            raise Failed("the server ended by itself")
        self.process.terminate()
        try:
            status = self.process.wait(STARTING)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("the server did not stop") from None
        if status:
            raise Failed(f"the server ended with status {status}")

    def port(self, name: str) -> int:
        value = self.ready.get(f"{name}_port", 0)
        assert isinstance(value, int)
        return value

    def imap(self, user: str) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port("imap"), timeout=PATIENCE)
        client.login(user, PASSWORD)
        return client


# -------------------------------------------------------------------------- the clients


def send(house: House, known: Known, stop: threading.Event, name: str) -> None:
    """One SMTP sender: many connections, several messages each, one to three recipients."""
    chance = random.Random(name)
    count = 0
    while not stop.is_set():
        try:
            with smtplib.SMTP("127.0.0.1", house.port("smtp"), timeout=PATIENCE) as client:
                for _ in range(chance.randint(1, 20)):
                    users = chance.sample(range(USERS), chance.choice((1, 1, 2, 3)))
                    to = [f"user{user}@example.test" for user in users]
                    number = f"s-{name}-{count}"
                    count += 1
                    # some are large enough to be kept as files of their own
                    size = 3500 if chance.random() < 0.02 else chance.choice((5, 60, 200))
                    for user in to:
                        known.trying((number, user), INBOX)
                    refused = client.sendmail("sender@example.com", to, message(number, size))
                    if refused:
                        raise Failed(f"refused: {refused}")
                    for user in to:
                        known.done((number, user), INBOX)
                    if stop.is_set():
                        return
        except (OSError, smtplib.SMTPException):
            time.sleep(0.01)


def write(house: House, known: Known, stop: threading.Event, name: str) -> None:
    """One IMAP writer: APPEND, then STORE, MOVE or EXPUNGE, noting each answer."""
    chance = random.Random(name)
    user = f"user{int(name.rpartition('-')[2]) % USERS}@example.test"
    count = 0
    while not stop.is_set():
        try:
            with house.imap(user) as client:
                good(client.select(INBOX))
                while not stop.is_set():
                    write_one(client, known, user, f"a-{name}-{count}", chance.random())
                    count += 1
        except (OSError, imaplib.IMAP4.error):
            count += 1
            time.sleep(0.01)


def write_one(client: imaplib.IMAP4, known: Known, user: str, number: str, chance: float) -> None:
    copy = (number, user)
    known.trying(copy, INBOX)
    answer = good(client.append(INBOX, "", "", message(number, 40)))
    uid = code(rb"APPENDUID \d+ (\d+)", answer)
    known.done(copy, INBOX)
    with known.lock:
        known.note_uid(user, INBOX, uid, number)
    if chance < 0.3:
        good(client.uid("STORE", str(uid), "+FLAGS", "(\\Flagged)"))
        with known.lock:
            known.flagged.add(copy)
    if chance < 0.2:
        known.trying(copy, ARCHIVE)
        client.response("COPYUID")
        good(client.uid("MOVE", str(uid), ARCHIVE))
        known.done(copy, ARCHIVE)
        moved = code(rb"\d+ \d+ (\d+)", client.response("COPYUID")[1])
        with known.lock:
            known.note_uid(user, ARCHIVE, moved, number)
    elif chance > 0.8:
        known.trying(copy, GONE)
        good(client.uid("STORE", str(uid), "+FLAGS.SILENT", "(\\Deleted)"))
        good(client.uid("EXPUNGE", str(uid)))
        known.done(copy, GONE)


def good(answer: tuple[str, list[bytes | None]]) -> list[bytes | None]:
    """The data of an OK; a NO of a server that is being killed is no failure."""
    if answer[0] != "OK":
        raise OSError(str(answer))
    return answer[1]


def code(pattern: bytes, data: list[bytes | None]) -> int:
    """A number out of a response code, which must be there."""
    found = re.search(pattern, data[-1] or b"")
    if found is None:
        raise Failed(f"no response code in {data!r}")
    return int(found[1])


# -------------------------------------------------------------------------- the look


def look(house: House, known: Known) -> int:
    """Compare what is there with what was promised; copies found."""
    found: dict[Copy, list[str]] = defaultdict(list)
    for n in range(USERS):
        user = f"user{n}@example.test"
        with house.imap(user) as client:
            for box in BOXES:
                look_into(client, known, user, box, found)
    for copy, allowed in known.places.items():
        boxes = found.pop(copy, [])
        if len(boxes) > 1 or (boxes[0] if boxes else GONE) not in allowed:
            raise Failed(f"{copy} is in {boxes or 'no mailbox'}, may be in {allowed}")
        # What is so now has to stay so.
        known.places[copy] = set(boxes) or {GONE}
    if found:
        raise Failed(f"never sent to them: {list(found)[:10]}")
    return sum(places != {GONE} for places in known.places.values())


def look_into(
    client: imaplib.IMAP4, known: Known, user: str, box: str, found: dict[Copy, list[str]]
) -> None:
    data = good(client.status(box, "(MESSAGES UIDNEXT UIDVALIDITY)"))
    numbers = dict(re.findall(rb"(MESSAGES|UIDNEXT|UIDVALIDITY) (\d+)", data[0] or b""))
    validity, uidnext = int(numbers[b"UIDVALIDITY"]), int(numbers[b"UIDNEXT"])
    if known.uidvalidity.setdefault((user, box), validity) != validity:
        raise Failed(f"UIDVALIDITY of {box} of {user} changed")
    if uidnext < known.uidnext.get((user, box), 0):
        raise Failed(f"UIDNEXT of {box} of {user} fell to {uidnext}")
    known.uidnext[user, box] = uidnext
    good(client.select(box, readonly=True))
    seen = 0
    for row in good(client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")):
        if not isinstance(row, tuple):
            continue
        seen += 1
        number = number_of(row[1])
        uid = int(re.findall(rb"UID (\d+)", row[0])[0])
        if uid >= uidnext:
            raise Failed(f"UID {uid} in {box} of {user} is not below UIDNEXT {uidnext}")
        known.note_uid(user, box, uid, number)
        found[number, user].append(box)
        if (number, user) in known.flagged and b"\\Flagged" not in row[0]:
            raise Failed(f"{number} of {user} lost its flag")
    if seen != int(numbers[b"MESSAGES"]):
        raise Failed(f"{box} of {user} says {numbers[b'MESSAGES']!r} messages and shows {seen}")


def check_databases(directory: Path) -> None:
    """SQLite's own opinion, after the house is stopped."""
    databases = sorted(directory.rglob("*.db"))
    if not databases:
        raise Failed("there is no database to check")
    for path in databases:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise Failed(f"{path}: {verdict}")


# -------------------------------------------------------------------------- the rounds


def guarded(
    client: Callable[[House, Known, threading.Event, str], None],
    house: House,
    known: Known,
    stop: threading.Event,
    name: str,
) -> None:
    """Nothing that a client finds broken gets lost with its thread."""
    try:
        client(house, known, stop, name)
    except Exception as error:
        known.failures.append(f"{name}: {error!r}")


def one_round(
    house: House, known: Known, number: int, chance: random.Random, longest: float
) -> str:
    """Work, kill at a random moment; when that was."""
    house.start()
    stop = threading.Event()
    clients = [(send, f"{number}-{n}") for n in range(SENDERS)]
    clients += [(write, f"{number}-{n}") for n in range(WRITERS)]
    threads = [
        threading.Thread(target=guarded, args=(client, house, known, stop, name), daemon=True)
        for client, name in clients
    ]
    for thread in threads:
        thread.start()
    moment = chance.uniform(0.05, longest)
    if house.workers > 1 and chance.random() < 0.5:
        time.sleep(moment)
        house.kill_worker()
    time.sleep(moment)
    house.kill(alone=chance.random() < 0.5)
    stop.set()
    for thread in threads:
        thread.join(2 * PATIENCE)
        if thread.is_alive():
            raise Failed("a client still waits for a dead server")
    if known.failures:
        raise Failed("; ".join(known.failures))
    again = ""
    if chance.random() < 0.5:
        house.begin()
        pause = chance.uniform(0.2, 0.8)
        time.sleep(pause)
        house.kill()
        again = f" and {pause:.2f} s after its start"
    return f"{moment:.2f} s{again}"


def rounds(house: House, known: Known, arguments: argparse.Namespace) -> None:
    chance = random.Random(arguments.seed)
    for number in range(1, arguments.rounds + 1):
        moment = one_round(house, known, number, chance, arguments.longest)
        if number % arguments.look_every and number < arguments.rounds:
            continue
        house.start()
        found = look(house, known)
        house.stop()
        check_databases(house.directory)
        print(
            f"round {number}: killed after {moment}, {known.acknowledged} answers, {found} found",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--longest", type=float, default=2.0, help="seconds until the kill")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes of the server")
    parser.add_argument("--look-every", type=int, default=1, help="rounds between two looks")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--command", nargs="+", default=[sys.executable, "-m", "pillarbox"])
    arguments = parser.parse_args()
    known, begun = Known(), time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pillarbox-crash-") as scratch:
        house = House(Path(scratch), arguments.command, arguments.workers)
        try:
            rounds(house, known, arguments)
        except Failed as error:
            print(f"FAILED: {error}")
            print((Path(scratch) / "server.log").read_text(errors="replace")[-4000:])
            return 1
        finally:
            if house.process is not None and house.process.poll() is None:
                house.kill()
    copies = sum(places != {GONE} for places in known.places.values())
    print(
        f"{arguments.rounds} rounds in {time.monotonic() - begun:.0f} s, {known.acknowledged} "
        f"answers, {copies} messages kept: nothing lost, nothing twice, nothing damaged"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
