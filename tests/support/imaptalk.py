"""A raw IMAP connection of one user: say a command, get every line up to its tagged answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pillarbox.store.api import Store
from support.doors import PASSWORD, Rooms, rooms

DOMAIN = "example.test"
MESSAGE = (
    b"From: Bob <bob@example.test>\r\nSubject: %s\r\nMessage-ID: <%s@example.test>\r\n"
    b"\r\nbody text\r\n"
)


class Talk:
    """Lines are text; literals in answers come as lines of their own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._count = 0

    async def line(self) -> str:
        """The next line, '' at the end of the connection."""
        line = await asyncio.wait_for(self._reader.readline(), 30)
        return line.decode("utf-8").rstrip("\r\n")

    async def until(self, start: str) -> list[str]:
        """Lines up to the one that begins so."""
        lines: list[str] = []
        while not lines or not lines[-1].startswith(start):
            line = await self.line()
            assert line or lines[-1:] != [""], lines
            lines.append(line)
        return lines

    async def say(self, command: str) -> list[str]:
        """The answer, its last line without the tag."""
        self._count += 1
        tag = f"t{self._count}"
        self._writer.write(f"{tag} {command}\r\n".encode())
        lines = await self.until(tag + " ")
        lines[-1] = lines[-1].removeprefix(tag + " ")
        return lines

    async def ok(self, command: str) -> list[str]:
        """The untagged lines of a command that must succeed."""
        lines = await self.say(command)
        assert lines[-1].startswith("OK"), lines
        return lines[:-1]

    async def no(self, command: str) -> str:
        """The code of a command that must be refused; its text when it has none."""
        lines = await self.say(command)
        assert lines[-1].startswith("NO "), lines
        text = lines[-1].removeprefix("NO ")
        return text[1:].partition("]")[0] if text.startswith("[") else text

    async def bad(self, command: str) -> None:
        """A command that must not be understood."""
        lines = await self.say(command)
        assert lines[-1].startswith("BAD "), lines

    async def append(self, mailbox: str, message: bytes = b"", flags: str = "") -> list[str]:
        """APPEND a message; a made-up one by default."""
        data = message or MESSAGE % (b"hello", str(self._count).encode())
        listed = f" ({flags})" if flags else ""
        return await self.say(f"APPEND {mailbox}{listed} {{{len(data)}+}}\r\n{data.decode()}")

    def send(self, text: str) -> None:
        """Octets as they are."""
        self._writer.write(text.encode())

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


@asynccontextmanager
async def house_talk(
    directory: Path, *users: str, store: Store | None = None
) -> AsyncIterator[tuple[Rooms, list[Talk]]]:
    """Rooms with an IMAP door, and a connection of each user; a name twice is two of them."""
    async with rooms(directory, *dict.fromkeys(users), store=store) as house:
        port = await house.imap()
        talks = [await talk(port, user) for user in users]
        try:
            yield house, talks
        finally:
            for one in talks:
                await one.close()


async def talk(port: int, user: str = "ann") -> Talk:
    """A connection that is logged in."""
    made = Talk(*await asyncio.open_connection("127.0.0.1", port))
    await made.until("* OK")
    await made.ok(f'LOGIN "{user}@{DOMAIN}" "{PASSWORD}"')
    return made
