"""The work that both servers are given, and how it is timed.

Each workload talks plain sockets from this process, prepares what it can before the clock starts
and checks what it gets: a fast wrong answer is an error. All figures are wall-clock seconds of
the whole exchange or operations a second; the generator shares the machine with the server, which
costs both servers the same.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import random
import re
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvloop
from rivals import DOMAIN, PASSWORD, Ports

PATIENCE = 30.0
"""Seconds that one answer may take; a workload of many may take ``LONGEST``."""
LONGEST = 240.0
RARE = "xylographer"
"""A word that is in the body of one message of a corpus and in no other."""
RARITIES = (RARE, "zymurgist", "quixotry")
"""That one, and words that are in none."""

WORDS = [
    "meeting",
    "budget",
    "quarter",
    "invoice",
    "server",
    "deploy",
    "review",
    "monday",
    "garden",
    "letter",
    "answer",
    "project",
    "travel",
    "schedule",
    "window",
    "report",
    "summary",
    "contract",
    "figure",
    "update",
    "question",
    "request",
    "morning",
]


def message(number: int, size: int, chance: random.Random) -> bytes:
    """A realistic message of about ``size`` octets: headers of today, two parts, real words."""
    subject = " ".join(chance.choices(WORDS, k=chance.randint(2, 8)))
    text_size = size - 1400
    lines = []
    while text_size > 0:
        line = " ".join(chance.choices(WORDS, k=10))
        lines.append(line)
        text_size -= len(line) + 2
    half = len(lines) // 2
    plain, html = "\r\n".join(lines[:half]), "\r\n".join(lines[half:])
    refs = f"References: <{number - 1}@bench.test>\r\n" if number % 3 else ""
    when = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(1_600_000_000 + number * 997))
    return (
        f"Received: from a.test (a.test [192.0.2.1]) by b.test with ESMTPS id {number:x};\r\n"
        f"\t{when}\r\n"
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; s=s1; b={'x' * 340}\r\n"
        f"From: {chance.choice(WORDS).title()} Sender <s{number % 97}@a.test>\r\n"
        f"To: User <user0@{DOMAIN}>, Other <other@{DOMAIN}>\r\n"
        f"Subject: {subject}\r\nDate: {when}\r\nMessage-ID: <{number}@bench.test>\r\n{refs}"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        f"{plain}\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        f"<p>{html}</p>\r\n--b1--\r\n"
    ).encode()


def corpus(count: int, size: int, seed: int = 1) -> list[bytes]:
    """The same messages for every server and run."""
    chance = random.Random(seed)
    messages = [message(n, size, chance) for n in range(count)]
    middle = count // 2
    messages[middle] = messages[middle].replace(b"</p>", b" " + RARE.encode() + b"</p>")
    return messages


def mixed(count: int, seed: int = 13) -> list[bytes]:
    """Messages of all sizes, half of them above 8 KB, one of five with a picture in it: what a
    disk has to hold."""
    chance = random.Random(seed)
    out = []
    for number in range(count):
        size = min(200_000, max(2_000, int(chance.lognormvariate(9.0, 0.9))))
        if chance.random() < 0.2:
            picture = base64.encodebytes(chance.randbytes(size // 2)).replace(b"\n", b"\r\n")
            head = b"--b1\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            text = message(number, max(2_000, size // 3), chance)
            out.append(text.replace(b"--b1--\r\n", head + picture + b"--b1--\r\n"))
        else:
            out.append(message(number, size, chance))
    return out


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], seconds: float = LONGEST) -> T:
    """On uvloop, and not for ever: the load is neither to be what is slow nor to hang."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    return uvloop.run(bounded())


async def _line(reader: asyncio.StreamReader) -> bytes:
    """A whole line. Raises ConnectionError where the server has hung up."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError(f"hung up after {line!r}")
    return line


# ---------------------------------------------------------------------------- SMTP


async def _smtp(
    port: int,
    messages: list[bytes],
    user: str,
    told: Callable[[float], object] = lambda at: None,  # noqa: ARG005
) -> float:
    """When the end of the last message was sent; ``told`` hears of it at once."""
    sent = 0.0
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)

    async def answer(code: bytes) -> None:
        while True:
            line = await _line(reader)
            if line[3:4] == b" ":
                break
        if not line.startswith(code):
            raise RuntimeError(line)

    await answer(b"220")
    writer.write(b"EHLO load.test\r\n")
    await answer(b"250")
    for one in messages:
        writer.write(b"MAIL FROM:<s@a.test>\r\nRCPT TO:<%b>\r\nDATA\r\n" % user.encode())
        for code in (b"250", b"250", b"354"):
            await answer(code)
        writer.write(one + b".\r\n")
        sent = time.perf_counter()
        told(sent)
        await answer(b"250")
    writer.write(b"QUIT\r\n")
    await answer(b"221")
    writer.close()
    return sent


# ---------------------------------------------------------------------------- IMAP

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@functools.cache
def trusting(ca: str) -> ssl.SSLContext:
    """One for all connections: making it costs the load more than a handshake."""
    return ssl.create_default_context(cafile=ca)


class Imap:
    """A client of few words: says a line, reads to the tagged answer, wastes no time."""

    def __init__(self, ports: Ports, user: str, *, tls: bool = False) -> None:
        port = ports.imaps if tls else ports.imap
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = trusting(ports.ca).wrap_socket(self.socket, server_hostname="localhost")
        self._until(b"* OK")
        if user:
            self.say(f"LOGIN {user}@{DOMAIN} {PASSWORD}")

    def say(self, command: str) -> bytes:
        """The whole answer. Raises when it is not OK."""
        return self.say_raw(command.encode() + b"\r\n")

    def say_raw(self, octets: bytes) -> bytes:
        self.socket.sendall(b"t " + octets)
        return self._tagged()

    def _tagged(self) -> bytes:
        pieces: list[bytes] = []
        tail = b""
        while True:
            data = self._receive(1 << 20)
            pieces.append(data)
            # The last line may be long (the capabilities after LOGIN), but not this long.
            tail = (tail + data)[-8192:]
            last = tail[tail.rfind(b"\r\n", 0, -2) + 2 :] if b"\r\n" in tail[:-2] else tail
            if tail.endswith(b"\r\n") and last.startswith((b"t OK", b"t NO", b"t BAD")):
                if not last.startswith(b"t OK"):
                    raise RuntimeError(last)
                return b"".join(pieces)

    def _receive(self, limit: int) -> bytes:
        data = self.socket.recv(limit)
        if not data:
            raise ConnectionError("hung up")
        return data

    def _until(self, start: bytes) -> None:
        said = b""
        while start not in said or not said.endswith(b"\r\n"):
            said += self._receive(65536)

    def count(self, mailbox: str) -> int:
        found = re.search(rb"MESSAGES (\d+)", self.say(f"STATUS {mailbox} (MESSAGES)"))
        return int(found[1]) if found else 0

    def close(self) -> None:
        self.socket.close()


@contextmanager
def client(ports: Ports, user: str, *, tls: bool = False) -> Iterator[Imap]:
    one = Imap(ports, user, tls=tls)
    try:
        yield one
    finally:
        one.close()


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def _idler(port: int, user: str, context: ssl.SSLContext | None = None) -> _Streams:
    """A connection that idles in INBOX."""
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    writer.write(f"l LOGIN {user}@{DOMAIN} {PASSWORD}\r\ns SELECT INBOX\r\ni IDLE\r\n".encode())
    while not (line := await _line(reader)).startswith(b"+"):
        if line.startswith((b"l NO", b"s NO", b"i NO", b"i BAD", b"* BYE")):
            raise RuntimeError(line)
    return reader, writer


class _Ear(asyncio.Protocol):
    """An idler that costs the load little: hundreds of them hear of one message at once."""

    def __init__(self, user: str) -> None:
        self._hello = f"l LOGIN {user}@{DOMAIN} {PASSWORD}\r\ns SELECT INBOX\r\ni IDLE\r\n".encode()
        self._buffer = b""
        self.transport: Any = None
        self.heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._sign in self._buffer and data.endswith(b"\n") and not self.heard.done():
            self.heard.set_result(time.perf_counter())

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.heard.done():
            self.heard.set_exception(
                problem or ConnectionError(f"hung up: {self._buffer[-200:]!r}")
            )

    _sign = b"\r\n+ "

    def listen(self) -> asyncio.Future[float]:
        """When the next EXISTS comes."""
        self._buffer, self._sign = b"", b" EXISTS\r\n"
        self.heard = asyncio.get_running_loop().create_future()
        return self.heard


def idle_latency(ports: Ports, idlers: int, rounds: int) -> list[float]:
    """Seconds from the last octet of SMTP data to EXISTS, for each idler and round."""
    chance = random.Random(2)

    async def work() -> list[float]:
        loop = asyncio.get_running_loop()
        ears: list[_Ear] = []
        for _ in range(idlers):
            _, ear = await loop.create_connection(lambda: _Ear("user9"), "127.0.0.1", ports.imap)
            await asyncio.wait_for(ear.heard, PATIENCE)
            ears.append(ear)
        out = []
        for number in range(rounds):
            await asyncio.sleep(0.05)
            all_heard = asyncio.gather(*[ear.listen() for ear in ears])
            mail = [message(number, 4000, chance)]
            sent = await _smtp(ports.smtp, mail, f"user9@{DOMAIN}")
            out += [heard - sent for heard in await asyncio.wait_for(all_heard, PATIENCE)]
        for ear in ears:
            ear.heard = loop.create_future()
            ear.heard.set_result(0.0)
            ear.transport.abort()
        return out

    return run(work(), 120)


def idle_memory(
    ports: Ports, idlers: int, read: Callable[[], int], *, tls: bool, rest: float = 1.0
) -> int:
    """What ``read`` tells of the server when so many connections idled for ``rest`` seconds."""
    context = trusting(ports.ca) if tls else None
    port = ports.imaps if tls else ports.imap

    async def work() -> int:
        gate = asyncio.Semaphore(10)

        async def one(number: int) -> _Streams:
            async with gate:
                return await _idler(port, f"user{number % 20}", context)

        streams = await asyncio.gather(*[one(number) for number in range(idlers)])
        await asyncio.sleep(rest)
        used = read()
        for _, writer in streams:
            writer.transport.abort()
        await asyncio.sleep(1.0)
        return used

    return run(work(), LONGEST)


def resync(ports: Ports, user: str, changed: int) -> float:
    """Seconds for SELECT with QRESYNC by a client that missed so many changed flags (RFC 7162)."""
    with client(ports, user) as one, client(ports, user) as other:
        one.say("ENABLE QRESYNC")
        said = one.say("SELECT INBOX")
        validity = re.search(rb"UIDVALIDITY (\d+)", said)
        modseq = re.search(rb"HIGHESTMODSEQ (\d+)", said)
        assert validity, said
        assert modseq, said
        one.say("UNSELECT")
        other.say("SELECT INBOX")
        other.say(f"STORE 1:{changed} +FLAGS.SILENT (\\Answered)")
        words = f"SELECT INBOX (QRESYNC ({int(validity[1])} {int(modseq[1])}))"
        began = time.perf_counter()
        said = one.say(words)
        taken = time.perf_counter() - began
        assert said.count(b" FETCH (") == changed, said[-300:]
        return taken


def mixed_day(  # noqa: PLR0915  (one scene, told in one place)
    ports: Ports, seconds: float, *, rate: float = 20.0
) -> list[float]:
    """A stretch of everything: ``rate`` deliveries a second to twenty people who each idle twice,
    and ten others who look for news every second. Seconds from the last octet of a message to each
    EXISTS."""
    chance = random.Random(4)
    waits: list[float] = []
    sent: dict[int, float] = {}

    async def idle(number: int) -> None:
        reader, writer = await _idler(ports.imap, f"user{number}")
        try:
            while line := await reader.readline():
                if line.endswith(b"EXISTS\r\n") and number in sent:
                    waits.append(time.perf_counter() - sent[number])
        finally:
            writer.close()

    async def look(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports.imap, limit=1 << 24)

        async def say(words: str) -> None:
            writer.write(f"t {words}\r\n".encode())
            while not (line := await _line(reader)).startswith(b"t "):
                pass
            if not line.startswith(b"t OK"):
                raise RuntimeError(line)

        try:
            await say(f"LOGIN user{number}@{DOMAIN} {PASSWORD}")
            while True:
                await say("SELECT INBOX")
                await say("UID FETCH 1:* (FLAGS)")
                await say("UID SEARCH UNSEEN")
                await asyncio.sleep(1.0)
        finally:
            writer.close()

    async def deliver() -> None:
        until = time.perf_counter() + seconds
        number = 0
        while (now := time.perf_counter()) < until:
            person = number % 20
            mail = [message(number, 4000, chance)]
            sent.pop(person, None)
            note = functools.partial(sent.__setitem__, person)
            await _smtp(ports.smtp, mail, f"user{person}@{DOMAIN}", note)
            number += 1
            await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - now)))

    async def work() -> list[float]:
        others = [asyncio.ensure_future(idle(n % 20)) for n in range(40)]
        others += [asyncio.ensure_future(look(n)) for n in range(20, 30)]
        await asyncio.sleep(1.0)
        await deliver()
        await asyncio.sleep(1.0)
        for task in others:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return waits

    return run(work(), seconds + 60)


# ---------------------------------------------------------------------------- POP3


class Pop3:
    """As ``Imap``, for POP3."""

    def __init__(self, ports: Ports, user: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", ports.pop3), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        for line in (f"USER {user}@{DOMAIN}", f"PASS {PASSWORD}"):
            self.say(line)

    def say(self, line: str) -> bytes:
        self.socket.sendall(line.encode() + b"\r\n")
        answer = self.file.readline()
        if not answer.startswith(b"+OK"):
            raise RuntimeError(answer)
        return answer

    def retrieve(self, number: int) -> int:
        """Octets of a message, dots and all."""
        self.say(f"RETR {number}")
        total, tail = 0, b""
        while not tail.endswith(b"\r\n.\r\n"):
            data = self.file.read1(1 << 18)
            if not data:
                raise ConnectionError("hung up")
            total += len(data)
            tail = tail[-4:] + data[-5:]
        return total

    def close(self) -> None:
        self.socket.close()
