"""The house of `imapdoor`, with real rooms in it: see there what is in its mailboxes.

`@` words of its dialogues besides those of every stage:

    @ with message_limit=2 jmap_url=https://x   Options of the door
    @ user                    ann logs in, before anything is said
    @ reading INBOX           she also selects that mailbox
    @ elsewhere COMMAND       another session of hers, with INBOX selected, says this with success
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pillarbox.auth.login import Options as LoginOptions
from pillarbox.mailbox.intake import whole
from pillarbox.model.account import Account
from pillarbox.model.flags import FlagSet
from pillarbox.model.numset import NumSet
from pillarbox.serve.imap.options import Options as ImapOptions
from pillarbox.store.api import Target
from support import transcript
from support.dialogue import PATIENCE, Connection
from support.doors import Rooms, rooms
from support.imapdoor import LIMITS, PASSWORD, USER, ImapDoor
from support.stage import Stage
from support.wire import Wire

DOMAIN = "example.org"


class Reader:
    """Bob, who looks whether there is mail."""

    async def arrive(self, wire: Wire) -> None:
        await wire.send(f"b LOGIN bob {PASSWORD}\r\nc SELECT INBOX\r\n".encode())
        await wire.until(b"c OK")

    async def go_on(self, wire: Wire) -> None:
        await wire.send(b"d NOOP\r\ne STATUS Sent (MESSAGES)\r\n")
        assert (await wire.line()).startswith(b"d OK")
        assert (await wire.line()).endswith(b"(MESSAGES 0)")
        assert (await wire.line()).startswith(b"e OK")


@contextlib.asynccontextmanager
async def stage(path: Path, folder: Path) -> AsyncIterator[Stage]:
    """The house for a dialogue of tests/transcripts/imap."""
    said = [step.text for step in transcript.read(path) if step.kind == "@"]
    secure = any(word.split(" ")[0] in {"secure", "user", "reading"} for word in said)
    login = LoginOptions(cleartext_on_loopback=secure)
    options = _options(said)
    async with rooms(folder, domain=DOMAIN, login=login) as house:
        await house.account("bob", PASSWORD)
        await _furnish(house, await house.account(USER, PASSWORD))
        port = await house.imap(tls=not secure, options=options)
        other = Elsewhere(port)

        async def words(word: str) -> bool:
            if word.startswith("elsewhere "):
                await other.say(word.partition(" ")[2])
                return True
            return word in {"secure", "injected"} or word.startswith("with ")

        yield Stage(
            *(house, port, Reader()),
            clear=secure,
            starttls=b"a STARTTLS",
            words=words,
            spoken=_begin,
        )
        other.close()


class Elsewhere:
    """Another session of ann's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._wire: Wire | None = None

    async def say(self, command: str) -> None:
        if self._wire is None:
            self._wire = await Wire.connect(self._port)
            await self._wire.send(f"a LOGIN {USER} {PASSWORD}\r\nb SELECT INBOX\r\n".encode())
            await self._wire.until(b"b OK")
        await self._wire.send(b"z " + transcript.octets_of(command) + b"\r\n")
        await self._wire.until(b"z OK")

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()


async def _begin(word: str, connection: Connection) -> bool:
    """Log in, and select a mailbox; what is said about it is not part of the dialogue."""
    kind, _, mailbox = word.partition(" ")
    if kind not in {"user", "reading"}:
        return False
    commands = [f"LOGIN {USER} {PASSWORD}"] + [f"SELECT {mailbox}"] * bool(mailbox)
    reader, writer = connection
    for number, command in enumerate(commands):
        writer.write(f"x{number} {command}\r\n".encode())
        line = b""
        while not line.startswith(b"x%d " % number):
            line = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE)
        assert line.startswith(b"x%d OK" % number), line
    return True


def _options(said: list[str]) -> ImapOptions:
    """Those of the door, as the dialogue wants them."""
    options = ImapOptions(LIMITS, login_failures=10)
    for word in said:
        if not word.startswith("with "):
            continue
        for setting in word.split(" ")[1:]:
            name, _, value = setting.partition("=")
            if name == "literal_minus":
                options = replace(options, engine=replace(LIMITS, literal_minus=True))
            else:
                changed: dict[str, Any] = {name: int(value) if value.isdigit() else value}
                options = replace(options, **changed)
    return options


async def _furnish(house: Rooms, account: Account) -> None:
    """The messages of the toy store under the same UIDs; what is between them comes and goes."""
    box = await house.store.mailbox_by_name(account.id, "INBOX")
    assert box is not None
    wanted = {message.uid: message for message in ImapDoor().boxes["INBOX"].messages}
    for uid in range(1, max(wanted) + 1):
        there = wanted.get(uid)
        flags = FlagSet(there.bits if there else 0)
        message = await whole(house.store, there.body if there else b"Subject: x\r\n\r\n")
        await house.store.accept(message, [Target(account.id, box.id, flags)])
    gone = NumSet.of([uid for uid in range(1, max(wanted)) if uid not in wanted])
    await house.store.expunge(account.id, box.id, gone, only_deleted=False)
    await house.store.claim_recent(account.id, box.id)
