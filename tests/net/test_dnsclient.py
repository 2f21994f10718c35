"""The resolver against real name servers, and against what never answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.dns.answers import Answer, Kind, Mx, Srv, Status, Tlsa
from pillarbox.net import dnsclient
from pillarbox.net.dnsclient import DnsClient, Options, Server
from support import names
from support.names import Names, Zone

os.environ["PATH"] = names.PATH

LONG = "\n".join(f"long TXT {'x' * 200}{n:03}" for n in range(12))
ZONES = {
    "signed.test": Zone(
        f"""
@ MX 10 mx1
@ MX 20 mx2.plain.test.
mx1 A 192.0.2.1
mx1 AAAA 2001:db8::1
_25._tcp.mx1 TLSA 3 1 1 {"ab" * 32}
alias CNAME mx1
away CNAME host.plain.test.
loop CNAME loop2
loop2 CNAME loop
_submission._tcp SRV 0 5 587 mx1
text TXT "v=spf1 " "-all"
{LONG}
""",
        signed=True,
    ),
    "plain.test": Zone("@ MX 0 .\nhost A 192.0.2.2\nmx2 A 192.0.2.3\ndangling CNAME gone"),
    "bogus.test": Zone("@ MX 10 mx\nmx A 192.0.2.66", signed=True, bogus=True),
}

pytestmark = pytest.mark.needs("nsd", "unbound")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    with names.serve(tmp_path_factory.mktemp("names"), ZONES) as running:
        yield running


def client(port: int, **more: object) -> DnsClient:
    options = Options(servers=(Server("127.0.0.1", port),), **more)  # type: ignore[arg-type]
    return DnsClient(SystemClock(), options)


@pytest.mark.parametrize(
    ("name", "kind", "status", "records", "secure", "at"),
    [
        ("signed.test", Kind.MX, "FOUND", {Mx(10, "mx1.signed.test"), Mx(20, "mx2.plain.test")},
         True, "signed.test"),
        ("MX1.Signed.TEST.", Kind.A, "FOUND", {"192.0.2.1"}, True, "mx1.signed.test"),
        ("mx1.signed.test", Kind.AAAA, "FOUND", {"2001:db8::1"}, True, "mx1.signed.test"),
        ("alias.signed.test", Kind.A, "FOUND", {"192.0.2.1"}, True, "mx1.signed.test"),
        ("alias.signed.test", Kind.CNAME, "FOUND", {"mx1.signed.test"}, True, "alias.signed.test"),
        ("away.signed.test", Kind.A, "FOUND", {"192.0.2.2"}, False, "host.plain.test"),
        ("_25._tcp.mx1.signed.test", Kind.TLSA, "FOUND", {Tlsa(3, 1, 1, b"\xab" * 32)}, True,
         "_25._tcp.mx1.signed.test"),
        ("_submission._tcp.signed.test", Kind.SRV, "FOUND", {Srv(0, 5, 587, "mx1.signed.test")},
         True, "_submission._tcp.signed.test"),
        ("text.signed.test", Kind.TXT, "FOUND", {b"v=spf1 -all"}, True, "text.signed.test"),
        ("mx1.signed.test", Kind.TXT, "NO_DATA", set(), True, "mx1.signed.test"),
        ("nobody.signed.test", Kind.A, "NO_NAME", set(), True, "nobody.signed.test"),
        ("plain.test", Kind.MX, "FOUND", {Mx(0, "")}, False, "plain.test"),
        ("dangling.plain.test", Kind.A, "NO_NAME", set(), False, "gone.plain.test"),
        ("mx.bogus.test", Kind.A, "FAILED", set(), False, ""),
        ("a" * 64 + ".test", Kind.A, "NO_NAME", set(), False, "a" * 64 + ".test"),
        ("bad..name", Kind.A, "NO_NAME", set(), False, "bad..name"),
    ],
)  # fmt: skip
async def test_answers(
    servers: Names,
    name: str,
    kind: Kind,
    status: str,
    records: set[object],
    secure: bool,
    at: str,
) -> None:
    answer = await client(servers.unbound).ask(name, kind)
    assert answer.status is Status[status], answer
    assert set(answer.records) == records
    assert answer.secure is secure
    assert answer.name == at
    if status in {"FOUND", "NO_DATA"}:
        assert 0 < answer.ttl <= 300


async def test_large_answers_come_by_tcp(servers: Names) -> None:
    answer = await client(servers.unbound).ask("long.signed.test", Kind.TXT)
    assert len(answer.octets) == 12


async def test_a_loop_of_aliases_ends(servers: Names) -> None:
    answer = await client(servers.unbound).ask("loop.signed.test", Kind.A)
    assert answer.status is Status.FAILED


async def test_an_authoritative_server_is_not_believed_to_have_validated(servers: Names) -> None:
    answer = await client(servers.nsd).ask("signed.test", Kind.MX)
    assert answer
    assert not answer.secure


async def test_aliases_out_of_the_answer_are_followed(servers: Names) -> None:
    answer = await client(servers.nsd).ask("away.signed.test", Kind.A)
    assert answer.texts == ["192.0.2.2"]


class Mute(asyncio.DatagramProtocol):
    """Counts questions; answers with SERVFAIL, or nothing."""

    def __init__(self, *, answers: bool) -> None:
        self.asked = 0
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.asked += 1
        if self._answers:
            response = dns.message.make_response(dns.message.from_wire(data))
            response.set_rcode(dns.rcode.SERVFAIL)
            self._transport.sendto(response.to_wire(), addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def muted(*, answers: bool) -> AsyncIterator[tuple[Mute, int]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Mute(answers=answers), ("127.0.0.1", 0)
    )
    try:
        yield protocol, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
        await asyncio.sleep(0)


async def test_the_next_server_is_asked_and_failures_are_remembered_for_a_moment(
    servers: Names,
) -> None:
    async with muted(answers=True) as (mute, port):
        options = Options(servers=(Server("127.0.0.1", port), Server("127.0.0.1", servers.unbound)))
        resolver = DnsClient(SystemClock(), options)
        assert await resolver.ask("signed.test", Kind.MX)
        assert mute.asked == 1
        alone = client(port)
        for _ in range(3):
            assert (await alone.ask("signed.test", Kind.MX)).status is Status.FAILED
        assert mute.asked == 3  # two rounds of one question


async def test_silence_ends_with_the_deadline() -> None:
    async with muted(answers=False) as (mute, port):
        resolver = client(port, attempt=60.0, deadline=0.05)
        answer = await resolver.ask("signed.test", Kind.MX)
        assert answer.status is Status.FAILED
        assert mute.asked == 1


async def test_equal_questions_at_one_time_are_one() -> None:
    async with muted(answers=True) as (mute, port):
        resolver = client(port, rounds=1)
        answers = await asyncio.gather(*(resolver.ask("x.test", Kind.A) for _ in range(20)))
        assert {answer.status for answer in answers} == {Status.FAILED}
        assert mute.asked == 1


async def test_the_cache_counts_down_forgets_and_stays_small(servers: Names) -> None:
    class Moved(SystemClock):
        at = 0.0

        def monotonic(self) -> float:
            return self.at

    clock = Moved()
    options = Options(servers=(Server("127.0.0.1", servers.unbound),), cache=2)
    resolver = DnsClient(clock, options)
    fresh = await resolver.ask("signed.test", Kind.MX)
    clock.at = 10.0
    kept = await resolver.ask("signed.test", Kind.MX)
    assert kept.ttl == fresh.ttl - 10
    for name in ("mx1", "nobody", "text"):
        await resolver.ask(f"{name}.signed.test", Kind.A)
    assert len(resolver._cache) == 2
    clock.at = 100_000.0
    again: Answer = await resolver.ask("nobody.signed.test", Kind.A)
    assert again.status is Status.NO_NAME


def test_resolv_conf(tmp_path: object) -> None:
    path = tmp_path / "resolv.conf"  # type: ignore[operator]
    path.write_text("# x\nsearch a.test\nnameserver 192.0.2.1\nnameserver junk\nnameserver ::1\n")
    assert dnsclient.system_servers(path) == (Server("192.0.2.1"), Server("::1"))
    assert [one.trusted for one in dnsclient.system_servers(path)] == [False, True]
    assert dnsclient.system_servers(path.with_name("none")) == ()
    assert dnsclient.servers(["127.0.0.1:5353", "[::1]:54", "::1"]) == (
        Server("127.0.0.1", 5353),
        Server("::1", 54),
        Server("::1"),
    )
