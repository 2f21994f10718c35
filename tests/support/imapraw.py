"""Raw dialogues with an IMAP door: say a command, get every line up to its tagged answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pillarbox.serve.imap.options import Options
from support.doors import PASSWORD, Rooms, rooms

MESSAGE = (
    b"From: Bob <bob@example.test>\r\nTo: ann@example.test\r\nSubject: first\r\n"
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <1@example.test>\r\n\r\nbody text\r\n"
)


@asynccontextmanager
async def opened(
    tmp_path: Path, options: Options | None = None
) -> AsyncIterator[tuple[Rooms, int]]:
    async with rooms(tmp_path, "ann") as house:
        yield house, await house.imap(options=options)


class Dialogue:
    """A raw connection: say a command, get every line up to its tagged answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def until(self, start: bytes) -> list[bytes]:
        lines: list[bytes] = []
        while not lines or not lines[-1].startswith(start):
            line = await asyncio.wait_for(self.reader.readline(), 30)
            assert line, lines
            lines.append(line.rstrip(b"\r\n"))
        return lines

    async def say(self, command: bytes) -> list[bytes]:
        self.writer.write(command + b"\r\n")
        return await self.until(command.split(b" ")[0])

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def silent(self, seconds: float = 0.05) -> bool:
        """True when the server says nothing for a while."""
        try:
            line = await asyncio.wait_for(self.reader.readline(), seconds)
        except TimeoutError:
            return True
        raise AssertionError(line)

    def close(self) -> None:
        self.writer.close()


async def dialogue(port: int, *, login: bool = True, user: str = "ann") -> Dialogue:
    talk = Dialogue(*await asyncio.open_connection("127.0.0.1", port))
    await talk.until(b"* OK")
    if login:
        answer = await talk.say(f'l LOGIN {user}@example.test "{PASSWORD}"'.encode())
        assert answer[-1].startswith(b"l OK [CAPABILITY"), answer
    return talk


async def append(talk: Dialogue, *messages: bytes) -> None:
    for message in messages:
        await talk.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(message), message))
        await talk.until(b"a OK")
