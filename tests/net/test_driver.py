"""Connections over real sockets, on both event loops: order, back-pressure, ends, time-outs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.base.signal import Signal
from pillarbox.net.dial import dial
from pillarbox.net.driver import Connection
from pillarbox.net.faults import DialFailed, IdleTimeout, PeerGone, SlowPeer
from pillarbox.net.options import RECEIVE, ConnectionOptions, Peer, peer_of

Until = Callable[[Callable[[], bool]], Awaitable[None]]
Serve = Any


async def echo(conn: Connection) -> None:
    while data := await conn.read():
        conn.write(data)


async def read_until(conn: Connection, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await conn.read()
        assert more, "the connection ended early"
        data += more
    return data


def blocking_client(port: int, receive_buffer: int = 0) -> socket.socket:
    """A client without an event loop, for what a Connection would not do."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(("127.0.0.1", port))
    return sock


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


async def test_echo(serve: Serve) -> None:
    seen: list[tuple[Peer, Peer, str]] = []

    async def handler(conn: Connection) -> None:
        seen.append((conn.peer, conn.local, conn.id))
        await echo(conn)

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    for line in (b"NOOP\r\n", b"x" * 300_000):
        client.write(line)
        assert await read_until(client, len(line)) == line
    client.close()
    assert await client.read() == b""
    assert seen == [(client.local, client.peer, seen[0][2])]
    assert client.peer == ("127.0.0.1", port)
    assert len(seen[0][2]) == 11


async def test_pipelined_answers_leave_together(serve: Serve) -> None:
    async def handler(conn: Connection) -> None:
        data = await conn.read()
        for _ in range(data.count(b"\n")):
            conn.write(b"250 ok\r\n")
        assert await conn.read() == b""

    port = await serve(handler)
    with blocking_client(port) as sock:
        sock.sendall(b"NOOP\r\n" * 20)
        await asyncio.sleep(0.05)
        assert sock.recv(65536) == b"250 ok\r\n" * 20


async def test_a_byte_at_a_time(serve: Serve) -> None:
    port = await serve(echo)
    client = await dial("127.0.0.1", port)
    message = b"a byte at a time\r\n"
    for at in range(len(message)):
        client.write(message[at : at + 1])
        client.flush()
        await asyncio.sleep(0)
    assert await read_until(client, len(message)) == message
    client.close()


async def test_half_close_still_gets_the_answer(serve: Serve) -> None:
    async def handler(conn: Connection) -> None:
        got = b""
        while data := await conn.read():
            got += data
        assert await conn.read() == b""  # the end stays the end
        conn.write(b"you said " + got)

    port = await serve(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"QUIT\r\n")
    writer.write_eof()
    assert await reader.read() == b"you said QUIT\r\n"
    writer.close()
    await writer.wait_closed()


async def test_last_words_survive_unread_input(serve: Serve) -> None:
    """Without lingering, closing with unread bytes resets and can lose the answer."""

    async def handler(conn: Connection) -> None:
        await conn.read()
        conn.write(b"421 enough\r\n")

    port = await serve(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HELO\r\n")
    await asyncio.sleep(0.01)
    writer.write(b"x" * 100_000)
    assert await reader.read() == b"421 enough\r\n"
    writer.close()
    await writer.wait_closed()


async def test_a_peer_that_does_not_close_is_cut_off(serve: Serve, until: Until) -> None:
    conns: list[Connection] = []

    async def handler(conn: Connection) -> None:
        conns.append(conn)
        conn.write(b"bye\r\n")

    port = await serve(handler, options=ConnectionOptions(linger=0.02))
    with blocking_client(port) as sock:
        await until(lambda: bool(conns) and conns[0]._lost)
        assert sock.recv(100) == b"bye\r\n"


@pytest.mark.parametrize("size", [30_000, 4_000_000])
async def test_a_long_answer_survives_the_close(serve: Serve, until: Until, size: int) -> None:
    """The linger time is for the peer's end, not for what it is still fetching."""
    conns: list[Connection] = []

    async def handler(conn: Connection) -> None:
        conns.append(conn)
        conn.write(b"m" * size)

    port = await serve(handler, options=ConnectionOptions(linger=0.01))
    with blocking_client(port, receive_buffer=8192) as sock:
        await until(lambda: bool(conns) and conns[0]._closing)
        await asyncio.sleep(0.05)
        assert conns[0]._lost == (size < 100_000)
        sock.settimeout(10)
        assert len(await asyncio.to_thread(read_all, sock)) == size


async def test_idle_timeout(serve: Serve) -> None:
    said: list[str] = []

    async def handler(conn: Connection) -> None:
        conn.timeout = 60
        assert await conn.read() == b"hello"
        conn.timeout = 0.02  # shorter than the timer that stands
        with pytest.raises(IdleTimeout) as caught:
            await conn.read()
        assert isinstance(caught.value, Temporary)
        assert isinstance(caught.value, TimeoutError)
        said.append(str(caught.value))
        conn.write(b"421 idle\r\n")

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    client.write(b"hello")
    assert await client.read() == b"421 idle\r\n"
    assert await client.read() == b""
    client.close()
    assert said == ["nothing from the peer for 0.02 s"]


async def test_timeout_is_of_silence_not_of_the_session(serve: Serve) -> None:
    port = await serve(echo, options=ConnectionOptions(timeout=0.2))
    client = await dial("127.0.0.1", port)
    client.timeout = None
    for _ in range(10):
        client.write(b"x")
        assert await client.read() == b"x"
        await asyncio.sleep(0.04)
    assert await client.read() == b""
    client.close()


async def test_reading_pauses_while_the_handler_does_not_read(serve: Serve, until: Until) -> None:
    """A peer that sends without end fills the bound and the kernel, not our memory."""
    conns: list[Connection] = []
    go = asyncio.Event()
    total = 0

    async def handler(conn: Connection) -> None:
        nonlocal total
        conns.append(conn)
        await go.wait()
        while data := await conn.read():
            assert len(data) <= 65536 + RECEIVE
            total += len(data)

    port = await serve(handler)
    sent = 0
    with blocking_client(port) as sock:
        sock.setblocking(False)
        for _ in range(200):
            try:
                while True:
                    sent += sock.send(b"x" * 65536)
            except BlockingIOError:
                await asyncio.sleep(0.001)
        assert conns[0]._paused
        assert conns[0]._held <= 65536 + RECEIVE
        go.set()
        while sent < 50_000_000:
            try:
                sent += sock.send(b"x" * 65536)
            except BlockingIOError:
                await asyncio.sleep(0.001)
    await until(lambda: total == sent)


async def test_slow_reader_bounds_what_we_hold(serve: Serve, until: Until) -> None:
    """``drain`` waits: a peer that does not take its answer stops it, and then gets all of it."""
    held: list[int] = []
    batches = 0

    async def handler(conn: Connection) -> None:
        nonlocal batches
        await conn.read()
        for _ in range(300):
            conn.write(b"y" * 50_000)
            await conn.drain()
            batches += 1
            held.append(conn._transport.get_write_buffer_size())

    port = await serve(handler)
    with blocking_client(port, receive_buffer=8192) as sock:
        sock.sendall(b"FETCH\r\n")
        await until(lambda: batches > 0)
        await asyncio.sleep(0.05)
        stopped_at = batches
        assert stopped_at < 300
        sock.setblocking(False)
        got = 0
        while got < 15_000_000:
            try:
                got += len(sock.recv(1 << 20))
            except BlockingIOError:
                await asyncio.sleep(0)
        assert max(held) <= 65536 + 50_000
    assert got == 15_000_000


async def test_a_peer_that_takes_nothing_is_cut_off(serve: Serve, until: Until) -> None:
    conns: list[Connection] = []

    async def handler(conn: Connection) -> None:
        await conn.read()
        conns.append(conn)
        for _ in range(1000):
            conn.write(b"y" * 50_000)
            await conn.drain()

    port = await serve(handler, options=ConnectionOptions(write_timeout=0.05))
    with blocking_client(port, receive_buffer=8192) as sock:
        sock.sendall(b"FETCH\r\n")
        await until(lambda: bool(conns) and conns[0]._lost)
        assert isinstance(conns[0].fault, SlowPeer)
        with pytest.raises(ConnectionResetError):
            read_all(sock)


async def test_commands_wait_for_a_peer_that_takes_no_answers(serve: Serve, until: Until) -> None:
    """Sending commands and never reading must not make us hold the answers to all of them."""
    conns: list[Connection] = []
    answered = 0

    async def handler(conn: Connection) -> None:
        nonlocal answered
        conns.append(conn)
        while data := await conn.read():
            answered += len(data)
            conn.write(data * 10)

    port = await serve(handler, options=ConnectionOptions(write_timeout=0.2))
    with blocking_client(port, receive_buffer=8192) as sock:
        sock.setblocking(False)
        while not conns or not conns[0]._lost:
            try:
                sock.send(b"z" * 4096)
            except BlockingIOError:
                await asyncio.sleep(0.001)
            except ConnectionError:
                break
        await until(lambda: conns[0]._lost)
    assert isinstance(conns[0].fault, SlowPeer)
    assert answered < 20_000_000


async def test_losing_the_connection(serve: Serve, until: Until) -> None:
    """``read`` gives the end, ``drain`` raises, ``write`` never does."""
    outcome: list[object] = []

    async def handler(conn: Connection) -> None:
        await conn.read()
        await until(lambda: conn._lost)
        conn.write(b"nobody hears")
        outcome.append(await conn.read())
        try:
            await conn.drain()
        except PeerGone as fault:
            outcome.append(fault)
        conn.close()
        conn.abort()

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    client.write(b"hi")
    client.flush()
    await asyncio.sleep(0.02)
    client.abort()
    await until(lambda: len(outcome) == 2)
    assert outcome[0] == b""
    assert isinstance(outcome[1], PeerGone)


async def test_drain_gives_others_a_turn(serve: Serve) -> None:
    """A long answer to a fast reader must not hold the loop."""
    turns = 0

    async def ticker() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def handler(conn: Connection) -> None:
        task = asyncio.ensure_future(ticker())
        for _ in range(50):
            conn.write(b"small")
            await conn.drain()
        task.cancel()

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    assert await read_until(client, 250) == b"small" * 50
    client.close()
    assert turns >= 50


@pytest.mark.parametrize("kind", ["signal", "event", "future"])
async def test_read_or_wakes_or_reads(serve: Serve, kind: str) -> None:
    loop = asyncio.get_running_loop()
    wake: Any = {"signal": Signal, "event": asyncio.Event, "future": loop.create_future}[kind]()
    log: list[bytes | None] = []

    async def handler(conn: Connection) -> None:
        log.append(await conn.read_or(wake))
        conn.write(b"1")
        log.append(await conn.read_or(wake, conn.draining))
        conn.write(b"2")
        log.append(await conn.read_or(wake))  # still up: at once
        log.append(await conn.read())

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    client.write(b"bytes first")
    assert await client.read() == b"1"
    if kind == "future":
        wake.set_result(None)
    else:
        wake.set()
    assert await client.read() == b"2"
    client.write(b"end")
    assert await client.read() == b""
    client.close()
    assert log == [b"bytes first", None, None, b"end"]
    if kind == "signal":
        assert wake._watchers is None


async def test_read_or_loses_no_bytes(serve: Serve) -> None:
    """Wake-ups and bytes race; every byte arrives, in order."""
    wake = Signal()
    got = b""
    wakes = 0

    async def handler(conn: Connection) -> None:
        nonlocal got, wakes
        while True:
            data = await conn.read_or(wake)
            if data is None:
                wakes += 1
                wake.clear()
            elif data:
                got += data
            else:
                return

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    sent = b""
    for number in range(500):
        piece = b"%d," % number
        sent += piece
        client.write(piece)
        client.flush()
        wake.set()
        await asyncio.sleep(0.001 if number % 50 == 0 else 0)
    client.close()
    assert await client.read() == b""
    await serve.listeners[0].close(1.0)
    assert got == sent
    assert wakes > 5


async def test_read_or_times_out_and_sees_the_end(serve: Serve, until: Until) -> None:
    log: list[object] = []

    async def handler(conn: Connection) -> None:
        conn.timeout = 0.02
        try:
            await conn.read_or(conn.draining, asyncio.Event())
        except IdleTimeout:
            log.append("idle")
        conn.timeout = 10
        log.append(await conn.read_or(conn.draining))

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    await until(lambda: bool(log))
    client.close()
    await until(lambda: len(log) == 2)
    assert log == ["idle", b""]


async def test_a_cancelled_read_leaves_the_connection_usable(serve: Serve) -> None:
    port = await serve(echo)
    client = await dial("127.0.0.1", port)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await client.read()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await client.read_or(client.draining)
    client.write(b"still")
    assert await client.read() == b"still"
    client.close()


async def test_one_task_at_a_time(serve: Serve) -> None:
    port = await serve(echo)
    client = await dial("127.0.0.1", port)
    first = asyncio.ensure_future(client.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await client.read()
    client.write(b"x")
    client.flush()
    assert await first == b"x"
    client.close()


async def test_nagle_is_off(serve: Serve) -> None:
    options: list[int] = []

    async def handler(conn: Connection) -> None:
        sock = conn._transport.get_extra_info("socket")
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    assert await client.read() == b""
    client.close()
    assert options
    assert options[0]


async def test_dial_fails_as_temporary(tidy: None) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # bound, not listening
        with pytest.raises(DialFailed, match=r"127\.0\.0\.1") as caught:
            await dial("127.0.0.1", sock.getsockname()[1])
        assert isinstance(caught.value, Temporary)


async def test_dial_takes_no_longer_than_asked(serve: Serve, server_tls: Any) -> None:
    from pillarbox.net.contexts import client_context

    async def silent(conn: Connection) -> None:
        await conn.read()
        await conn.read()

    port = await serve(silent)
    with pytest.raises(DialFailed, match="no answer"):
        await dial("127.0.0.1", port, timeout=0.05, tls=client_context(verify=False))


async def test_dial_from_a_source_address(serve: Serve) -> None:
    peers: list[str] = []

    async def handler(conn: Connection) -> None:
        peers.append(conn.peer.ip)

    port = await serve(handler)
    client = await dial("127.0.0.1", port, source="127.0.0.2")
    assert await client.read() == b""
    client.close()
    assert peers == ["127.0.0.2"]


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("192.0.2.1", 25), Peer("192.0.2.1", 25)),
        (("2001:db8::1", 25, 0, 0), Peer("2001:db8::1", 25)),
        (("::ffff:192.0.2.1", 25, 0, 0), Peer("192.0.2.1", 25)),
        ("/run/lmtp", Peer("", 0)),
        ("", Peer("", 0)),
        (None, Peer("", 0)),
    ],
)
def test_peer_of(name: object, peer: Peer) -> None:
    assert peer_of(name) == peer


async def test_read_or_hears_a_brief_wake(serve: Serve) -> None:
    """A signal that is down again when the task runs still counts; draining is not asked here."""
    wake = Signal()
    log: list[bytes | None] = []
    waits = asyncio.Event()

    async def handler(conn: Connection) -> None:
        waits.set()
        log.append(await conn.read_or(wake))
        log.append(await conn.read_or(conn.draining, wake))

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    await waits.wait()
    wake.set()
    wake.clear()
    await asyncio.sleep(0.01)
    assert log == [None]
    await serve.listeners[0].close(1.0)
    assert log == [None, None]
    assert await client.read() == b""
    client.close()
    await asyncio.sleep(0.02)
    assert serve.listeners[0].draining._watchers is None


async def test_who_deals_with_octets_at_once_keeps_the_connection_from_idling(serve: Serve) -> None:
    heard: list[bytes] = []
    ended = asyncio.Event()

    async def handler(conn: Connection) -> None:
        def take(data: bytes) -> bool:
            heard.append(data)
            if data == b"left":
                return False
            conn.write(data)
            conn.flush()
            return True

        conn.at_once, conn.timeout = take, 0.3
        assert await conn.read() == b"left"
        with pytest.raises(IdleTimeout):
            await conn.read()
        ended.set()

    port = await serve(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(5):  # longer than the time-out in all
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        await asyncio.sleep(0.1)
    writer.write(b"left")
    async with asyncio.timeout(5):
        await ended.wait()
    assert heard == [b"ping"] * 5 + [b"left"]
    writer.close()


async def test_read_or_hears_a_knock_while_the_peer_makes_room(serve: Serve, until: Until) -> None:
    size = 4_000_000
    conns: list[Connection] = []
    log: list[bytes | None] = []

    async def handler(conn: Connection) -> None:
        conn.write(b"y" * size)
        conn.flush()
        await until(lambda: conn.congested)
        conns.append(conn)
        log.append(await conn.read_or(conn.draining))
        log.append(await conn.read_or(conn.draining))

    port = await serve(handler)
    with blocking_client(port, receive_buffer=8192) as sock:
        await until(lambda: bool(conns))
        conns[0].knock()
        await asyncio.sleep(0.01)
        assert log == []  # first the room
        taken = await asyncio.to_thread(sock.recv, size, socket.MSG_WAITALL)
        assert len(taken) == size
        async with asyncio.timeout(5):
            await until(lambda: bool(log))
        assert log == [None]
        sock.sendall(b"bytes")  # it is heard once
        await until(lambda: len(log) == 2)
    assert log == [None, b"bytes"]
