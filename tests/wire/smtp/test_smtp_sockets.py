"""The player of dialogues over sockets: some of ours against the engine behind a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support import dialogue, transcript
from support.dialogue import Connection
from support.smtpdoor import SmtpDoor, options_of

CHOSEN = ("session", "pipelined", "smuggling-refuse", "bdat", "lmtp", "auth-exchange", "http")


async def play(path: Path) -> None:
    first = transcript.read(path)[0].text
    options, tls = options_of(first.split())
    doors: list[SmtpDoor] = []
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        door = SmtpDoor(options, tls=tls)
        doors.append(door)
        try:
            writer.write(door.greet())
            while not door.engine.closed and (data := await reader.read(65536)):
                writer.write(door.talk(data))
            writer.close()
            await writer.wait_closed()
        finally:
            served.set()

    async def control(word: str, _connection: Connection) -> None:
        if word != first:
            doors[0].control(word)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await dialogue.play(path, lambda: asyncio.open_connection("127.0.0.1", port), control)
    finally:
        await served.wait()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("name", CHOSEN)
async def test_dialogue(name: str) -> None:
    await play(transcript.FOLDER / "smtp" / f"{name}.txt")


@pytest.mark.parametrize(
    "text",
    [
        "@ mx\nS: 220 somebody else\n",
        "@ mx\nS: 220 .*\nC: NOOP\n",
        "@ mx\nS: 220 .*\nC: QUIT\nS: 221 .*\nS: 221 .*\n",
        "@ mx\nS: 220 .*\nC: QUIT\n@ closed\n",
        "@ mx\nS: 220 .*\nC: NOOP\nS: 250 .*\n@ taken 1\n",
    ],
)
async def test_what_does_not_match_fails(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(AssertionError):
        await play(path)
