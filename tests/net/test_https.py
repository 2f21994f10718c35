"""One strict GET."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import ConnectionIds, SystemRng
from pillarbox.net.certs import DemoCa
from pillarbox.net.contexts import ClientTls, KeyPair, ServerTls
from pillarbox.net.driver import Connection
from pillarbox.net.https import Fetcher
from pillarbox.net.listen import Door, Listener
from pillarbox.net.sockets import bind_tcp
from pillarbox.testing.dns import FakeResolver

PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n" + PLAIN + b"Content-Length: 2\r\n\r\nokmore", b"ok"),
        (b"HTTP/1.1 200 OK\r\n" + PLAIN + b"\r\nok", b"ok"),
        (b"HTTP/1.1 200\r\n" + PLAIN + b"\r\nok", b"ok"),
        (
            b"HTTP/1.1 200 OK\r\n" + PLAIN + b"Transfer-Encoding: chunked\r\n\r\n"
            b"1;x=y\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            b"ok",
        ),
        (b"HTTP/1.1 200 OK\r\n" + PLAIN + b"Content-Length: 5\r\n\r\nok", None),
        (b"HTTP/1.1 200 OK\r\n" + PLAIN + b"Transfer-Encoding: chunked\r\n\r\n5\r\nok", None),
        (b"HTTP/1.1 200 OK\r\n" + PLAIN + b"Content-Length: 99999999\r\n\r\nok", None),
        (b"HTTP/1.1 200 OK\r\n" + PLAIN + b"\r\n" + b"x" * 300_000, None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nok", None),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n" + PLAIN + b"\r\nok", None),
        (b"HTTP/1.1 404 No\r\n" + PLAIN + b"\r\nok", None),
        (b"nonsense", None),
        (b"x" * 200_000, None),
    ],
)
async def test_answers(
    tmp_path: Path, demo_ca: DemoCa, answer: bytes, expected: bytes | None
) -> None:
    certificate, key = demo_ca.issue(["mta-sts.x.test"])
    (tmp_path / "c").write_bytes(certificate)
    (tmp_path / "k").write_bytes(key)
    asked: list[bytes] = []

    async def handle(conn: Connection) -> None:
        asked.append(await conn.read())
        conn.write(answer)

    door = Door("https", handle, ServerTls([KeyPair(tmp_path / "c", tmp_path / "k")]), True)
    sockets = bind_tcp("127.0.0.1", 0)
    listener = Listener(door, sockets, ids=ConnectionIds(SystemClock(), SystemRng()))
    await listener.start()
    resolver = FakeResolver(
        {("mta-sts.x.test", "A"): ["127.0.0.1"], ("mta-sts.y.test", "A"): ["127.0.0.1"]}
    )
    port = listener.addresses[0].port
    fetcher = Fetcher(resolver, ClientTls(ca=demo_ca.pem), port, timeout=5, private=True)
    try:
        assert await fetcher.policy("x.test") == expected
        assert asked[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.x.test")
        assert await fetcher.policy("y.test") is None  # not in the certificate
        assert await fetcher.policy("z.test") is None
        careful = Fetcher(resolver, ClientTls(ca=demo_ca.pem), port, timeout=5)
        assert await careful.policy("x.test") is None  # not an address of the whole internet
        assert len(asked) == 1
    finally:
        await listener.close(grace=0)


@pytest.mark.parametrize(
    ("url", "answer", "taken"),
    [
        ("https://r.x.test/v1?a=b", b"HTTP/1.1 201 Created\r\n\r\n", True),
        ("https://r.x.test", b"HTTP/1.1 200 OK\r\n\r\n", True),
        ("https://r.x.test/", b"HTTP/1.1 301 Moved\r\n\r\n", False),
        ("https://r.x.test/", b"HTTP/1.1 500 No\r\n\r\n", False),
        ("https://r.x.test/", b"nonsense", False),
        ("http://r.x.test/", b"", False),
        ("https://a@r.x.test/", b"", False),
        ("https://r.x.test/ x", b"", False),
        ("https://r.x.test:99999/", b"", False),
        ("https://missing.x.test/", b"", False),
    ],
)
async def test_posts(tmp_path: Path, demo_ca: DemoCa, url: str, answer: bytes, taken: bool) -> None:
    certificate, key = demo_ca.issue(["r.x.test"])
    (tmp_path / "c").write_bytes(certificate)
    (tmp_path / "k").write_bytes(key)
    asked: list[bytes] = []

    async def handle(conn: Connection) -> None:
        data = b""
        while not data.endswith(b"body"):
            data += await conn.read()
        asked.append(data)
        conn.write(answer)

    door = Door("https", handle, ServerTls([KeyPair(tmp_path / "c", tmp_path / "k")]), True)
    listener = Listener(
        door, bind_tcp("127.0.0.1", 0), ids=ConnectionIds(SystemClock(), SystemRng())
    )
    await listener.start()
    resolver = FakeResolver({("r.x.test", "A"): ["127.0.0.1"]})
    port = listener.addresses[0].port
    fetcher = Fetcher(resolver, ClientTls(ca=demo_ca.pem), port, timeout=5, private=True)
    try:
        assert await fetcher.post(url, b"body", "text/x") is taken
        assert bool(asked) is bool(answer)
        if asked:
            path = url.partition("r.x.test")[2] or "/"
            assert asked[0].startswith(f"POST {path} HTTP/1.1\r\nHost: r.x.test\r\n".encode())
            assert b"\r\nContent-Type: text/x\r\nContent-Length: 4\r\n" in asked[0]
        # to the whole internet only: a stranger's URL is no way into our own network
        asked.clear()
        careful = Fetcher(resolver, ClientTls(ca=demo_ca.pem), port, timeout=5)
        assert not await careful.post("https://r.x.test/", b"body", "text/x")
        assert asked == []
    finally:
        await listener.close(grace=0)
