"""A client that says octets and hears lines: for what no mail program would do."""

from __future__ import annotations

import asyncio
import ssl

PATIENCE = 20.0
"""Seconds to wait for the server before a test fails."""

LONGEST_LINE = 1 << 24


class Wire:
    """One connection to 127.0.0.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, tls: ssl.SSLContext | None = None) -> Wire:
        """Connect, with TLS from the first octet when there is a context."""
        name = "localhost" if tls else None
        opened = asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=name, limit=LONGEST_LINE
        )
        return cls(*await asyncio.wait_for(opened, PATIENCE))

    async def send(self, octets: bytes) -> None:
        """Say something."""
        self._writer.write(octets)
        await self._writer.drain()

    async def send_some(self, octets: bytes) -> int:
        """Say as much as the server takes without being listened to; how much that was."""
        self._writer.write(octets)
        left = len(octets) + 1
        transport = self._writer.transport
        while left > transport.get_write_buffer_size() > 0:
            left = transport.get_write_buffer_size()
            await asyncio.sleep(0.05)
        return len(octets) - left

    async def line(self) -> bytes:
        """The next line, without its end; b"" when the server says no more."""
        line = await asyncio.wait_for(self._reader.readline(), PATIENCE)
        return line.rstrip(b"\r\n")

    async def until(self, start: bytes) -> list[bytes]:
        """Lines up to the first that begins so."""
        lines: list[bytes] = []
        while not lines or not lines[-1].startswith(start):
            line = await asyncio.wait_for(self._reader.readline(), PATIENCE)
            assert line.endswith(b"\n"), (start, lines[-5:])
            lines.append(line.rstrip(b"\r\n"))
        return lines

    async def message(self) -> bytes:
        """A POP3 multi-line answer after its first line, its dots taken away.

        As most clients do it: a line ends at LF, whatever is before it.
        """
        out: list[bytes] = []
        while True:
            line = await asyncio.wait_for(self._reader.readline(), PATIENCE)
            assert line.endswith(b"\n"), line
            if line == b".\r\n":
                return b"".join(out)
            out.append(line[1:] if line.startswith(b".") else line)

    async def exactly(self, count: int) -> bytes:
        """So many octets."""
        return await asyncio.wait_for(self._reader.readexactly(count), PATIENCE)

    async def rest(self) -> bytes:
        """Everything up to the server's end."""
        return await asyncio.wait_for(self._reader.read(), PATIENCE)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """The client's side of the handshake."""
        shaken = self._writer.start_tls(context, server_hostname="localhost")
        await asyncio.wait_for(shaken, PATIENCE)

    def eof(self) -> None:
        """Say that nothing more will be said, and go on listening."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Drop the connection by a reset."""
        self._writer.transport.abort()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
