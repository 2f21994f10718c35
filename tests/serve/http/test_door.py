"""The door over real sockets: what clients of other hands do, and what bad ones do."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import ConnectionIds, SystemRng
from pillarbox.net.certs import DemoCa
from pillarbox.net.contexts import KeyPair, ServerTls
from pillarbox.net.listen import Door, Listener
from pillarbox.net.sockets import bind_tcp
from pillarbox.serve.http.door import Options, http_door
from pillarbox.serve.http.site import Site
from pillarbox.serve.http.values import Answer, Page, Request


async def echo(request: Request) -> Answer:
    said = f"{request.method} {request.host} {request.path} {request.asked()} {len(request.body)}"
    return Answer(200, said.encode())


SITE = Site([Page("/echo/{x}", {"GET": echo, "POST": echo})], "https://mail.example.test")
GET = b"GET /echo/x HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def opened(
    tls: ServerTls | None = None, grace: float = 1.0, **options: Any
) -> AsyncIterator[tuple[int, Listener]]:
    bounds = replace(Options(proxied=True), **options)
    clock = SystemClock()
    door = Door("http", http_door(SITE, bounds, clock), tls, tls is not None)
    listener = Listener(door, bind_tcp("127.0.0.1", 0), ids=ConnectionIds(clock, SystemRng()))
    await listener.start()
    try:
        yield listener.addresses[0].port, listener
    finally:
        await listener.close(grace)


async def said(port: int, *pieces: bytes, wait: bool = False) -> bytes:
    """What comes back until the server hangs up; we end our side first, unless we ``wait``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if not wait:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_a_client_of_the_standard_library(tmp_path: Path) -> None:
    certificate, key = DemoCa().issue(["localhost"])
    (tmp_path / "c.pem").write_bytes(certificate)
    (tmp_path / "k.pem").write_bytes(key)
    tls = ServerTls([KeyPair(tmp_path / "c.pem", tmp_path / "k.pem")])

    def talk(port: int) -> list[tuple[int, bytes, str | None]]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
        out = []
        for method, path, body in [
            ("GET", "/echo/%C3%A9?a=1&a=2", None),
            ("POST", "/echo/x", b"x" * 1000),
            ("HEAD", "/echo/x", None),
            ("GET", "/nothing", None),
        ]:
            client.request(method, path, body)
            answer = client.getresponse()
            hsts = answer.getheader("strict-transport-security")
            out.append((answer.status, answer.read(), hsts))
        client.close()
        return out

    async with opened(tls) as (port, _):
        found = await asyncio.to_thread(talk, port)
    assert [one[0] for one in found] == [200, 200, 200, 404]
    assert found[0][1] == "GET localhost /echo/é {'a': '1'} 0".encode()
    assert found[1][1].endswith(b" 1000")
    assert found[2][1] == b""
    assert all(one[2] for one in found)


async def test_requests_in_one_packet_are_answered_in_order() -> None:
    one = b"GET /echo/%d HTTP/1.1\r\nHost: X.test:80\r\n\r\n"
    async with opened() as (port, _):
        out = await said(port, b"".join(one % n for n in range(5)))
    places = [out.index(b"/echo/%d" % n) for n in range(5)]
    assert places == sorted(places)
    assert out.count(b"HTTP/1.1 200") == 5
    assert b"GET x.test /echo/0 {} 0" in out


async def test_a_whole_address_in_the_place_of_a_path() -> None:
    raw = b"GET http://B.test:8080/echo/x?q HTTP/1.1\r\nHost: a\r\n\r\n"
    async with opened() as (port, _):
        assert (await said(port, raw)).endswith(b"GET b.test /echo/x {'q': ''} 0")


async def test_byte_by_byte_and_in_chunks() -> None:
    raw = (
        b"POST /echo/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with opened() as (port, _):
        out = await said(port, *(raw[n : n + 1] for n in range(len(raw))))
    assert out.endswith(b" 5")


async def test_a_client_that_waits_to_be_told_to_go_on() -> None:
    head = b"POST /echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    async with opened() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"abc")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /echo/x HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 20_000, b"431"),
        (b"POST /echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n" + b"x" * 99, b"413"),
        (
            b"POST /echo/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"20\r\n" + b"x" * 32 + b"\r\n20\r\n" + b"x" * 32 + b"\r\n",
            b"413",
        ),
        (b"POST /echo/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 4\r\n\r\nabc", b"400"),
        (b"GET /echo/x HTTP/1.1\r\nHost: x\r\nX\x00: y\r\n\r\n", b"400"),
        (b"GET /echo/\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
)
async def test_what_is_wrong_costs_the_connection(raw: bytes, status: bytes) -> None:
    async with opened(max_body=50) as (port, _):
        out = await said(port, raw, wait=True)
        assert out.startswith(b"HTTP/1.1 " + status)
        assert b"\r\nconnection: close\r\n" in out.lower()
        assert (await said(port, GET)).startswith(b"HTTP/1.1 200")


async def test_a_request_that_never_ends_is_ended() -> None:
    async with opened(timeout=0.2) as (port, _):
        assert (await said(port, GET[:-2], wait=True)).startswith(b"HTTP/1.1 408")
        assert await said(port, wait=True) == b""


async def test_a_connection_has_only_so_many_requests() -> None:
    async with opened(requests=3) as (port, _):
        assert (await said(port, GET * 5, wait=True)).count(b"HTTP/1.1 200") == 3


async def test_a_quiet_connection_ends_with_the_house() -> None:
    async with opened(grace=30.0) as (port, listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(5):
            await listener.close(30.0)
            await reader.read()
        writer.close()
