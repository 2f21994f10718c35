"""Dialogues of `support.transcript` over a real connection.

    await play(path, lambda: asyncio.open_connection("127.0.0.1", port), control)

Lines are expected as in `transcript.play`, with two differences that a network makes: after the
last step the client ends its side, and nothing more may come until the server ends too (inside
TLS, which knows no such half, until a short silence has passed); and `@` words go to `control`,
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
"""Seconds in which nothing may be heard at the end, inside TLS."""


async def nothing() -> None:
    """What happens meanwhile unless something is to happen."""


async def play(
    path: Path,
    connect: Callable[[], Awaitable[Connection]],
    control: Control,
    *,
    meanwhile: Callable[[], Awaitable[None]] = nothing,
    instead: Callable[[str], str] = str,
) -> None:
    """Play a dialogue; fail where the server says something else, or more, or less.

    ``meanwhile`` is awaited after each packet, while the client waits. ``instead`` gives the
    pattern for one of the dialogue that this host fills with other words.
    """
    connection = await connect()
    try:
        waiting = b""
        for step in transcript.read(path):
            where = f"{path.name}:{step.line}"
            if step.kind == "C":
                waiting += step.octets
                continue
            if waiting:
                await _send(connection, waiting)
                await meanwhile()
                waiting = b""
            if step.kind == "@":
                connection = await _word(step.text, connection, control, where) or connection
            else:
                await _expect(connection, instead(step.text), where)
        await _send(connection, waiting)
        await meanwhile()
        extra = await _heard(connection)
        assert not extra, f"{path.name}: the server also says {extra!r}"
    finally:
        connection[1].close()
        with contextlib.suppress(ConnectionError):
            await connection[1].wait_closed()


async def _send(connection: Connection, data: bytes) -> None:
    if data:
        with contextlib.suppress(ConnectionError):  # the server may have closed meanwhile
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
    if connection[1].can_write_eof():
        with contextlib.suppress(OSError):
            connection[1].write_eof()
        return await asyncio.wait_for(connection[0].read(), PATIENCE)
    try:
        return await asyncio.wait_for(connection[0].read(1000), SILENCE)
    except TimeoutError:
        return b""
