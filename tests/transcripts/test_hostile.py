"""Clients that mean no good: enough of them, each sent away with an error or closed, and some that
no dialogue can write down. Others are served meanwhile, which the stage sees to."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from support import imapstage, pop3stage, smtpstage, transcript
from support.imapdoor import PASSWORD
from support.stage import Stage
from support.wire import Wire

ROOMS = {"smtp": ["smtp"], "imap": ["imap", "imap-door"], "pop3": ["pop3"]}
STAGES: dict[str, Callable[[Path, Path], AbstractAsyncContextManager[Stage]]] = {
    "smtp": smtpstage.stage,
    "imap": imapstage.stage,
    "pop3": pop3stage.stage,
}
REFUSAL = {
    "smtp": re.compile(r"[45]"),
    "imap": re.compile(r"\S+ \(?(NO|BAD)|\\\* (BAD|BYE)"),
    "pop3": re.compile(r"-ERR"),
}
STARTTLS = {"smtp": b"HELO x\r\nSTARTTLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n"}
CLEAR = {"smtp": "@ mx with=STARTTLS\n", "imap": "", "pop3": ""}
SECURE = {"smtp": "@ mx\n", "imap": "@ secure\n", "pop3": "@ secure\n"}
PROTOCOLS = pytest.mark.parametrize("protocol", list(ROOMS))


def hostile(protocol: str) -> list[Path]:
    """The hostile dialogues that are played with real doors."""
    found = [path for room in ROOMS[protocol] for path in transcript.scripts(room)]
    return [path for path in found if transcript.is_hostile(path)]


@PROTOCOLS
def test_there_are_enough_of_them(protocol: str) -> None:
    assert len(hostile(protocol)) >= 40


@PROTOCOLS
def test_each_is_refused_or_closed(protocol: str) -> None:
    for path in hostile(protocol):
        steps = transcript.read(path)
        refused = any(step.kind == "S" and REFUSAL[protocol].match(step.text) for step in steps)
        closed = any(step.kind == "@" and step.text == "closed" for step in steps)
        assert refused or closed, path


@contextlib.asynccontextmanager
async def opened(protocol: str, head: dict[str, str], folder: Path) -> AsyncIterator[Stage]:
    """A stage without a dialogue, only with its first words."""
    path = folder / "head.txt"
    path.write_text(head[protocol] + "C: \n", "utf-8")
    async with STAGES[protocol](path, folder) as stage:
        yield stage


async def begin_tls(stage: Stage, protocol: str) -> Wire:
    """A client that has been told to begin TLS."""
    wire = await Wire.connect(stage.port)
    await wire.send(STARTTLS[protocol])
    for _ in range(1 + STARTTLS[protocol].count(b"\n")):
        assert (await wire.line())[:1] in b"2+*a"
    return wire


HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(100)
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"


@PROTOCOLS
@pytest.mark.parametrize(
    "instead",
    [b"USER ann\r\n", b"\x16\x03\x01\xff\xff" + bytes(70_000), HELLO, ALERT],
    ids=["plaintext", "record-too-long", "half-a-hello", "an-alert"],
)
async def test_what_is_no_handshake(protocol: str, instead: bytes, tmp_path: Path) -> None:
    async with opened(protocol, CLEAR, tmp_path) as stage, stage.attended() as other:
        wire = await begin_tls(stage, protocol)
        await wire.send(instead)
        await stage.bystander.go_on(other)
        wire.eof()
        said = await wire.rest()  # at most an alert, and then the end
        assert said == b"" or said.startswith(b"\x15\x03")
        await stage.bystander.go_on(other)
        wire.close()


@PROTOCOLS
async def test_tls_cut_off_without_goodbye(protocol: str, tmp_path: Path) -> None:
    async with opened(protocol, CLEAR, tmp_path) as stage, stage.attended() as other:
        wire = await begin_tls(stage, protocol)
        await wire.start_tls(stage.tls)
        await wire.send(b"NOOP")
        wire.abort()
        await stage.bystander.go_on(other)


ASKED = {
    "smtp": b"HELP\r\n" * 100_000,
    "imap": f"a LOGIN ann {PASSWORD}\r\nb EXAMINE INBOX\r\n".encode()
    + b"c FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[])\r\n" * 30_000,
    "pop3": b"USER ann\r\nPASS pencil\r\n" + b"UIDL\r\nRETR 1\r\n" * 60_000,
}


@PROTOCOLS
async def test_a_client_that_asks_and_does_not_read(protocol: str, tmp_path: Path) -> None:
    """The server stops reading what it could not answer: the client cannot even send it all."""
    async with opened(protocol, SECURE, tmp_path) as stage, stage.attended() as other:
        wire = await Wire.connect(stage.port)
        sent = await wire.send_some(ASKED[protocol])
        assert sent < len(ASKED[protocol])
        for _ in range(20):
            await stage.bystander.go_on(other)
        wire.abort()
        await stage.bystander.go_on(other)


@PROTOCOLS
async def test_many_who_say_nothing(protocol: str, tmp_path: Path) -> None:
    async with opened(protocol, SECURE, tmp_path) as stage, stage.attended() as other:
        silent = [await Wire.connect(stage.port) for _ in range(50)]
        await stage.bystander.go_on(other)
        for number, wire in enumerate(silent):
            await wire.send(b"x" * number)
            (wire.abort, wire.close, wire.eof)[number % 3]()
        await stage.bystander.go_on(other)
        for wire in silent:
            wire.close()
