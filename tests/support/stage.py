"""Where dialogues are played against real doors, with a well-behaved client looking on.

`smtpstage`, `imapstage` and `pop3stage` build the house that the dialogues of their protocol speak
of. While a dialogue runs, somebody else stays connected and is served after each of its packets;
at the end somebody new comes and is served too.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from support import dialogue, transcript
from support.dialogue import Connection
from support.doors import Rooms
from support.wire import Wire


class Bystander(Protocol):
    """A client that does nothing wrong."""

    async def arrive(self, wire: Wire) -> None:
        """Hear the greeting, say hello, log in."""
        ...

    async def go_on(self, wire: Wire) -> None:
        """A command or two that everybody must be able to have answered."""
        ...


@dataclass
class Stage:
    """A house with one door, as a dialogue wants it."""

    house: Rooms
    port: int
    bystander: Bystander
    implicit: bool = False
    """TLS from the first octet."""
    clear: bool = True
    """Logging in needs no TLS, as on this machine itself."""
    starttls: bytes = b""
    """What the bystander says to begin TLS where there is need."""
    words: Callable[[str], Awaitable[bool]] | None = None
    """The protocol's own `@` words: True for one that is known."""
    spoken: Callable[[str, Connection], Awaitable[bool]] | None = None
    """Those that are said on the dialogue's own connection."""
    instead: Callable[[str], str] = str
    """What a pattern of the dialogue is where the host's words are others."""

    @property
    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts the house."""
        return ssl.create_default_context(cafile=str(self.house.ca))

    async def play(self, path: Path) -> None:
        """Play a dialogue, others being served meanwhile."""
        async with self.attended() as wire:
            await dialogue.play(
                path,
                self._connect,
                self._control,
                meanwhile=lambda: self.bystander.go_on(wire),
                instead=self.instead,
            )
            await self.bystander.go_on(wire)
        async with self.attended():
            pass

    @contextlib.asynccontextmanager
    async def attended(self) -> AsyncIterator[Wire]:
        """The bystander is here, and was let in."""
        wire = await Wire.connect(self.port, self.tls if self.implicit else None)
        try:
            if self.starttls and not self.implicit and not self.clear:
                await wire.line()
                await wire.send(self.starttls + b"\r\n")
                await wire.line()
                await wire.start_tls(self.tls)
            await self.bystander.arrive(wire)
            yield wire
        finally:
            wire.close()

    async def _connect(self) -> Connection:
        if not self.implicit:
            return await asyncio.open_connection("127.0.0.1", self.port)
        opened = asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.tls, server_hostname="localhost"
        )
        return await asyncio.wait_for(opened, dialogue.PATIENCE)

    async def _control(self, word: str, connection: Connection) -> Connection | None:
        reader, writer = connection
        if word == "eof":
            return await _ended(reader, writer)
        if word == "tls":
            shaken = writer.start_tls(self.tls, server_hostname="localhost")
            await asyncio.wait_for(shaken, dialogue.PATIENCE)
        elif self.spoken is not None and await self.spoken(word, connection):
            pass
        elif self.words is None or not await self.words(word):
            raise ValueError(word)
        return None


async def _ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Connection:
    """End our side and wait until the server has ended too; what it said is there to be read."""
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()  # TLS knows no half
    heard = asyncio.StreamReader()
    heard.feed_data(await asyncio.wait_for(reader.read(), dialogue.PATIENCE))
    heard.feed_eof()
    return heard, writer


def first_words(path: Path) -> list[str]:
    """The words of a dialogue's first `@` line, where it has one before anything is said."""
    first = transcript.read(path)[0]
    return first.text.split() if first.kind == "@" else []
