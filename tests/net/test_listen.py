"""Listeners: limits, refusals, crashes, draining, IPv6 and unix sockets."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.base.errors import Misuse
from pillarbox.base.ids import ConnectionIds, SystemRng
from pillarbox.base.limits import ConnectionLimits
from pillarbox.base.log import configure
from pillarbox.net import listen
from pillarbox.net.contexts import ServerTls, client_context
from pillarbox.net.dial import dial, dial_unix
from pillarbox.net.driver import Connection
from pillarbox.net.faults import DialFailed
from pillarbox.net.listen import Door, Listener
from pillarbox.net.options import ConnectionOptions
from pillarbox.net.sockets import bind_tcp, bind_unix

Until = Callable[[Callable[[], bool]], Awaitable[None]]

BUSY = b"421 4.3.2 too many connections\r\n"


def new_ids() -> ConnectionIds:
    return ConnectionIds(SystemClock(), SystemRng())


async def echo(conn: Connection) -> None:
    while data := await conn.read():
        conn.write(data)


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    stream = io.StringIO()
    handler = configure(stream)
    yield stream.getvalue
    logging.getLogger().removeHandler(handler)
    logging.getLogger("pillarbox").setLevel(logging.NOTSET)


async def test_too_many_are_told_politely(serve: Any, until: Until) -> None:
    limits = ConnectionLimits(3, 2)
    port = await serve(echo, limits=limits, too_busy=BUSY)
    first = await dial("127.0.0.1", port)
    second = await dial("127.0.0.1", port)
    third = await dial("127.0.0.1", port)  # over the address's limit
    assert await third.read() == BUSY
    assert await third.read() == b""
    third.close()
    other = await dial("127.0.0.1", port, source="127.0.0.2")
    other.write(b"in")
    assert await other.read() == b"in"
    total = await dial("127.0.0.1", port, source="127.0.0.3")  # over the total
    assert await total.read() == BUSY
    total.close()
    first.close()
    assert await first.read() == b""
    await until(lambda: limits.open == 2)
    again = await dial("127.0.0.1", port)
    again.write(b"room again")
    assert await again.read() == b"room again"
    for client in (second, other, again):
        client.close()
    await until(lambda: limits.open == 0)


async def test_a_flood_is_refused_without_politeness(
    serve: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "MAX_POLITE", 3)
    options = ConnectionOptions(linger=60)
    port = await serve(echo, limits=ConnectionLimits(1), too_busy=BUSY, options=options)
    listener = serve.listeners[0]
    clients = [await dial("127.0.0.1", port) for _ in range(10)]  # nobody closes
    said = []
    for client in clients[1:]:
        said.append(await client.read())
    assert sorted(said) == [b""] * 6 + [BUSY] * 3
    assert len(listener._refused) == 3
    for client in clients:
        client.abort()
    await until(lambda: not listener._refused)


async def test_implicit_tls_is_refused_without_a_handshake(
    serve: Any, server_tls: ServerTls
) -> None:
    limits = ConnectionLimits(1)
    limits.acquire("198.51.100.1")
    port = await serve(echo, tls=server_tls, implicit=True, limits=limits, too_busy=BUSY)
    client = await dial("127.0.0.1", port)
    assert await client.read() == b""
    client.close()


async def test_limits_are_shared_between_doors(serve: Any) -> None:
    limits = ConnectionLimits(0, 1)
    one = await serve(echo, limits=limits, too_busy=BUSY)
    two = await serve(echo, limits=limits, too_busy=BUSY)
    first = await dial("127.0.0.1", one)
    second = await dial("127.0.0.1", two)
    assert await second.read() == BUSY
    first.close()
    second.close()


async def test_a_crash_ends_one_connection_and_is_logged(
    serve: Any, log: Callable[[], str], until: Until
) -> None:
    async def handler(conn: Connection) -> None:
        data = await conn.read()
        raise ValueError("bad\n" + data.decode())

    port = await serve(handler, limits=ConnectionLimits(10))
    client = await dial("127.0.0.1", port)
    client.write(b"input")
    assert await client.read() == b""
    client.close()
    other = await dial("127.0.0.1", port)
    other.close()
    (line,) = [line for line in log().splitlines() if "net.crashed" in line]
    assert 'error="ValueError: bad\\ninput"' in line
    assert "door=test" in line
    assert "ip=127.0.0.1" in line


async def test_faults_of_peers_are_one_line(serve: Any, log: Callable[[], str]) -> None:
    async def handler(conn: Connection) -> None:
        await conn.read()

    port = await serve(handler, options=ConnectionOptions(timeout=0.01))
    client = await dial("127.0.0.1", port)
    assert await client.read() == b""
    client.close()
    lines = [line for line in log().splitlines() if "net.fault" in line]
    assert len(lines) == 1
    assert "traceback" not in lines[0]
    assert "nothing from the peer" in lines[0]


async def test_draining_lets_handlers_finish(serve: Any, until: Until) -> None:
    async def handler(conn: Connection) -> None:
        while True:
            data = await conn.read_or(conn.draining)
            if data is None:
                conn.write(b"421 shutting down\r\n")
                return
            if not data:
                return
            await asyncio.sleep(0.05)  # a transaction under way
            conn.write(b"250 kept\r\n")

    port = await serve(handler)
    listener = serve.listeners[0]
    idle = await dial("127.0.0.1", port)
    busy = await dial("127.0.0.1", port)
    busy.write(b"DATA")
    busy.flush()
    await until(lambda: listener.connections == 2)
    await asyncio.sleep(0.01)
    closing = asyncio.ensure_future(listener.close(grace=5))
    assert await idle.read() == b"421 shutting down\r\n"
    busy_said = b""
    while more := await busy.read():
        busy_said += more
    assert busy_said == b"250 kept\r\n421 shutting down\r\n"
    await closing
    with pytest.raises(DialFailed):
        await dial("127.0.0.1", port)
    idle.close()
    busy.close()


async def test_the_deadline_cuts_what_is_left(serve: Any, until: Until) -> None:
    log: list[str] = []

    async def waiting(conn: Connection) -> None:
        log.append("read ended" if await conn.read() == b"" else "data")

    async def stubborn(conn: Connection) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    listen_second = listen._LAST_SECOND
    listen._LAST_SECOND = 0.05  # type: ignore[misc]
    try:
        clients = []
        for handler in (waiting, stubborn):
            port = await serve(handler)
            clients.append(await dial("127.0.0.1", port))
            await until(lambda: serve.listeners[-1].connections == 1)
            await serve.listeners[-1].close(grace=0.01)
            assert serve.listeners[-1].connections == 0
    finally:
        listen._LAST_SECOND = listen_second  # type: ignore[misc]
    assert log == ["read ended", "cancelled"]
    for client in clients:
        assert await client.read() == b""
        client.close()


async def test_close_twice_and_unstarted(tidy: None) -> None:
    unstarted = Listener(Door("test", echo), bind_tcp("127.0.0.1", 0), ids=new_ids())
    await unstarted.close()
    await unstarted.close()
    started = Listener(Door("test", echo), bind_tcp("127.0.0.1", 0), ids=new_ids())
    await started.start()
    await asyncio.gather(started.close(), started.close())


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::1", 0))
        return True
    return False


async def test_both_families_on_one_port(tidy: None) -> None:
    from support.needs import could_not_run

    if not has_ipv6():
        could_not_run("no IPv6 loopback")
    seen: list[str] = []

    async def handler(conn: Connection) -> None:
        seen.append(conn.peer.ip)

    sockets = bind_tcp("localhost", 0)
    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    listener = Listener(Door("test", handler), sockets, ids=new_ids())
    await listener.start()
    for address in listener.addresses:
        client = await dial(*address)
        assert await client.read() == b""
        client.close()
    await listener.close()
    assert seen == ["127.0.0.1", "::1"]


async def test_unix_socket(tidy: None, tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    path.touch()
    with pytest.raises(Misuse, match="not a socket"):
        bind_unix(path)
    path.unlink()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    sock = bind_unix(path, mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Misuse, match="another server"):
        bind_unix(path)
    listener = Listener(Door("lmtp", echo), [sock], ids=new_ids())
    await listener.start()
    client = await dial_unix(str(path))
    assert client.peer == ("", 0)
    client.write(b"LHLO x\r\n")
    assert await client.read() == b"LHLO x\r\n"
    client.close()
    assert await client.read() == b""
    await listener.close()
    with pytest.raises(DialFailed):
        await dial_unix(str(tmp_path / "none.sock"))


async def test_many_connections_come_and_go(
    serve: Any, server_tls: ServerTls, until: Until
) -> None:
    limits = ConnectionLimits()
    port = await serve(echo, tls=server_tls, implicit=True, limits=limits)
    context = client_context(verify=False)

    async def visit(number: int) -> None:
        client = await dial("127.0.0.1", port, tls=context, server_hostname="mx.example")
        client.write(b"%d" % number)
        assert await client.read() == b"%d" % number
        client.close()
        assert await client.read() == b""

    await asyncio.gather(*[visit(number) for number in range(50)])
    await until(lambda: limits.open == 0)


def test_bind_says_what_is_wrong() -> None:
    with pytest.raises(Misuse, match="not an IP address"):
        bind_tcp("mx.example", 0)
    (sock,) = bind_tcp("127.0.0.1", 0)
    with pytest.raises(Misuse, match="in use"):
        bind_tcp("127.0.0.1", sock.getsockname()[1])
    sock.close()
    with pytest.raises(Misuse, match=r"192\.0\.2\.1"):
        bind_tcp("192.0.2.1", 0)


def test_all_addresses() -> None:
    sockets = bind_tcp("*", 0)
    try:
        families = [sock.family for sock in sockets]
        assert families[0] == socket.AF_INET
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        for sock in sockets[1:]:
            assert sock.family == socket.AF_INET6
            assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    finally:
        for sock in sockets:
            sock.close()


def test_implicit_tls_needs_a_certificate() -> None:
    with pytest.raises(Misuse, match="certificate"):
        Door("imaps", echo, implicit=True)


async def test_short_answers_leave_at_once(serve: Any) -> None:
    """Both ends, on both loops: no answer waits for an acknowledgement of the one before."""
    seen: list[int] = []

    def note(conn: Connection) -> None:
        sock = conn._transport.get_extra_info("socket")
        seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def handler(conn: Connection) -> None:
        note(conn)
        await conn.read()

    port = await serve(handler)
    out = await dial("127.0.0.1", port)
    note(out)
    out.close()
    await out.gone(5)
    assert seen == [1, 1]
