"""A client that guesses addresses waits for its answers; others do not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver
from support.whole import memory_store, whole_house


class Client:
    """Says a line and reads the answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, line: str) -> asyncio.Task[bytes]:
        self.writer.write(f"{line}\r\n".encode())
        return asyncio.create_task(self.answer())

    async def answer(self) -> bytes:
        async with asyncio.timeout(20):
            while True:
                line = await self.reader.readline()
                if line[3:4] != b"-":
                    return line[:3]


async def come(port: int, ip: str) -> Client:
    """A client at MAIL."""
    client = Client(*await asyncio.open_connection("127.0.0.1", port, local_addr=(ip, 0)))
    assert await client.answer() == b"220"
    assert await client.say("EHLO x.test") == b"250"
    assert await client.say("MAIL FROM:<a@x.test>") == b"250"
    return client


async def test_guessing_addresses_is_slow(tmp_path: Path) -> None:
    clock = FakeClock()
    checks = {"enabled": True, "trusted": (), "tarpit": 3.0, "tarpit_after": 3}
    async with whole_house(
        *(tmp_path, "ann"),
        opener=memory_store,
        clock=clock,
        resolver=FakeResolver({}),
        checks=checks,
    ) as house:
        port = house.ports["smtp"]
        bad = await come(port, "127.0.0.1")
        for n in range(2):
            assert await bad.say(f"RCPT TO:<no{n}@example.test>") == b"550"
        answer = bad.say("RCPT TO:<no3@example.test>")
        good = await come(port, "127.0.0.2")
        assert await good.say("RCPT TO:<ann@example.test>") == b"250"
        assert not answer.done()
        await clock.advance(3.0)
        assert await answer == b"550"
        # Hanging up does not help: the greeting is there, the first answer waits.
        bad.writer.close()
        again = Client(*await asyncio.open_connection("127.0.0.1", port))
        assert await again.answer() == b"220"
        answer = again.say("EHLO x.test")
        assert await good.say("NOOP") == b"250"
        assert not answer.done()
        await clock.advance(3.0)
        assert await answer == b"250"
        again.writer.close()
        good.writer.close()
