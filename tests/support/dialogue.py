"""Dialogues of `support.transcript` over a real connection.

    await play(path, lambda: asyncio.open_connection("127.0.0.1", port), control)

Lines are expected as in `transcript.play`, with two differences that a network makes: after the
last step nothing more may come until a short silence has passed, and `@` words go to `control`,
together with the open connection, which may answer with another one (after a TLS handshake).
`@ closed` is known here: the server must have closed the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from support import transcript

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Control = Callable[[str, Connection], Awaitable[Connection | None]]

PATIENCE = 10.0
"""Seconds to wait for a line before the dialogue fails."""
SILENCE = 0.05
"""Seconds in which nothing may be heard at the end."""


async def play(path: Path, connect: Callable[[], Awaitable[Connection]], control: Control) -> None:
    """Play a dialogue; fail where the server says something else, or more, or less."""
    connection = await connect()
    try:
        waiting = b""
        for step in transcript.read(path):
            where = f"{path.name}:{step.line}"
            if step.kind == "C":
                waiting += step.octets
                continue
            await _send(connection, waiting)
            waiting = b""
            if step.kind == "@":
                connection = await _word(step.text, connection, control, where) or connection
            else:
                await _expect(connection, step.text, where)
        await _send(connection, waiting)
        extra = await _heard(connection)
        assert not extra, f"{path.name}: the server also says {extra!r}"
    finally:
        connection[1].close()
        with contextlib.suppress(ConnectionError):
            await connection[1].wait_closed()


async def _send(connection: Connection, data: bytes) -> None:
    if data:
        connection[1].write(data)
        await connection[1].drain()


async def _word(
    word: str, connection: Connection, control: Control, where: str
) -> Connection | None:
    if word != "closed":
        return await control(word, connection)
    rest = await asyncio.wait_for(connection[0].read(), PATIENCE)
    assert not rest, f"{where}: before closing the server says {rest!r}"
    return None


async def _expect(connection: Connection, pattern: str, where: str) -> None:
    try:
        line = await asyncio.wait_for(connection[0].readuntil(b"\r\n"), PATIENCE)
    except (asyncio.IncompleteReadError, TimeoutError, ConnectionError) as why:
        raise AssertionError(f"{where}: expected {pattern}, got {why!r}") from why
    said = line[:-2].decode("utf-8", "backslashreplace")
    assert re.fullmatch(pattern, said), f"{where}: {said!r} does not match {pattern}"


async def _heard(connection: Connection) -> bytes:
    try:
        return await asyncio.wait_for(connection[0].read(1000), SILENCE)
    except TimeoutError:
        return b""
