"""Servers that say how much they want (LIMITS, RFC 9422), spoken by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pillarbox.dns.answers import Mx


@dataclass
class Server:
    """Notes the recipients of each transaction, by connection."""

    limits: str
    sessions: list[list[list[str]]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session: list[list[str]] = []
        self.sessions.append(session)
        writer.write(b"220 mx.far.test\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper()
            if word == b"EHLO":
                writer.write(f"250-mx.far.test\r\n250-PIPELINING\r\n250 {self.limits}\r\n".encode())
            elif word == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 2.0.0 taken\r\n")
            else:
                if word == b"MAIL":
                    session.append([])
                elif word == b"RCPT":
                    session[-1].append(line.split(b"<")[1].split(b">")[0].decode())
                writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 2.1.0 fine\r\n")
            if word == b"QUIT":
                break
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def server(world: Any, limits: str) -> AsyncIterator[Server]:
    """In the place of all mail hosts of ``world``."""
    made = Server(limits)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    world.options = replace(world.options, port=port)
    try:
        yield made
    finally:
        await world.close()
        listening.close()
        await listening.wait_closed()


PEOPLE = [f"p{n}@far.test" for n in range(5)]


@pytest.mark.parametrize(
    ("limits", "shape"),
    [
        ("LIMITS", [[5]]),
        ("LIMITS RCPTMAX=2", [[2, 2, 1]]),
        ("LIMITS MAILMAX=1 RCPTMAX=2", [[2], [2], [1]]),
        ("LIMITS MAILMAX=2 RCPTMAX=2", [[2, 2], [1]]),
        ("LIMITS MAILMAX=0 RCPTMAX=x", [[5]]),
    ],
)
async def test_as_much_as_they_want(far: Any, limits: str, shape: list[list[int]]) -> None:
    async with far(servers=1) as world, server(world, limits) as other:
        reports = await world.send(*PEOPLE)
        assert [report.reply.code for report in reports] == [250] * 5
        assert [[len(one) for one in session] for session in other.sessions] == shape
        assert [to for session in other.sessions for one in session for to in one] == PEOPLE


async def test_one_domain_a_session(far: Any) -> None:
    """Also over connections that are used again."""
    zone = {("near.test", "MX"): [Mx(1, "mx1.far.test")]}
    async with far(zone, servers=1) as world, server(world, "LIMITS RCPTDOMAINMAX=1") as other:
        for to in ("a@far.test", "b@far.test", "c@near.test"):
            (report,) = await world.send(to)
            assert report.reply.ok
        assert other.sessions == [[["a@far.test"], ["b@far.test"]], [["c@near.test"]]]
