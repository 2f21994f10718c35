"""TLS over real sockets: implicit and by STARTTLS, injection, reload, ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pillarbox.net import certs
from pillarbox.net.certs import DemoCa
from pillarbox.net.contexts import KeyPair, ServerTls, client_context
from pillarbox.net.dial import dial
from pillarbox.net.driver import Connection
from pillarbox.net.faults import NetFault, TlsFailed
from pillarbox.net.options import ConnectionOptions
from pillarbox.net.tls import TlsInfo

Until = Callable[[Callable[[], bool]], Awaitable[None]]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def trusting(demo_ca: DemoCa) -> ssl.SSLContext:
    return client_context(ca=demo_ca.pem)


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


class StartTls:
    """A tiny server: a line that is STARTTLS upgrades, any other is echoed in brackets."""

    def __init__(self) -> None:
        self.injected: list[int] = []
        self.infos: list[TlsInfo | None] = []
        self.lines: list[bytes] = []
        self.faults: list[NetFault] = []

    async def __call__(self, conn: Connection) -> None:
        buffered = b""
        while True:
            data = await conn.read()
            if not data:
                break
            buffered += data
            while b"\r\n" in buffered:
                line, buffered = buffered.split(b"\r\n", 1)
                self.lines.append(line)
                if line == b"STARTTLS":
                    conn.write(b"220 go\r\n")
                    buffered = b""  # the engine's part
                    try:
                        self.injected.append(await conn.start_tls())
                    except TlsFailed as fault:
                        self.faults.append(fault)
                        raise
                    self.infos.append(conn.tls)
                    assert not conn.can_start_tls
                else:
                    conn.write(b"[" + line + b"]\r\n")


@pytest.mark.parametrize("version", VERSIONS)
async def test_starttls(
    serve: Any, server_tls: ServerTls, demo_ca: DemoCa, version: ssl.TLSVersion
) -> None:
    server = StartTls()
    port = await serve(server, tls=server_tls)
    context = client_context(ca=demo_ca.pem)
    context.minimum_version = context.maximum_version = version
    client = await dial("127.0.0.1", port)
    client.write(b"EHLO a\r\n")
    assert await client.read() == b"[EHLO a]\r\n"
    client.write(b"STARTTLS\r\n")
    assert await client.read() == b"220 go\r\n"
    assert await client.start_tls(context, server_hostname="mx.example") == 0
    client.write(b"EHLO b\r\n")
    assert await client.read() == b"[EHLO b]\r\n"
    assert client.tls is not None
    assert client.tls.version == version.name.replace("_", ".")
    client.close()
    assert await client.read() == b""
    (info,) = server.infos
    assert info is not None
    assert info.sni == "mx.example"
    assert info.channel_bindings == client.tls.channel_bindings
    assert server.injected == [0]
    assert server.lines == [b"EHLO a", b"STARTTLS", b"EHLO b"]


@pytest.mark.parametrize("together", [True, False])
async def test_plaintext_behind_starttls_is_dropped(
    serve: Any, server_tls: ServerTls, trusting: ssl.SSLContext, together: bool, until: Until
) -> None:
    """RFC 3207 §4.2; whether in the same packet or the next one, no command survives."""
    server = StartTls()
    started = asyncio.Event()
    wait = asyncio.Event()

    async def handler(conn: Connection) -> None:
        assert await conn.read() == (
            b"STARTTLS\r\nMAIL FROM:<evil>\r\n" if together else b"STARTTLS\r\n"
        )
        started.set()
        await wait.wait()  # a second packet arrives before the go-ahead
        conn.write(b"220 go\r\n")
        server.injected.append(await conn.start_tls())
        await server(conn)

    port = await serve(handler, tls=server_tls)
    client = await dial("127.0.0.1", port)
    client.write(b"STARTTLS\r\n")
    if together:
        client.write(b"MAIL FROM:<evil>\r\n")
    client.flush()
    await started.wait()
    if not together:
        client.write(b"MAIL FROM:<evil>\r\n")
        client.flush()
        await asyncio.sleep(0.02)
    wait.set()
    assert await client.read() == b"220 go\r\n"
    await client.start_tls(trusting, server_hostname="mx.example")
    client.write(b"NOOP\r\n")
    assert await client.read() == b"[NOOP]\r\n"
    client.close()
    assert server.lines == [b"NOOP"]
    assert server.injected == [0 if together else len(b"MAIL FROM:<evil>\r\n")]


async def test_plaintext_after_the_go_ahead_fails_the_handshake(
    serve: Any, server_tls: ServerTls, until: Until
) -> None:
    server = StartTls()
    port = await serve(server, tls=server_tls)
    client = await dial("127.0.0.1", port)
    client.write(b"STARTTLS\r\n")
    assert await client.read() == b"220 go\r\n"
    client.write(b"MAIL FROM:<evil>\r\n")
    client.flush()
    await until(lambda: bool(server.faults))
    client.close()
    assert server.lines == [b"STARTTLS"]


async def test_a_server_cannot_inject_either(
    serve: Any, server_tls: ServerTls, trusting: ssl.SSLContext
) -> None:
    heard, forged = asyncio.Event(), asyncio.Event()

    async def handler(conn: Connection) -> None:
        await conn.read()
        conn.write(b"220 go\r\n")
        conn.flush()
        await heard.wait()
        conn.write(b"250 forged\r\n")
        conn.flush()
        forged.set()
        await conn.start_tls()
        conn.write(b"250 true\r\n")
        await conn.read()

    port = await serve(handler, tls=server_tls)
    client = await dial("127.0.0.1", port)
    client.write(b"STARTTLS\r\n")
    assert await client.read() == b"220 go\r\n"
    heard.set()
    await forged.wait()
    for _ in range(5):  # turns of the loop, in which it arrives
        await asyncio.sleep(0)
    assert await client.start_tls(trusting, server_hostname="mx.example") == len(b"250 forged\r\n")
    assert await client.read() == b"250 true\r\n"
    client.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_implicit_tls_carries_large_answers(
    serve: Any, server_tls: ServerTls, demo_ca: DemoCa, version: ssl.TLSVersion
) -> None:
    async def handler(conn: Connection) -> None:
        await conn.read()
        for _ in range(40):
            conn.write(b"z" * 50_000)
            await conn.drain()

    port = await serve(handler, tls=server_tls, implicit=True)
    context = client_context(ca=demo_ca.pem)
    context.minimum_version = context.maximum_version = version
    client = await dial("127.0.0.1", port, tls=context, server_hostname="mx.example")
    client.write(b"FETCH\r\n")
    assert len(await read_until(client, 2_000_000)) == 2_000_000
    client.write(b"bye\r\n")
    assert await client.read() == b""  # close_notify came
    client.close()


async def test_a_standard_client_gets_close_notify(
    serve: Any, server_tls: ServerTls, trusting: ssl.SSLContext
) -> None:
    """Python's own blocking TLS: a missing close_notify would raise at the end."""

    async def handler(conn: Connection) -> None:
        conn.write(await conn.read())

    port = await serve(handler, tls=server_tls, implicit=True)

    def talk() -> tuple[bytes, bytes]:
        raw = socket.create_connection(("127.0.0.1", port))
        with trusting.wrap_socket(
            raw, server_hostname="mx.example", suppress_ragged_eofs=False
        ) as sock:
            sock.sendall(b"hello")
            return sock.recv(100), sock.recv(100)

    assert await asyncio.to_thread(talk) == (b"hello", b"")


class Recorded:
    """A transport whose writes are counted."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def records(data: bytes) -> int:
    """How many TLS records that is (RFC 8446 §5.1)."""
    count = 0
    while data:
        data = data[5 + int.from_bytes(data[3:5], "big") :]
        count += 1
    return count


async def test_what_belongs_together_leaves_together(
    serve: Any, server_tls: ServerTls, trusting: ssl.SSLContext
) -> None:
    """The session ticket with the first words, the end of TLS with the last: each packet wakes
    the peer."""
    seen: list[Recorded] = []

    async def handler(conn: Connection) -> None:
        seen.append(Recorded(conn._transport))
        conn._transport = seen[0]  # type: ignore[assignment]
        conn.write(b"hello")
        conn.write(await conn.read())

    port = await serve(handler, tls=server_tls, implicit=True)

    def talk() -> bytes:
        raw = socket.create_connection(("127.0.0.1", port))
        with trusting.wrap_socket(raw, server_hostname="mx.example") as sock:
            words = sock.recv(100)
            sock.sendall(b" and bye")
            while more := sock.recv(100):
                words += more
            return words

    assert await asyncio.to_thread(talk) == b"hello and bye"
    assert [records(data) for data in seen[0].writes] == [2, 2]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_server_that_says_nothing_first_ends_the_handshake(
    serve: Any, server_tls: ServerTls, demo_ca: DemoCa, version: ssl.TLSVersion
) -> None:
    """Up to TLS 1.2 the last word of the handshake is the server's."""
    port = await serve(echo, tls=server_tls, implicit=True)
    context = client_context(ca=demo_ca.pem)
    context.maximum_version = version

    def talk() -> bytes:
        raw = socket.create_connection(("127.0.0.1", port))
        with context.wrap_socket(raw, server_hostname="mx.example") as sock:
            sock.sendall(b"hello")
            return sock.recv(100)

    assert await asyncio.to_thread(talk) == b"hello"


async def test_first_words_with_the_finished_message(
    serve: Any, server_tls: ServerTls, trusting: ssl.SSLContext
) -> None:
    """A client may send its first command in the packet that ends the handshake."""
    port = await serve(echo, tls=server_tls, implicit=True)
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    obj = trusting.wrap_bio(incoming, outgoing, server_hostname="mx.example")
    while True:
        try:
            obj.do_handshake()
            break
        except ssl.SSLWantReadError:
            await loop.sock_sendall(sock, outgoing.read())
            incoming.write(await loop.sock_recv(sock, 65536))
    obj.write(b"early words")
    await loop.sock_sendall(sock, outgoing.read())  # Finished and data together
    while True:
        try:
            assert obj.read() == b"early words"
            break
        except ssl.SSLWantReadError:
            incoming.write(await loop.sock_recv(sock, 65536))
    sock.close()


async def test_handshake_timeout(serve: Any, server_tls: ServerTls, until: Until) -> None:
    conns: list[Connection] = []
    port = await serve(
        echo, tls=server_tls, implicit=True, options=ConnectionOptions(handshake_timeout=0.02)
    )
    with socket.create_connection(("127.0.0.1", port)) as sock:
        await until(lambda: serve.listeners[0].connections == 1)
        conns += serve.listeners[0]._tasks
        sock.setblocking(False)
        for byte in b"\x16\x03\x01\x00\xff\x01":  # dripping bytes does not buy time
            with contextlib.suppress(ConnectionError):
                sock.send(bytes([byte]))
            await asyncio.sleep(0.01)
        await until(lambda: conns[0]._lost)
    assert "too long" in str(conns[0].fault)


async def test_peer_leaves_during_the_handshake(
    serve: Any, server_tls: ServerTls, until: Until
) -> None:
    port = await serve(echo, tls=server_tls, implicit=True)
    for greeting in (b"", b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(greeting)
    await until(lambda: serve.listeners[0].connections == 0)


async def test_reload_changes_new_connections_only(
    serve: Any, demo_ca: DemoCa, tmp_path: Path, trusting: ssl.SSLContext
) -> None:
    pair = KeyPair(tmp_path / "c.pem", tmp_path / "k.pem")

    def renew() -> bytes:
        certificate, key = demo_ca.issue(["mx.example"])
        pair.certificate.write_bytes(certificate)
        pair.key.write_bytes(key)
        return certs.leaf(certificate)

    first = renew()
    tls = ServerTls([pair])
    port = await serve(echo, tls=tls, implicit=True)
    old = await dial("127.0.0.1", port, tls=trusting, server_hostname="mx.example")
    second = renew()
    tls.reload()
    new = await dial("127.0.0.1", port, tls=trusting, server_hostname="mx.example")
    for client, certificate in ((old, first), (new, second)):
        assert client.tls is not None
        assert client.tls.peer_certificate == certificate
        client.write(b"alive")
        assert await client.read() == b"alive"
        client.close()


async def test_slow_reader_over_tls(serve: Any, server_tls: ServerTls, until: Until) -> None:
    """Ciphertext counts for back-pressure too."""
    batches = 0
    held: list[int] = []

    async def handler(conn: Connection) -> None:
        nonlocal batches
        for _ in range(200):
            conn.write(b"y" * 50_000)
            await conn.drain()
            batches += 1
            held.append(conn._transport.get_write_buffer_size())

    port = await serve(handler, tls=server_tls, implicit=True)
    got = threading.Event()
    go = threading.Event()
    total = 0

    def slow() -> None:
        nonlocal total
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        raw.connect(("127.0.0.1", port))
        with client_context(verify=False).wrap_socket(raw) as sock:
            got.set()
            go.wait(10)
            while data := sock.recv(65536):
                total += len(data)

    task = asyncio.ensure_future(asyncio.to_thread(slow))
    await until(lambda: got.is_set() and batches > 0)
    await asyncio.sleep(0.05)
    assert batches < 200
    go.set()
    await task
    assert total == 10_000_000
    assert max(held) <= 65536 + 51_000


async def test_misuse(serve: Any, server_tls: ServerTls, trusting: ssl.SSLContext) -> None:
    async def handler(conn: Connection) -> None:
        assert not conn.can_start_tls
        with pytest.raises(RuntimeError):
            await conn.start_tls()
        await conn.read()

    port = await serve(handler)
    client = await dial("127.0.0.1", port)
    client.close()
    assert await client.read() == b""
    port = await serve(echo, tls=server_tls, implicit=True)
    client = await dial("127.0.0.1", port, tls=trusting, server_hostname="mx.example")
    with pytest.raises(RuntimeError):
        await client.start_tls(trusting)
    client.close()


async def test_an_untrusted_server_is_refused(
    serve: Any, server_tls: ServerTls, trusting: ssl.SSLContext, until: Until
) -> None:
    port = await serve(echo, tls=server_tls, implicit=True)
    with pytest.raises(TlsFailed, match="certificate"):
        await dial("127.0.0.1", port, tls=trusting, server_hostname="other.example")
    await until(lambda: serve.listeners[0].connections == 0)
