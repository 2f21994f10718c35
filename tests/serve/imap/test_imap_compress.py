"""COMPRESS=DEFLATE (RFC 4978) over a real connection."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from pathlib import Path

from support.doors import PASSWORD, rooms
from support.imapraw import MESSAGE, Dialogue, append, dialogue, opened


class Packed:
    """A connection that compresses both ways, to stand in for a pair of streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._in = zlib.decompressobj(-15)
        self._out = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._plain = b""

    async def readline(self) -> bytes:
        while b"\n" not in self._plain:
            data = await self._reader.read(65536)
            if not data:
                break
            self._plain += self._in.decompress(data)
        line, found, self._plain = self._plain.partition(b"\n")
        return line + found

    def write(self, data: bytes) -> None:
        self._writer.write(self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH))

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


async def compressed(talk: Dialogue) -> Dialogue:
    assert (await talk.say(b"z COMPRESS DEFLATE"))[-1].startswith(b"z OK")
    pipe = Packed(talk.reader, talk.writer)
    return Dialogue(pipe, pipe)  # type: ignore[arg-type]


async def test_everything_is_packed_from_there_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        assert b"COMPRESS=DEFLATE" in (await talk.say(b"c CAPABILITY"))[0]
        talk = await compressed(talk)
        assert b"COMPRESS=DEFLATE" not in (await talk.say(b"c CAPABILITY"))[0]
        large = MESSAGE + (b"line of text" * 75 + b"\r\n") * 1_500
        await append(talk, MESSAGE, large)
        await talk.say(b"s SELECT INBOX")
        lines = await talk.say(b"f FETCH 2 BODY.PEEK[]")
        assert len(lines) > 1_500
        other = await dialogue(port)
        await other.say(b"s SELECT INBOX")
        await talk.send(b"i IDLE\r\n")
        await talk.until(b"+ ")
        await other.say(b"x STORE 1 +FLAGS (\\Deleted)")
        await other.say(b"x EXPUNGE")
        await talk.until(b"* 1 EXPUNGE")
        await talk.send(b"DONE\r\n")
        await talk.until(b"i OK")
        assert (await talk.say(b"y COMPRESS DEFLATE"))[-1].startswith(b"y BAD [COMPRESSIONACTIVE]")
        assert (await talk.say(b"q LOGOUT"))[0].startswith(b"* BYE")
        talk.close()
        other.close()


async def test_what_came_along_with_the_command_is_packed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        early = packer.compress(b"n NOOP\r\n") + packer.flush(zlib.Z_SYNC_FLUSH)
        await talk.send(b"z COMPRESS DEFLATE\r\n" + early)
        await talk.until(b"z OK")
        packed = Dialogue(*[Packed(talk.reader, talk.writer)] * 2)  # type: ignore[arg-type]
        assert (await packed.until(b"n "))[-1].startswith(b"n OK")
        talk.close()


async def test_over_tls(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.imap(implicit=True)
        context = ssl.create_default_context(cafile=str(house.ca))
        pair = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        talk = Dialogue(*pair)
        await talk.until(b"* OK")
        await talk.say(b'l LOGIN ann@example.test "' + PASSWORD.encode() + b'"')
        talk = await compressed(talk)
        await append(talk, MESSAGE)
        assert b"* 1 EXISTS" in await talk.say(b"s SELECT INBOX")
        talk.close()


async def test_a_bomb_is_read_in_pieces_and_rubbish_ends_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port)
        talk = await compressed(talk)
        await talk.send(b"a" * 5_000_000 + b"\r\n")
        assert (await talk.until(b"* BAD"))[-1].startswith(b"* BAD [LIMIT]")
        assert (await talk.say(b"n NOOP"))[-1].startswith(b"n OK")
        talk.close()
        talk = await dialogue(port)
        await talk.say(b"z COMPRESS DEFLATE")
        await talk.send(b"n NOOP\r\n")
        assert await asyncio.wait_for(talk.reader.read(), 30) == b""
        talk.close()


async def test_before_log_in_and_other_algorithms(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, port):
        talk = await dialogue(port, login=False)
        assert (await talk.say(b"a COMPRESS DEFLATE"))[-1].startswith(b"a BAD")
        talk.close()
        talk = await dialogue(port)
        assert (await talk.say(b"b COMPRESS LZ4"))[-1].startswith(b"b BAD")
        assert (await talk.say(b"c NOOP"))[-1].startswith(b"c OK")
        talk.close()
