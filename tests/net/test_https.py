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
    fetcher = Fetcher(resolver, ClientTls(ca=demo_ca.pem), listener.addresses[0].port, timeout=5)
    try:
        assert await fetcher.policy("x.test") == expected
        assert asked[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.x.test")
        assert await fetcher.policy("y.test") is None  # not in the certificate
        assert await fetcher.policy("z.test") is None
        assert len(asked) == 1
    finally:
        await listener.close(grace=0)
