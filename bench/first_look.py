"""A first look at speed: one house, one run, the figures as they come.

    python bench/first_look.py [--seconds 8] [--dir D] [--json F] [--only smtp imap fetch memory]

The house is `pillarbox serve` with its defaults, as a process of its own; every load comes from
another process, which checks each answer. Rates are per second of wall-clock time; beside them
stands the CPU time that the server spent on one operation, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import imaplib
import json
import os
import platform
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

PASSWORD = "only for measuring"  # noqa: S105  (a house of the moment)
PEOPLE = 20
SENDERS = 20
SIZE = 4096
MESSAGES = 10_000
IDLE = 500
DOORS = ("smtp", "submission", "smtps", "lmtp", "imap", "imaps", "pop3", "pop3s")
PATIENCE = 120.0


def run_loop(main: Any) -> Any:
    """On uvloop where there is one: the load is not to be what is slow."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


# -------------------------------------------------------------------------- the house


class House:
    """A server process and what the kernel says of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """A configuration with the defaults, but for ports, certificates and one limit."""
        from pillarbox.net.certs import make_demo_ca

        for name, pem in zip(("ca", "crt", "key"), make_demo_ca(["localhost"]), strict=True):
            (self.directory / f"{name}.pem").write_bytes(pem)
        (self.directory / "data").mkdir()
        quoted = {name: json.dumps(str(self.directory / name)) for name in
                  ("data", "crt.pem", "key.pem")}  # fmt: skip
        (self.directory / "pillarbox.toml").write_text(
            f'[server]\nhostname = "localhost"\ndata = {quoted["data"]}\nallow_root = true\n'
            + "[listen]\n" + "".join(f'{door} = "127.0.0.1:0"\n' for door in DOORS)
            + f"[tls]\ncertificate = {quoted['crt.pem']}\nkey = {quoted['key.pem']}\n"
            + "[limits]\nconnections_per_address = 5000\n"
        )  # fmt: skip

    def pillarbox(self, *words: str, stdin: str = "") -> str:
        command = [sys.executable, "-m", "pillarbox", *words]
        env = {**os.environ, "PILLARBOX_CONFIG": str(self.directory / "pillarbox.toml")}
        done = subprocess.run(
            command, input=stdin, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self) -> None:
        env = {**os.environ, "PILLARBOX_CONFIG": str(self.directory / "pillarbox.toml")}
        log = self.directory / "server.log"
        with log.open("wb") as out:
            command = [sys.executable, "-m", "pillarbox", "serve"]
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        deadline = time.monotonic() + 30
        while b"house.open" not in log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(log.read_text())
            time.sleep(0.05)
        doors = json.loads(self.pillarbox("status", "--json"))["doors"]
        self.ports = {door["name"]: int(door["addresses"][0].split(":")[-1]) for door in doors}

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def cpu(self) -> float:
        """Seconds of CPU so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Octets resident."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.directory / "ca.pem"))

    def imap(self, person: int) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=PATIENCE)
        client.login(address(person), PASSWORD)
        return client


def address(person: int) -> str:
    return f"person{person}@example.test"


def message(number: int) -> bytes:
    """About SIZE octets, as a mail program would write them."""
    head = (
        f"From: Somebody Else <somebody{number % 97}@elsewhere.example>\r\n"
        f"To: A Person <{address(number % PEOPLE)}>, Another <another@example.test>\r\n"
        f"Subject: About the matter of {number}, as it stands today\r\n"
        f"Date: Mon, 05 Jan 2026 10:{number // 60 % 60:02}:{number % 60:02} +0100\r\n"
        f"Message-ID: <{number}.{number * 7919}@elsewhere.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"User-Agent: first look\r\nReferences: <{number // 3}@elsewhere.example>\r\n\r\n"
    )
    line = f"Line of the message {number} with some words that are the same everywhere.\r\n"
    lines, more = divmod(SIZE - len(head), len(line))
    return (head + line * (lines - 1) + "x" * (len(line) + more - 2) + "\r\n").encode()


# -------------------------------------------------------------------------- the load


Script = Generator[tuple[bytes, int], list[bytes], None]
"""Yields what to say and how many lines to wait for; is sent those lines; ends the connection."""


class Talk(asyncio.Protocol):
    """One connection that follows a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._buffer = b""
        self._waits = next(script)[1]  # for the greeting
        self._transport: Any = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.count(b"\n") < self._waits:
            return
        lines = self._buffer.split(b"\r\n")
        self._buffer = lines.pop()
        try:
            say, self._waits = self._script.send(lines)
            self._transport.write(say)
        except StopIteration:
            self._transport.close()
        except Exception as error:
            self.over.set_exception(error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


class Count:
    """Operations within a stretch of time, after a little warming up."""

    def __init__(self, seconds: float, warm: float = 1.0) -> None:
        self.begin = time.perf_counter() + warm
        self.end = self.begin + seconds
        self.done = self.all = 0

    def one(self, operations: int = 1) -> bool:
        """Count; False once time is up."""
        now = time.perf_counter()
        self.all += operations
        if self.begin <= now < self.end:
            self.done += operations
        return now < self.end


def expect(lines: list[bytes], *starts: bytes) -> None:
    if len(lines) != len(starts) or not all(map(bytes.startswith, lines, starts)):
        raise AssertionError((lines, starts))


def smtp_sender(count: Count, number: int, pipelined: bool) -> Script:
    """MAIL, RCPT and DATA in one packet or one by one; then the message."""
    envelope = [
        b"MAIL FROM:<sender@elsewhere.example>\r\n",
        b"RCPT TO:<%s>\r\n" % address(number % PEOPLE).encode(),
        b"DATA\r\n",
    ]
    content = message(number) + b".\r\n"
    expect((yield b"", 1), b"220 ")
    expect((yield b"HELO load.example\r\n", 1), b"250 ")
    while True:
        if pipelined:
            expect((yield b"".join(envelope), 3), b"250 ", b"250 ", b"354 ")
        else:
            for command, code in zip(envelope, (b"250 ", b"250 ", b"354 "), strict=True):
                expect((yield command, 1), code)
        expect((yield content, 1), b"250 ")
        if not count.one():
            return


def noop_client(count: Count, person: int, depth: int) -> Script:
    """NOOP after NOOP, ``depth`` in a packet."""
    expect((yield b"", 1), b"* OK")
    expect((yield login_line(person), 1), b"a OK")
    good = [b"a OK"] * depth
    while count.one(depth):
        expect((yield b"a NOOP\r\n" * depth, depth), *good)


def login_client(person: int) -> Script:
    """In and out."""
    expect((yield b"", 1), b"* OK")
    expect((yield login_line(person), 1), b"a OK")
    expect((yield b"b LOGOUT\r\n", 2), b"* BYE", b"b OK")


def login_line(person: int) -> bytes:
    return f'a LOGIN {address(person)} "{PASSWORD}"\r\n'.encode()


async def talk(port: int, script: Script, ca: ssl.SSLContext | None = None) -> None:
    """One connection to its end; raises what it found wrong."""
    more = {"ssl": ca, "server_hostname": "localhost"} if ca else {}
    made = asyncio.get_running_loop().create_connection
    _, protocol = await made(lambda: Talk(script), "127.0.0.1", port, **more)
    await protocol.over


def context(ca: str | None) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=ca) if ca else None


async def load_smtp(port: int, seconds: float, senders: int, pipelined: bool) -> Count:
    count = Count(seconds)
    await asyncio.gather(*(talk(port, smtp_sender(count, n, pipelined)) for n in range(senders)))
    return count


async def load_noop(port: int, seconds: float, clients: int, depth: int, ca: str | None) -> Count:
    count, tls = Count(seconds), context(ca)
    people = (n % PEOPLE for n in range(clients))
    await asyncio.gather(*(talk(port, noop_client(count, n, depth), tls) for n in people))
    return count


async def load_login(port: int, seconds: float, clients: int, ca: str | None) -> Count:
    count, tls = Count(seconds), context(ca)

    async def again(person: int) -> None:
        while count.one():
            await talk(port, login_client(person), tls)

    await asyncio.gather(*(again(n % PEOPLE) for n in range(clients)))
    return count


LOADS = {"smtp": load_smtp, "noop": load_noop, "login": load_login}


def generate(house: House, name: str, **arguments: Any) -> dict[str, float]:
    """Run a load in a process of its own; operations a second, server's CPU an operation."""
    before = house.cpu()
    words = json.dumps({"name": name, **arguments})
    done = subprocess.run(
        [sys.executable, __file__, "--load", words], stdout=subprocess.PIPE, check=True
    )
    result = json.loads(done.stdout)
    cpu = (house.cpu() - before) / result["all"] * 1e6
    return {
        "rate": result["rate"],
        "cpu_us": cpu,
        "load_cpu_us": result["cpu_us"],
        "all": result["all"],
    }


def be_load(words: str) -> None:
    arguments = json.loads(words)
    name, seconds = arguments.pop("name"), arguments["seconds"]
    count = run_loop(LOADS[name](**arguments))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = (used.ru_utime + used.ru_stime) / count.all * 1e6
    print(json.dumps({"rate": count.done / seconds, "all": count.all, "cpu_us": cpu}))


# -------------------------------------------------------------------------- what is measured

Rows = list[tuple[str, str, str]]


def measured_smtp(house: House, seconds: float, result: dict[str, Any]) -> Rows:
    rows, sent = [], 0
    for name, senders, pipelined in (
        ("20 senders, pipelined", SENDERS, True),
        ("20 senders, a round trip a command", SENDERS, False),
        ("1 sender, pipelined", 1, True),
    ):
        port = house.ports["smtp"]
        found = generate(
            house, "smtp", port=port, seconds=seconds, senders=senders, pipelined=pipelined
        )
        result[f"smtp, {name}"] = found
        sent += int(found["all"])
        rows.append((f"SMTP accepted, 4 KB, {name}", f"{found['rate']:,.0f}/s", per(found)))
    there = 0
    for person in range(PEOPLE):
        with house.imap(person) as client:
            there += int(client.select("INBOX", readonly=True)[1][0] or 0)
    assert there == sent, f"{sent} were acknowledged, {there} are there"
    return rows


def measured_imap(house: House, seconds: float, result: dict[str, Any]) -> Rows:
    rows = []
    ca = str(house.directory / "ca.pem")
    first = []
    house.restart()  # nobody is remembered
    for person in range(PEOPLE):
        client = imaplib.IMAP4("127.0.0.1", house.ports["imap"], timeout=PATIENCE)
        begin = time.perf_counter()
        client.login(address(person), PASSWORD)
        first.append((time.perf_counter() - begin) * 1000)
        client.logout()
    result["first login, ms"] = statistics.median(first)
    rows.append(("IMAP first LOGIN, Argon2id 19 MiB", f"{statistics.median(first):.1f} ms", ""))
    for name, kind, more in (
        ("LOGIN, 20 clients", "login", {"clients": 20, "ca": None}),
        ("LOGIN, 20 clients, TLS", "login", {"clients": 20, "ca": ca}),
        ("NOOP, 1 client", "noop", {"clients": 1, "depth": 1, "ca": None}),
        ("NOOP, 20 clients", "noop", {"clients": 20, "depth": 1, "ca": None}),
        ("NOOP, 20 clients, TLS", "noop", {"clients": 20, "depth": 1, "ca": ca}),
        ("NOOP, 20 clients, 20 in a packet", "noop", {"clients": 20, "depth": 20, "ca": None}),
    ):
        port = house.ports["imaps" if more["ca"] else "imap"]
        found = generate(house, kind, port=port, seconds=seconds, **more)
        result[f"imap, {name}"] = found
        rows.append((f"IMAP {name}", f"{found['rate']:,.0f}/s", per(found)))
    return rows


def per(found: dict[str, float]) -> str:
    return f"{found['cpu_us']:,.0f} µs server CPU each (load: {found['load_cpu_us']:,.0f})"


class Wire:
    """A blocking IMAP client that reads without looking."""

    def __init__(self, house: House, person: int, *, tls: bool = False, login: bool = True) -> None:
        sock = socket.create_connection(("127.0.0.1", house.ports["imaps" if tls else "imap"]))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
        self.sock = house.tls.wrap_socket(sock, server_hostname="localhost") if tls else sock
        self.rest(b"* OK")
        if login:
            self.ask(f'LOGIN {address(person)} "{PASSWORD}"')

    def rest(self, start: bytes) -> bytes:
        """Up to a last line that begins so; all that came."""
        pieces, tail = [], b""
        while True:
            data = self.sock.recv(1 << 20)
            assert data, tail
            pieces.append(data)
            tail = (tail + data)[-1000:]
            last = tail.rstrip(b"\r\n").rpartition(b"\n")[2]
            if tail.endswith(b"\r\n") and last.startswith(start):
                return b"".join(pieces)

    def ask(self, command: str, start: bytes = b"t OK") -> bytes:
        self.sock.sendall(f"t {command}\r\n".encode())
        return self.rest(start)


def measured_fetch(house: House, _seconds: float, result: dict[str, Any]) -> Rows:
    with house.imap(0) as client:
        client.create("Many")
    wire = Wire(house, 0)
    before, begin = house.cpu(), time.perf_counter()
    for number in range(MESSAGES):
        text = message(number)
        wire.sock.sendall(b"t APPEND Many {%d+}\r\n%s\r\n" % (len(text), text))
        if number % 50 == 49:
            seen = 0
            while seen < 50:
                seen += wire.sock.recv(65536).count(b"t OK")
    took, cpu = time.perf_counter() - begin, house.cpu() - before
    result["append"] = {"rate": MESSAGES / took, "cpu_us": cpu / MESSAGES * 1e6}
    rows = [("IMAP APPEND, 4 KB, 1 client, 50 in flight", f"{MESSAGES / took:,.0f}/s",
             f"{cpu / MESSAGES * 1e6:,.0f} µs server CPU each")]  # fmt: skip
    house.restart()
    for name, command, lines in (
        ("SELECT", "SELECT Many", 0),
        ("FETCH 1:* FLAGS", "FETCH 1:* FLAGS", MESSAGES),
        ("FETCH 1:* ENVELOPE", "FETCH 1:* ENVELOPE", MESSAGES),
        ("FETCH 1:* BODY.PEEK[]", "FETCH 1:* BODY.PEEK[]", MESSAGES),
    ):
        wire = Wire(house, 0)
        if lines:
            wire.ask("SELECT Many")
        times, size = [], 0
        cpu = house.cpu()
        for _ in range(8):
            begin = time.perf_counter()
            answer = wire.ask(command)
            times.append((time.perf_counter() - begin) * 1000)
            size = len(answer)
            if lines:
                assert answer.count(b"FETCH (") >= lines
        cpu = (house.cpu() - cpu) / 8 * 1000
        found = {"first_ms": times[0], "median_ms": statistics.median(times[1:]), "octets": size,
                 "cpu_ms": cpu}  # fmt: skip
        result[name.lower() + " of 10,000"] = found
        rows.append((f"IMAP {name} of 10,000", f"{found['median_ms']:.1f} ms",
                     f"first time {found['first_ms']:.1f}; {size:,} octets; "
                     f"{cpu:.0f} ms server CPU"))  # fmt: skip
    return rows


def measured_memory(house: House, _seconds: float, result: dict[str, Any]) -> Rows:
    house.restart()
    result["idle octets"] = house.memory()
    rows = [("resident, just started", f"{house.memory() / 1e6:.1f} MB", "")]
    for name, tls, login in (
        ("greeted, plain", False, False),
        ("greeted, TLS", True, False),
        ("in IDLE on an INBOX, plain", False, True),
        ("in IDLE on an INBOX, TLS", True, True),
    ):
        house.restart()

        def one(number: int, *, tls: bool = tls, login: bool = login) -> Wire:
            wire = Wire(house, number % PEOPLE, tls=tls, login=login)
            if login:
                wire.ask("SELECT INBOX")
                wire.ask("IDLE", b"+ ")
            return wire

        held = [one(number) for number in range(2 * PEOPLE)]
        before = house.memory()
        held += [one(number) for number in range(IDLE)]
        grown = (house.memory() - before) / IDLE
        result[f"octets a connection, {name}"] = grown
        rows.append((f"a connection {name}", f"{grown / 1000:.1f} KB", f"{IDLE} of them"))
        for wire in held:
            wire.sock.close()
    return rows


PARTS: dict[str, Callable[[House, float, dict[str, Any]], Rows]] = {
    "smtp": measured_smtp,
    "imap": measured_imap,
    "fetch": measured_fetch,
    "memory": measured_memory,
}


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parent,
    )  # fmt: skip
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "cpu": model[1].strip() if model else platform.machine(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load before": os.getloadavg()[0],
        "commit": commit.stdout.strip(),
    }


@contextlib.contextmanager
def house_in(directory: Path | None) -> Iterator[House]:
    place = Path(tempfile.mkdtemp(prefix="pillarbox-look-", dir=directory))
    house = House(place)
    try:
        house.prepare()
        house.pillarbox("domain", "add", "example.test")
        for person in range(PEOPLE):
            house.pillarbox("account", "add", address(person), "--password-stdin", stdin=PASSWORD)
        house.start()
        yield house
    finally:
        house.stop()
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each load")
    parser.add_argument("--dir", type=Path, help="where the data goes; else the temporary place")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--load", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        be_load(options.load)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    where, result = machine(), {}
    print(", ".join(f"{name} {value}" for name, value in where.items()), flush=True)
    with house_in(options.dir) as house:
        for part in options.only:
            for what, figure, note in PARTS[part](house, options.seconds, result):
                print(f"{what:<52} {figure:>12}  {note}", flush=True)
    where["load after"] = os.getloadavg()[0]
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "measured": result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
