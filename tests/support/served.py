"""A real server process: `pillarbox serve`, a configuration, accounts, a log to read afterwards.

    with served(tmp_path) as house:
        ann = house.person("ann")
        house.port("imaps"); house.ca
        house.pillarbox("account", "list", "--json")

Everything goes through the command line, as an operator's would. The server takes free loopback
ports and is stopped by SIGTERM, or by its pid when it does not hear.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import poplib
import re
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pillarbox.net.certs import make_demo_ca
from support.apart import processes

PASSWORD = "correct+horse/9=battery"
DOORS = ("smtp", "submission", "smtps", "lmtp", "imap", "imaps", "pop3", "pop3s", "sieve")
STARTING = 120.0
STOPPING = 30.0
PATIENCE = 30.0
"""Seconds that a client of ours waits for an answer."""
COMMAND = (sys.executable, "-m", "pillarbox")

_CONFIG = """\
[server]
hostname = "mail.example.test"
data = {data}
allow_root = true
drain = "5s"
workers = {workers}

[listen]
{doors}

[tls]
certificate = {certificate}
key = {key}

[auth]
argon2_memory = 64
argon2_time = 1

[send]
enabled = false

[log]
level = "debug"
"""


@dataclass(frozen=True)
class Person:
    """An account."""

    address: str
    password: str = PASSWORD


@dataclass
class Served:
    """A server that runs."""

    directory: Path
    process: subprocess.Popen[bytes]
    ports: dict[str, int] = field(default_factory=dict)
    _names: int = 0

    @property
    def ca(self) -> Path:
        """The authority that clients are to trust."""
        return self.directory / "ca.pem"

    @property
    def log(self) -> Path:
        """Standard error of the server."""
        return self.directory / "server.log"

    @property
    def tls(self) -> ssl.SSLContext:
        """For a client in Python: trusts the authority, and checks the name."""
        return ssl.create_default_context(cafile=str(self.ca))

    def port(self, door: str) -> int:
        """Where a door is, on 127.0.0.1."""
        return self.ports[door]

    # ------------------------------------------------------------------ the command line

    def pillarbox(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of the house; what it printed. A failure fails the test."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            env=environment(self.directory),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def asked(self, *arguments: str) -> Any:
        """Run a command with ``--json``."""
        return json.loads(self.pillarbox(*arguments, "--json"))

    def person(self, name: str, *options: str) -> Person:
        """A new account; ``name`` gets a number, so that tests never share one."""
        self._names += 1
        person = Person(f"{name}{self._names}@example.test")
        self.pillarbox(
            "account", "add", person.address, "--password-stdin", *options, stdin=PASSWORD + "\n"
        )
        return person

    def spoken(self, person: Person) -> set[str]:
        """Capabilities of IMAP that somebody's programs have made use of, by the log."""
        lines = [line for line in self.log.read_text().splitlines() if person.address in line]
        found = [re.search(r"conn=(\S+)", line) for line in lines]
        sessions = {match[1] for match in found if match}
        speaks = re.findall(r"imap\.speaks capability=(\S+) conn=(\S+)", self.log.read_text())
        return {name.strip('"') for name, session in speaks if session in sessions}

    # ------------------------------------------------------------------ clients to check with

    @contextlib.contextmanager
    def imap(self, person: Person) -> Iterator[imaplib.IMAP4_SSL]:
        """A session by the standard library's client."""
        client = imaplib.IMAP4_SSL(
            "localhost", self.port("imaps"), ssl_context=self.tls, timeout=PATIENCE
        )
        with client:
            client.login(person.address, person.password)
            yield client

    @contextlib.contextmanager
    def pop3(self, person: Person) -> Iterator[poplib.POP3_SSL]:
        """A session by the standard library's client; it removes only what it says it removes."""
        client = poplib.POP3_SSL(
            "localhost", self.port("pop3s"), context=self.tls, timeout=PATIENCE
        )
        try:
            client.user(person.address)
            client.pass_(person.password)
            yield client
        finally:
            client.quit()

    def deliver(self, person: Person, *messages: bytes) -> None:
        """Mail from another server, by LMTP."""
        with smtplib.LMTP("127.0.0.1", self.port("lmtp"), timeout=PATIENCE) as client:
            for message in messages:
                client.sendmail("sender@elsewhere.example", [person.address], message)

    def append(self, person: Person, mailbox: str, message: bytes, flags: str = "") -> None:
        """Mail put into a mailbox by IMAP."""
        with self.imap(person) as client:
            ok(client.append(mailbox, flags, "", message))

    def inbox(self, person: Person) -> list[bytes]:
        """Every message, read by POP3; lines end in CRLF."""
        with self.pop3(person) as client:
            count, _ = client.stat()
            return [crlf(client.retr(number)[1]) for number in range(1, count + 1)]

    def mailbox(self, person: Person, name: str = "INBOX") -> list[Stored]:
        """Every message with its flags, read by IMAP without marking anything as seen."""
        with self.imap(person) as client:
            ok(client.select(quoted(name), readonly=True))
            rows = ok(client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])"))
            ok(client.unselect())
        return [_stored(row) for row in rows if isinstance(row, tuple)]

    def names(self, person: Person) -> set[str]:
        """The mailboxes there are."""
        with self.imap(person) as client:
            rows = ok(client.list())
        return {re.sub(r'.* "?/"? "?([^"]*)"?$', r"\1", row.decode()) for row in rows if row}

    def modseq(self, person: Person, mailbox: str = "INBOX") -> int:
        """HIGHESTMODSEQ of a mailbox: the same as before means that nothing changed."""
        with self.imap(person) as client:
            answer = ok(client.status(quoted(mailbox), "(HIGHESTMODSEQ)"))
        found = re.search(rb"HIGHESTMODSEQ (\d+)", answer[0])
        assert found, answer
        return int(found[1])

    # ------------------------------------------------------------------ what the server said

    def complaints(self, since: int) -> list[str]:
        """Lines of the log from octet ``since`` on that speak of bugs and broken hands."""
        with self.log.open("rb") as log:
            log.seek(since)
            lines = log.read().decode("utf-8", "replace").splitlines()
        return [line for line in lines if not re.match(r"\S+ (debug|info|warning) ", line)]

    def tail(self, since: int) -> str:
        """The log from octet ``since`` on, its end if it is long."""
        return self.log.read_bytes()[since:][-20_000:].decode("utf-8", "replace")


@dataclass(frozen=True)
class Stored:
    """A message as IMAP shows it."""

    uid: int
    flags: frozenset[str]
    raw: bytes


def _stored(row: tuple[bytes, bytes]) -> Stored:
    uid = re.search(rb"UID (\d+)", row[0])
    flags = re.search(rb"FLAGS \(([^)]*)\)", row[0])
    assert uid, row
    assert flags, row
    return Stored(int(uid[1]), frozenset(flags[1].decode().split()), row[1])


def ok(answer: tuple[str, list[Any]]) -> list[Any]:
    """The data of an imaplib answer that must be OK."""
    assert answer[0] == "OK", answer
    return answer[1]


def quoted(name: str) -> str:
    """A mailbox name as imaplib wants it."""
    return f'"{name}"' if name != "INBOX" else name


def crlf(lines: Sequence[bytes]) -> bytes:
    """Lines without their ends, as octets."""
    return b"".join(line + b"\r\n" for line in lines)


def environment(directory: Path, **more: str) -> dict[str, str]:
    """What a program is started with: this test's house, a home of its own, one language."""
    return {
        **os.environ,
        "PILLARBOX_CONFIG": str(directory / "pillarbox.toml"),
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        **more,
    }


def write_config(directory: Path) -> None:
    """A configuration on free loopback ports, and throw-away certificates."""
    names = ["localhost", "127.0.0.1", "mail.example.test"]
    for name, pem in zip(("ca", "certificate", "key"), make_demo_ca(names), strict=True):
        (directory / f"{name}.pem").write_bytes(pem)
    (directory / "data").mkdir(mode=0o700)
    text = _CONFIG.format(
        data=json.dumps(str(directory / "data")),
        workers=processes(),
        doors="\n".join(f'{door} = "127.0.0.1:0"' for door in DOORS),
        certificate=json.dumps(str(directory / "certificate.pem")),
        key=json.dumps(str(directory / "key.pem")),
    )
    (directory / "pillarbox.toml").write_text(text)


@contextlib.contextmanager
def served(directory: Path) -> Iterator[Served]:
    """Start a server in an empty directory, with the domain example.test; stop it afterwards."""
    write_config(directory)
    with (directory / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve"],
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    house = Served(directory, process)
    try:
        _wait(house)
        status = house.asked("status")
        house.ports = {
            door["name"]: int(door["addresses"][0].rpartition(":")[2]) for door in status["doors"]
        }
        house.pillarbox("domain", "add", "example.test")
        yield house
    except BaseException:
        _stop(house)
        raise
    ended = _stop(house)
    assert ended == 0, (ended, house.tail(0))


def _wait(house: Served) -> None:
    deadline = time.monotonic() + STARTING
    while b" house.open " not in house.log.read_bytes():
        assert house.process.poll() is None, house.tail(0)
        assert time.monotonic() < deadline, house.tail(0)
        time.sleep(0.02)


def _stop(house: Served) -> int:
    """By SIGTERM, else by pid; the exit status."""
    house.process.terminate()
    try:
        return house.process.wait(STOPPING)
    except subprocess.TimeoutExpired:
        house.process.kill()
        return house.process.wait()
