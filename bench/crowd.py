"""Many connections at once, from several processes, so that the load is not what is slow.

A connection is a script: a generator that says octets and how many answers it waits for, and gets
those answers back. One process costs about 10 µs an answer, so a few of them stay ahead of any
server that shares the machine with them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import multiprocessing
import re
import resource
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from load import LONGEST, PATIENCE, client, run, trusting
from rivals import DOMAIN, PASSWORD, Ports

Script = Generator[tuple[bytes, int], bytes, None]
SMTP = re.compile(rb"^\d{3} ", re.MULTILINE)
IMAP = re.compile(rb"^(?:t |\* OK |\+ )", re.MULTILINE)
_WAYS = multiprocessing.get_context("fork")  # what was prepared is there, without being sent


@dataclass(frozen=True)
class Visit:
    """One connection after the other, each by a fresh script."""

    port: int
    answers: re.Pattern[bytes]
    """What begins the last line of an answer."""
    scripts: Sequence[Callable[[], Script]]
    ca: str = ""
    """Of a server that speaks TLS from the first octet."""


class _Talk(asyncio.Protocol):
    def __init__(self, script: Script, answers: re.Pattern[bytes]) -> None:
        self._script = script
        self._answers = answers.findall
        self._buffer = b""
        self._waits = next(script)[1]  # for the greeting
        self._transport: Any = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not data.endswith(b"\n") or len(self._answers(self._buffer)) < self._waits:
            return
        answer, self._buffer = self._buffer, b""
        try:
            say, self._waits = self._script.send(answer)
            self._transport.write(say)
        except StopIteration:
            self._end(None)
            self._transport.close()
        except Exception as error:
            self._end(error)
            self._transport.abort()

    def connection_lost(self, problem: Exception | None) -> None:
        self._end(problem or ConnectionError("hung up"))

    def _end(self, problem: Exception | None) -> None:
        if self.over.done():
            return
        if problem is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(problem)


async def _visit(visit: Visit) -> None:
    more: dict[str, Any] = {}
    if visit.ca:
        more = {"ssl": trusting(visit.ca), "server_hostname": "localhost"}
    loop = asyncio.get_running_loop()
    for make in visit.scripts:
        _, talk = await loop.create_connection(
            lambda make=make: _Talk(make(), visit.answers),  # type: ignore[misc]
            "127.0.0.1",
            visit.port,
            **more,
        )
        async with asyncio.timeout(LONGEST):
            await talk.over


def _process(visits: Sequence[Visit], gate: Any, told: Any) -> None:
    async def work() -> None:
        await asyncio.gather(*map(_visit, visits))

    gate.wait(PATIENCE)
    problem = ""
    try:
        run(work())
    except BaseException as error:
        problem = repr(error)
    used = resource.getrusage(resource.RUSAGE_SELF)
    told.put((time.monotonic(), used.ru_utime + used.ru_stime, problem))


@dataclass(frozen=True)
class Took:
    """Seconds until the last connection had ended, and CPU seconds of the load itself."""

    seconds: float
    load: float


def crowd(visits: Sequence[Visit], processes: int = 2) -> Took:
    """Make all visits at once. Raises RuntimeError with what any of them found wrong."""
    processes = min(processes, len(visits))
    gate, told = _WAYS.Barrier(processes + 1), _WAYS.Queue()
    workers = [
        _WAYS.Process(target=_process, args=(visits[n::processes], gate, told), daemon=True)
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    gate.wait(PATIENCE)
    began = time.monotonic()
    found = [told.get(timeout=LONGEST + PATIENCE) for _ in workers]
    for worker in workers:
        worker.join()
    problems = [problem for _, _, problem in found if problem]
    if problems:
        raise RuntimeError("; ".join(problems))
    return Took(max(end for end, _, _ in found) - began, sum(load for _, load, _ in found))


# ---------------------------------------------------------------------------- what is said


def _expect(answer: bytes, *starts: bytes) -> None:
    if not all(start in answer for start in starts):
        raise RuntimeError(f"{answer[-200:]!r} instead of {starts}")


def smtp(messages: Sequence[bytes], users: Sequence[str], login: str = "") -> Script:
    """All messages to all of these users; the commands of an envelope in one packet."""
    _expect((yield b"", 1), b"220 ")
    _expect((yield b"EHLO load.test\r\n", 1), b"PIPELINING")
    sender = b"s@a.test"
    if login:
        sender = f"{login}@{DOMAIN}".encode()
        word = base64.b64encode(b"\0%b\0%b" % (sender, PASSWORD.encode()))
        _expect((yield b"AUTH PLAIN %b\r\n" % word, 1), b"235 ")
    rcpt = b"".join([f"RCPT TO:<{user}@{DOMAIN}>\r\n".encode() for user in users])
    envelope = b"MAIL FROM:<%b>\r\n%bDATA\r\n" % (sender, rcpt)
    for one in messages:
        _expect((yield envelope, 2 + len(users)), b"354 ")
        _expect((yield one + b".\r\n", 1), b"250 ")
    _expect((yield b"QUIT\r\n", 1), b"221 ")


def _login(user: str) -> bytes:
    return f"t LOGIN {user}@{DOMAIN} {PASSWORD}\r\n".encode()


def noop(user: str, times: int) -> Script:
    """NOOP, one after the other."""
    _expect((yield b"", 1), b"* OK")
    _expect((yield _login(user), 1), b"t OK")
    for _ in range(times):
        _expect((yield b"t NOOP\r\n", 1), b"t OK")
    yield b"t LOGOUT\r\n", 1


def in_and_out(user: str) -> Script:
    """LOGIN and LOGOUT."""
    _expect((yield b"", 1), b"* OK")
    _expect((yield _login(user), 1), b"t OK")
    _expect((yield b"t LOGOUT\r\n", 1), b"t OK")


def append(user: str, messages: Sequence[bytes]) -> Script:
    """APPEND, one after the other."""
    _expect((yield b"", 1), b"* OK")
    _expect((yield _login(user), 1), b"t OK")
    for one in messages:
        _expect((yield b"t APPEND INBOX {%d+}\r\n%b\r\n" % (len(one), one), 1), b"t OK")
    yield b"t LOGOUT\r\n", 1


# ---------------------------------------------------------------------------- workloads


def deliveries(
    port: int,
    messages: Sequence[bytes],
    connections: int,
    users: Sequence[str],
    *,
    login: str = "",
    ca: str = "",
) -> Took:
    """All messages, over so many connections, each to all of ``users``."""
    shares = [messages[n::connections] for n in range(connections)]
    return crowd(
        [
            Visit(port, SMTP, [lambda share=share: smtp(share, users, login)], ca)  # type: ignore[misc]
            for share in shares
            if share
        ]
    )


def deliver(
    ports: Ports,
    messages: Sequence[bytes],
    connections: int,
    users: Sequence[str],
    *,
    login: str = "",
) -> tuple[float, float]:
    """Seconds until all are accepted, and until IMAP shows them all to the first of the users.
    With ``login`` by submission, over TLS."""
    with client(ports, users[0]) as imap:
        before = imap.count("INBOX")
        port, ca = (ports.smtps, ports.ca) if login else (ports.smtp, "")
        accepted = deliveries(port, messages, connections, users, login=login, ca=ca).seconds
        began = time.perf_counter()
        while (seen := imap.count("INBOX") - before) < len(messages):
            if time.perf_counter() - began > LONGEST:
                raise TimeoutError(f"only {seen} of {len(messages)} messages are visible")
            time.sleep(0.01)
        return accepted, accepted + time.perf_counter() - began


def deliver_apart(ports: Ports, messages: Sequence[bytes], users: Sequence[str]) -> float:
    """Seconds until IMAP shows all to all, each connection delivering to a user of its own."""
    shares = [messages[n :: len(users)] for n in range(len(users))]
    with contextlib.ExitStack() as stack:
        ears = [stack.enter_context(client(ports, user)) for user in users]
        wanted = [one.count("INBOX") + len(share) for one, share in zip(ears, shares, strict=True)]
        visits = [
            Visit(ports.smtp, SMTP, [lambda share=share, user=user: smtp(share, [user])])  # type: ignore[misc]
            for share, user in zip(shares, users, strict=True)
            if share
        ]
        accepted = crowd(visits).seconds
        began = time.perf_counter()
        while any(one.count("INBOX") < count for one, count in zip(ears, wanted, strict=True)):
            if time.perf_counter() - began > LONGEST:
                raise TimeoutError("not all messages are visible")
            time.sleep(0.01)
        return accepted + time.perf_counter() - began


def round_trips(ports: Ports, connections: int, each: int) -> float:
    """NOOPs a second over so many connections."""
    visits = [
        Visit(ports.imap, IMAP, [lambda n=n: noop(f"user{n % 20}", each)])  # type: ignore[misc]
        for n in range(connections)
    ]
    return connections * each / crowd(visits).seconds


def logins(ports: Ports, count: int, *, tls: bool) -> float:
    """LOGIN and LOGOUT a second, ten clients that come again and again."""
    port, ca = (ports.imaps, ports.ca) if tls else (ports.imap, "")
    each = max(1, count // 10)
    visits = [
        Visit(port, IMAP, [lambda n=n: in_and_out(f"user{n}")] * each, ca)  # type: ignore[misc]
        for n in range(10)
    ]
    return 10 * each / crowd(visits).seconds


def append_all(ports: Ports, user: str, messages: Sequence[bytes], connections: int) -> float:
    """Seconds for APPEND of all, over so many connections."""
    shares = [messages[n::connections] for n in range(connections)]
    return crowd(
        [
            Visit(ports.imap, IMAP, [lambda share=share: append(user, share)])  # type: ignore[misc]
            for share in shares
        ]
    ).seconds


def room_for(connections: int) -> None:
    """Let this process have so many connections open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + 1000
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
