"""The route table without sockets."""

from __future__ import annotations

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.serve.http.site import Site
from pillarbox.serve.http.values import Answer, Page, Request

URL = "https://mail.example.test"


async def hello(request: Request) -> Answer:
    return Answer(200, f"hello {request.words.get('who', 'you')}".encode())


async def busy(request: Request) -> Answer:
    raise Temporary("the disk is full")


async def broken(request: Request) -> Answer:
    raise RuntimeError("secret words")


SITE = Site(
    [
        Page("/", {"GET": hello}),
        Page("/hello/{who}", {"GET": hello, "POST": hello}),
        Page("/busy", {"GET": busy}),
        Page("/broken", {"POST": broken}),
    ],
    URL,
)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/", 200, b"hello you"),
        ("HEAD", "/", 200, b"hello you"),
        ("GET", "/hello/ann", 200, b"hello ann"),
        ("POST", "/hello/ann/", 200, b"hello ann"),
        ("GET", "/hello", 404, b"There is nothing here.\n"),
        ("GET", "/hello/ann/x", 404, b"There is nothing here.\n"),
        ("PUT", "/hello/ann", 405, b""),
        ("GET", "/busy", 503, b"That is not possible right now; try again later.\n"),
        ("POST", "/broken", 500, b"Something is wrong here.\n"),
    ],
)
async def test_pages(method: str, path: str, status: int, body: bytes) -> None:
    answer = await SITE.answer(Request(method, "mail.example.test", path))
    assert (answer.status, answer.body) == (status, body)
    headers = dict(answer.headers)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["strict-transport-security"]
    assert headers.get("allow", "") == ("GET, HEAD, POST" if status == 405 else "")


@pytest.mark.parametrize(
    ("method", "path", "query", "status", "location"),
    [
        ("GET", "/hello/ann", "a=b", 308, f"{URL}/hello/ann?a=b"),
        ("HEAD", "/", "", 308, f"{URL}/"),
        ("GET", "/hello/a\r\nx: y", "", 308, f"{URL}/"),
        ("GET", "//evil.test/x", "", 404, ""),
        ("POST", "/hello/ann", "", 403, ""),
    ],
)
async def test_without_tls_there_is_only_the_way_to_https(
    method: str, path: str, query: str, status: int, location: str
) -> None:
    answer = await SITE.answer(Request(method, "x", path, query, secure=False))
    headers = dict(answer.headers)
    assert (answer.status, headers.get("location", "")) == (status, location)
    assert "strict-transport-security" not in headers


async def test_without_a_place_to_lead_to_plain_requests_are_refused() -> None:
    plain = Site([Page("/", {"GET": hello})], "")
    assert (await plain.answer(Request("GET", "x", "/", secure=False))).status == 403
