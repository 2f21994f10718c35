#!/usr/bin/env python3
"""Kill the server without warning while mail leaves for servers that misbehave, and prove that the
queue forgets nothing.

A house takes messages from its users and sends them to peers that, at random, answer 4xx, answer
5xx, take the whole message and hang up instead of answering, stall, or hang up at once. The house
is killed with SIGKILL at random moments, sometimes once more while it starts. After each round
``pillarbox audit`` must find nothing wrong; at the end, when the peers have come to their senses:

* every recipient that was acknowledged (250 to the user) was taken by a peer or reported to the
  sender, or is still in the queue;
* nobody got a message twice but where the answer of the peer was lost, because the peer hung up or
  because the house was killed before it was written down: ``pillarbox why`` knows of one success at
  most. Both are counted;
* ``PRAGMA integrity_check`` says ok.

Anyone can run it: ``python tests/crash/queue_rounds.py --rounds 30``. It needs Pillarbox and
nothing else. Chance has a seed, which is printed; the moments of the machine it cannot repeat.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email
import json
import math
import os
import random
import re
import smtplib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

USERS = 4
SENDERS = 4
PEERS = 6
PASSWORD = "crash-test-only"
PATIENCE = 120.0
"""Seconds: for a command, an answer, the start."""

CONFIG = """
[server]
hostname = "mail.example.test"
data = "{data}"
allow_root = true
drain = 1.0
workers = {workers}
[listen]
smtp = []
submission = ["127.0.0.1:{port}"]
smtps = []
lmtp = []
imap = []
imaps = []
pop3 = []
pop3s = []
sieve = []
http = []
[auth]
argon2_memory = 8
argon2_time = 1
cleartext_on_loopback = true
[checks]
enabled = false
[limits]
hour_recipients = 0
day_recipients = 0
burst_recipients = 0
[mail]
queue_retry = "1s"
queue_retry_longest = "2s"
[send]
suppress_for = 0
smarthost_tls = "none"
smarthost = "127.0.0.1:{peers[0]}"
{routes}
"""
ROUTE = """
[[send.routes]]
to = ["d{n}.test"]
relay = "127.0.0.1:{port}"
"""

Copy = tuple[str, str]
"""A message's number and the address of a recipient."""


class Failed(Exception):
    """A promise was broken."""


@dataclass
class Taken:
    """A peer answered 250, or took the whole message and kept silent."""

    at: float
    answered: bool


@dataclass
class Kill:
    """The house was killed, and begun again: what a peer reads between was sent before, however
    late the peer had its turn. So it excuses the second copy of one that was read before it began
    again and one that was read after."""

    at: float
    again: float = math.inf


@dataclass
class Known:
    """What was promised and what was seen, over all rounds."""

    promised: set[Copy] = field(default_factory=set)
    senders: dict[str, str] = field(default_factory=dict)
    taken: dict[Copy, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    refused: set[Copy] = field(default_factory=set)
    kills: list[Kill] = field(default_factory=list)
    tricks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failures: list[str] = field(default_factory=list)


# -------------------------------------------------------------------------- the peers

TRICKS = ("take", "later", "later at the end", "no", "hang up after", "stall", "hang up before")
WEIGHTS = (50, 10, 10, 5, 10, 5, 10)


class Peers:
    """Servers of other people, in a thread of their own; they outlive every kill."""

    def __init__(self, known: Known, seed: int) -> None:
        self.known = known
        self.chance = random.Random(seed)
        self.sane = False
        self.ports: list[int] = []
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        for _ in range(PEERS):
            server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1"))
            self.ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        self._loop.run_forever()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 peer ready")
        trick, to = "take", list[str]()
        while line := (await reader.readline()).decode("ascii", "replace").strip():
            verb = line.upper()
            if verb.startswith("EHLO"):
                say("250-peer\r\n250-PIPELINING\r\n250 8BITMIME")
            elif verb.startswith("MAIL"):
                (trick,) = self.chance.choices(TRICKS, WEIGHTS) if not self.sane else ("take",)
                self.known.tricks[trick] += 1
                to = []
                if trick == "stall":
                    await asyncio.sleep(self.chance.uniform(0.5, 2))
                    return
                if trick == "hang up before":
                    return
                say("250 ok")
            elif verb.startswith("RCPT"):
                address = line[line.index("<") + 1 : line.index(">")]
                if trick == "later":
                    say("450 4.2.1 come again")
                elif trick == "no" and self.chance.random() < 0.5:
                    self.known.refused.add(("", address))
                    say("550 5.1.1 no such user")
                else:
                    to.append(address)
                    say("250 ok")
            elif verb == "DATA":
                if not to:
                    say("503 5.5.1 nobody to send to")
                    continue
                say("354 go on")
                raw = await reader.readuntil(b"\r\n.\r\n")
                if trick == "later at the end":
                    say("451 4.3.0 not now")
                    continue
                self._take(raw, to, trick != "hang up after")
                if trick == "hang up after":
                    return
                say("250 2.0.0 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
            await writer.drain()

    def _take(self, raw: bytes, to: list[str], answered: bool) -> None:
        number = re.search(rb"^Message-ID: <([^@>]+)@crash\.example>\r$", raw, re.MULTILINE)
        if number is None:
            self.known.failures.append(f"a damaged message: {raw[:300]!r}")
            return
        for address in to:
            self.known.taken[number[1].decode(), address].append(Taken(time.monotonic(), answered))


# -------------------------------------------------------------------------- the house


class House:
    """A server in a directory that outlives its processes."""

    def __init__(self, directory: Path, command: list[str], peers: list[int]) -> None:
        self.directory = directory
        self.command = command
        self.port = free_port()
        self.config = directory / "pillarbox.toml"
        routes = "".join(ROUTE.format(n=n, port=port) for n, port in enumerate(peers))
        self.config.write_text(
            CONFIG.format(
                data=directory / "data",
                workers=os.environ.get("PILLARBOX_SERVER_WORKERS", "1"),
                port=self.port,
                peers=peers,
                routes=routes,
            )
        )
        self.process: subprocess.Popen[bytes] | None = None
        (directory / "data").mkdir(mode=0o700)
        self.say("domain", "add", "example.test")
        for n in range(USERS):
            words = ("account", "add", f"user{n}@example.test", "--password-stdin")
            self.say(*words, given=PASSWORD + "\n")

    def say(self, *words: str, given: str = "", good: bool = True) -> str:
        """Run a command of Pillarbox and return what it prints."""
        done = subprocess.run(
            [*self.command, *words, "--config", str(self.config)],
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if good and done.returncode:
            raise Failed(f"{' '.join(words)}: {done.stdout[-3000:]} {done.stderr[-1000:]}")
        return done.stdout

    def begin(self) -> None:
        """Start, without waiting."""
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        self.begin()
        deadline = time.monotonic() + PATIENCE
        while True:
            if self.process is None or self.process.poll() is not None:
                raise Failed("the server did not start")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            if time.monotonic() > deadline:
                raise Failed("the server was not ready in time")
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """SIGTERM; a server that does not end by itself is a failure."""
        if self.process is None or self.process.poll() is not None:
            raise Failed("the server ended by itself")
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("the server did not stop") from None
        self.process = None
        if status:
            raise Failed(f"the server ended with status {status}")

    def audit(self) -> dict[str, int]:
        """How the promises were kept; Failed when one was not."""
        value = json.loads(self.say("audit", "--json", good=False))
        if value["broken"] or value["findings"]:
            raise Failed(f"audit: {json.dumps(value, indent=1)}")
        ends: dict[str, int] = value["ends"]
        return ends

    def queue(self) -> list[dict[str, object]]:
        items: list[dict[str, object]] = json.loads(self.say("queue", "list", "--json"))["items"]
        return items


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


# -------------------------------------------------------------------------- the users


def submit(
    house: House, known: Known, waiting: list[str], stop: threading.Event, name: str
) -> None:
    """One user's program: takes numbers out of ``waiting``, which several share, and sends each
    once; what was not acknowledged is dropped, what was not begun is for the next round."""
    chance = random.Random(name)
    while waiting and not stop.is_set():
        try:
            user = f"user{chance.randrange(USERS)}@example.test"
            with smtplib.SMTP("127.0.0.1", house.port, timeout=PATIENCE) as client:
                client.login(user, PASSWORD)
                while waiting and not stop.is_set():
                    try:
                        number = waiting.pop()
                    except IndexError:  # another took the last one
                        return
                    count = chance.choice((1, 1, 2, 5))
                    to = [f"r{n}@d{chance.randrange(PEERS)}.test" for n in range(count)]
                    text = (
                        f"From: {user}\r\nSubject: {number}\r\n"
                        f"Message-ID: <{number}@crash.example>\r\n\r\nhello\r\n"
                    )
                    known.senders[number] = user
                    refused = client.sendmail(user, to, text)
                    if refused:
                        known.failures.append(f"refused: {refused}")
                    known.promised.update((number, address) for address in to)
        except (OSError, smtplib.SMTPException):
            time.sleep(0.02)


# -------------------------------------------------------------------------- the look


def reports(directory: Path) -> set[Copy]:
    """Recipients whose failure was reported, out of the users' own exported mail."""
    found: set[Copy] = set()
    for path in directory.rglob("*.eml"):
        message = email.message_from_bytes(path.read_bytes())
        number = re.search(r"^Message-ID: <([^@>]+)@crash\.example>", str(message), re.MULTILINE)
        for part in message.walk():
            final, action = part.get("Final-Recipient"), part.get("Action")
            if final and action == "failed" and number is not None:
                found.add((number[1], final.partition(";")[2].strip()))
    return found


def reported(house: House) -> set[Copy]:
    with tempfile.TemporaryDirectory(dir=house.directory) as folder:
        for n in range(USERS):
            to = str(Path(folder) / f"user{n}")
            words = ("export", "--account", f"user{n}@example.test", "--to", to, "--format", "eml")
            house.say(*words)
        return reports(Path(folder))


def successes(house: House, copy: Copy) -> int:
    """How often the house wrote down that a peer had taken this copy."""
    number, address = copy
    told = json.loads(house.say("why", f"<{number}@crash.example>", "--json"))
    return sum(
        event["kind"] == "attempted" and event["state"] == "done" and address in event["to"]
        for story in told["stories"]
        for event in story["events"]
    )


def look(house: House, known: Known) -> str:
    """At the end, when nothing waits any more: compare promises with what became of them."""
    if known.failures:
        raise Failed("; ".join(known.failures[:10]))
    told = reported(house)
    waiting = {
        (str(item["trace"]), str(row["recipient"]))
        for item in house.queue()
        for row in item["recipients"]  # type: ignore[attr-defined]
        if row["state"] in {"due", "held"}
    }
    lost = [copy for copy in known.promised if not known.taken.get(copy) and copy not in told]
    if len(lost) > len(waiting):
        raise Failed(f"{len(lost)} lost, {len(waiting)} wait: {lost[:10]}")
    silent = killed = 0
    for copy, times in known.taken.items():
        for one, again in pairwise(times):
            if not one.answered:
                silent += 1
                continue
            killed += 1
            died = [kill for kill in known.kills if one.at <= kill.again <= again.at]
            if not died or successes(house, copy) > 1:
                raise Failed(f"{copy} was sent again although it was answered: {times}, {died}")
    once = [copy for copy, times in known.taken.items() if len(times) == 1 and times[0].answered]
    if any(successes(house, copy) != 1 for copy in once[:5]):
        raise Failed(f"the story of one of {once[:5]} does not tell that it was taken, once")
    both = sum(1 for copy in told if known.taken.get(copy))
    unasked = [copy for copy in told if copy in known.taken and known.taken[copy][-1].answered]
    if unasked and not known.kills:
        raise Failed(f"taken, and reported as failed: {unasked[:10]}")
    return (
        f"{len(known.senders)} messages tried, {len(known.promised)} recipients promised, "
        f"{len(known.taken)} taken, {len(told)} "
        f"reported, {len(waiting)} wait; sent twice: {silent} where the peer hung up, {killed} "
        f"where the house was killed; {both} taken without an answer and then refused"
    )


def check_databases(directory: Path) -> None:
    """SQLite's own opinion, after the house is stopped."""
    for path in sorted(directory.rglob("*.db")):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise Failed(f"{path}: {verdict}")


# -------------------------------------------------------------------------- the rounds


def users(
    house: House, known: Known, waiting: list[str], stop: threading.Event
) -> list[threading.Thread]:
    """Their programs, at work."""
    threads = [
        threading.Thread(
            target=submit, args=(house, known, waiting, stop, f"{len(waiting)}-{n}"), daemon=True
        )
        for n in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    return threads


def begun(known: Known) -> None:
    """The house is about to live again."""
    for kill in known.kills[-1:]:
        kill.again = time.monotonic()


def one_round(
    house: House, known: Known, waiting: list[str], chance: random.Random, longest: float
) -> str:
    """Work, kill at a random moment; when that was."""
    begun(known)
    house.start()
    stop = threading.Event()
    threads = users(house, known, waiting, stop)
    moment = chance.uniform(0.3, longest)
    time.sleep(moment)
    known.kills.append(Kill(time.monotonic()))
    house.kill()
    stop.set()
    for thread in threads:
        thread.join(2 * PATIENCE)
    if chance.random() < 0.3:
        begun(known)
        house.begin()
        pause = chance.uniform(0.2, 1.0)
        time.sleep(pause)
        known.kills.append(Kill(time.monotonic()))
        house.kill()
        return f"{moment:.2f} s and {pause:.2f} s after its start"
    return f"{moment:.2f} s"


def rounds(house: House, peers: Peers, known: Known, arguments: argparse.Namespace) -> str:
    chance = random.Random(arguments.seed)
    share = -(-arguments.messages // arguments.rounds)
    waiting: list[str] = []
    for number in range(1, arguments.rounds + 1):
        waiting += [f"m-{number}-{n}" for n in range(share)]
        moment = one_round(house, known, waiting, chance, arguments.longest)
        ends = house.audit() if number % arguments.look_every == 0 else {}
        print(f"round {number}: killed after {moment}; {ends or ''}", flush=True)
    peers.sane = True
    begun(known)
    house.start()
    for thread in users(house, known, waiting, threading.Event()):
        thread.join(2 * PATIENCE)
    deadline = time.monotonic() + arguments.patience
    while house.queue() and time.monotonic() < deadline:
        time.sleep(1)
    said = look(house, known)
    house.stop()
    ends = house.audit()
    check_databases(house.directory)
    return f"{said}\naudit: {ends}\npeers: {dict(known.tricks)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds until the kill")
    parser.add_argument("--look-every", type=int, default=1, help="rounds between two audits")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds for the rest")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--command", nargs="+", default=[sys.executable, "-m", "pillarbox"])
    arguments = parser.parse_args()
    known, begun = Known(), time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    peers = Peers(known, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="pillarbox-queue-") as scratch:
        house = House(Path(scratch), arguments.command, peers.ports)
        try:
            print(rounds(house, peers, known, arguments))
        except Failed as error:
            print(f"FAILED: {error}")
            log = Path(scratch) / "server.log"
            print(log.read_text(errors="replace")[-4000:] if log.exists() else "")
            return 1
        finally:
            house.kill()
            peers.close()
    print(
        f"{arguments.rounds} rounds in {time.monotonic() - begun:.0f} s: nothing lost, "
        "nothing sent twice but where an answer was lost"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
