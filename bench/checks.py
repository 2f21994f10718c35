"""What checking mail costs: messages with all checks on against off, warm DNS, one core.

A house in a process of its own, pinned to one core, takes signed messages (RSA-2048, SPF, DMARC,
iprev, two lists of addresses) from a client on another core. The DNS is a small server beside it,
asked once and then out of the house's own cache. Figures are messages a second and CPU time a
message of the house's process; the second hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dns.message
import dns.rrset

from pillarbox.app.demo import config_for, make_certificates
from pillarbox.app.house import House
from pillarbox.config.checks import Zone
from pillarbox.policy.dkim import keys
from pillarbox.policy.dkim.canon import BodyHash
from pillarbox.policy.dkim.keys import Algorithm, Key
from pillarbox.policy.dkim.sign import sign

HEAD = (
    "From: Ann <ann@sender.test>\r\nTo: bob@example.test\r\nSubject: number {0}\r\n"
    "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <{0}@sender.test>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
)
TICKS = os.sysconf("SC_CLK_TCK")


class Names(asyncio.DatagramProtocol):
    """A name server of a few records."""

    def __init__(self, key: Key) -> None:
        text = key.record
        whole = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
        self._zone = {
            (key.name, "TXT"): whole,
            ("sender.test", "TXT"): '"v=spf1 include:spf.sender.test -all"',
            ("spf.sender.test", "TXT"): '"v=spf1 ip4:192.0.2.0/24 ip4:127.0.0.1 -all"',
            ("_dmarc.sender.test", "TXT"): '"v=DMARC1; p=reject; rua=mailto:r@sender.test"',
            ("1.0.0.127.in-addr.arpa", "PTR"): "mail.sender.test.",
            ("mail.sender.test", "A"): "127.0.0.1",
            ("mail.sender.test", "TXT"): '"v=spf1 a -all"',
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        known = self._zone.get((question.name.to_text(omit_final_dot=True).lower(), kind))
        if known is not None:
            answer.answer.append(dns.rrset.from_text(question.name, 3600, "IN", kind, known))
        else:
            soa = "a. b. 1 1 1 1 3600"
            answer.set_rcode(dns.rcode.NXDOMAIN)
            answer.authority.append(dns.rrset.from_text(question.name, 3600, "IN", "SOA", soa))
        self._transport.sendto(answer.to_wire(), addr)  # type: ignore[attr-defined]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def serve(directory: Path, checked: bool, resolver: int, ready: Path) -> None:
    """The house, until it is killed."""
    make_certificates(directory)
    base = config_for(directory)
    checks = dataclasses.replace(
        base.checks,
        enabled=checked,
        trusted=(),
        dnsbl=(Zone("bad.test", 4), Zone("good.test", -4)),
    )
    send = dataclasses.replace(base.send, resolvers=(f"127.0.0.1:{resolver}",))
    config = dataclasses.replace(base, checks=checks, send=send)
    async with House(config) as house:
        await house.admin.call("domain.add", {"name": "example.test"})
        account = {"address": "bob@example.test", "password": "correct horse"}
        await house.admin.call("account.add", account)
        ready.write_text(str(house.ports["smtp"]))  # noqa: ASYNC240
        await house.serve()


def messages(key: Key, count: int, size: int) -> list[bytes]:
    body = (b"All work and no play makes Jack a dull boy.\r\n" * (size // 45 + 1))[:size] + b"\r\n"
    hashed = BodyHash()
    hashed.feed(body)
    digest, now, made = hashed.digest(), time.time(), []
    for number in range(count):
        head = HEAD.format(number).encode()
        made.append(sign(head, digest, key, now=now) + head + body + b".\r\n")
    return made


async def send(port: int, some: list[bytes]) -> None:
    """One connection, one message after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def code(wanted: bytes) -> None:
        while True:
            line = await reader.readline()
            if line[3:4] != b"-":
                assert line.startswith(wanted), line
                return

    await code(b"220")
    writer.write(b"EHLO mail.sender.test\r\n")
    await code(b"250")
    for message in some:
        writer.write(b"MAIL FROM:<ann@sender.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        for wanted in (b"250", b"250", b"354"):
            await code(wanted)
        writer.write(message)
        await code(b"250")
    writer.close()


def cpu(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(
    checked: bool, made: list[bytes], key: Key, connections: int
) -> tuple[float, float]:
    """Messages a second, and CPU milliseconds a message."""
    loop, port = asyncio.get_running_loop(), free_port()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Names(key), local_addr=("127.0.0.1", port)
    )
    with tempfile.TemporaryDirectory() as name:
        ready = Path(name) / "ready"
        command = [sys.executable, __file__, "--serve", name, str(int(checked)), str(port)]
        process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
        try:
            while not ready.exists() or not ready.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            door = int(ready.read_text())
            await send(door, made[:20])  # warm
            begin, used = time.perf_counter(), cpu(process.pid)
            rest = made[20:]
            await asyncio.gather(*(send(door, rest[n::connections]) for n in range(connections)))
            took, used = time.perf_counter() - begin, cpu(process.pid) - used
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)
            transport.close()
    return len(rest) / took, used / len(rest) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if given.serve:
        os.sched_setaffinity(0, {cores[0]})
        directory = Path(given.serve[0])
        asyncio.run(
            serve(directory, given.serve[1] == "1", int(given.serve[2]), directory / "ready")
        )
        return
    key = keys.make("sender.test", "k", Algorithm.RSA)
    for size in (2_000, 50_000):
        made = messages(key, given.count + 20, size)
        found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for _ in range(given.rounds):
            for checked in (False, True):
                found[checked].append(asyncio.run(measure(checked, made, key, given.connections)))
        for checked, figures in found.items():
            rate, cost = (statistics.median(column) for column in zip(*figures, strict=True))
            words = "checks on " if checked else "checks off"
            print(f"{size:>6} octets, {words}: {rate:6.0f} messages/s, {cost:.2f} ms CPU each")


if __name__ == "__main__":
    main()
