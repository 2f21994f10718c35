"""What a connection costs: microseconds a command, kilobytes an idle connection.

    python bench/net_connections.py [--loop asyncio|uvloop] [--idle 1000] [--seconds 2] [--only …]

The server runs alone in a child process; its CPU time (user and system) is read around each run.
Pin both to one core (``taskset -c 1 python …``): on a virtual machine waking another core costs
several times what the command does. Memory is the growth of the server's resident set from the
first to the last connection of a series.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import ConnectionIds, SystemRng
from pillarbox.net.certs import make_demo_ca
from pillarbox.net.contexts import KeyPair, ServerTls, client_context
from pillarbox.net.driver import Connection
from pillarbox.net.listen import Door, Listener
from pillarbox.net.sockets import bind_tcp

ANSWER = b"A001 OK NOOP completed\r\n"
COMMAND = b"A001 NOOP\r\n"


async def answer(conn: Connection) -> None:
    while data := await conn.read():
        conn.write(ANSWER * data.count(b"\n"))
        del data  # what a local holds is not idle


async def serve(folder: Path) -> None:
    tls = ServerTls([KeyPair(folder / "crt", folder / "key")])
    ids = ConnectionIds(SystemClock(), SystemRng())
    ports = []
    for implicit in (False, True):
        door = Door("bench", answer, tls=tls, implicit=implicit)
        listener = Listener(door, bind_tcp("127.0.0.1", 0), ids=ids)
        await listener.start()
        ports.append(listener.addresses[0].port)
    print(*ports, flush=True)
    await asyncio.Event().wait()


class Server:
    """A child process that serves; what the kernel says of it."""

    def __init__(self, loop: str, folder: Path) -> None:
        ca, certificate, key = make_demo_ca(["localhost"])
        (folder / "crt").write_bytes(certificate)
        (folder / "key").write_bytes(key)
        self.context = client_context(ca=ca)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--loop", loop, "--serve", str(folder)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.plain, self.tls = map(int, self.process.stdout.readline().split())

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Octets resident."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def connect(self, *, tls: bool) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.tls if tls else self.plain))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(sock, server_hostname="localhost") if tls else sock


def exchange(sock: socket.socket, depth: int) -> None:
    sock.sendall(COMMAND * depth)
    left = len(ANSWER) * depth
    while left:
        left -= len(sock.recv(65536))


def commands(server: Server, seconds: float, *, tls: bool, depth: int) -> None:
    with server.connect(tls=tls) as sock:
        for _ in range(200):
            exchange(sock, depth)
        before, start, trips = server.cpu(), time.perf_counter(), 0
        best = float("inf")
        while time.perf_counter() - start < seconds:
            began = time.perf_counter()
            for _ in range(100):
                exchange(sock, depth)
            best = min(best, (time.perf_counter() - began) / 100)
            trips += 100
        cpu = (server.cpu() - before) / trips / depth
    kind = "TLS  " if tls else "plain"
    print(
        f"{kind} ×{depth:<3} {cpu * 1e6:6.2f} µs CPU a command, {best * 1e6:6.1f} µs a round trip"
    )


def idle(server: Server, count: int, *, tls: bool) -> None:
    held = [server.connect(tls=tls) for _ in range(20)]
    for sock in held:
        exchange(sock, 1)
    before = server.memory()
    for _ in range(count):
        held.append(server.connect(tls=tls))
        exchange(held[-1], 1)
    grown = (server.memory() - before) / count
    print(
        f"{'TLS  ' if tls else 'plain'} idle {grown / 1000:6.1f} KB a connection, {count} of them"
    )
    for sock in held:
        sock.close()


def handshakes(server: Server, count: int) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server.context.maximum_version = version
        before = server.cpu()
        for _ in range(count):
            server.connect(tls=True).close()
        print(f"{version.name} handshake {(server.cpu() - before) / count * 1e6:6.0f} µs CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", choices=("idle", "commands", "handshakes"))
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        if options.loop == "uvloop":
            import uvloop

            uvloop.run(serve(options.serve))
        else:
            asyncio.run(serve(options.serve))
        return
    wanted = options.idle + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.loop, Path(folder))
        try:
            print(f"{options.loop}, CPython {sys.version.split()[0]}")
            if options.only in {None, "idle"}:
                for tls in (False, True):
                    idle(server, options.idle, tls=tls)
            if options.only in {None, "commands"}:
                for tls in (False, True):
                    for depth in (1, 20):
                        commands(server, options.seconds, tls=tls, depth=depth)
            if options.only in {None, "handshakes"}:
                handshakes(server, 300)
        finally:
            server.process.kill()
            server.process.wait()


if __name__ == "__main__":
    main()
