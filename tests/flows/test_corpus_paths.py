"""Every message of the corpus by every way in, and back by both ways out, octet for octet.

What comes back is what went in, by this rule:

* **SMTP and LMTP** put Return-Path and Received in front and touch nothing else, but for line
  ends. DATA ends the last line where it had no end, since it cannot do otherwise. A CR or LF alone
  is refused on MX and becomes CRLF by LMTP, where the client is one that doubles dots behind any LF
  (docs/decisions/0010). BDAT with BODY=BINARYMIME carries every octet as it is.
* **APPEND** gives a CR to every LF that has none (`message.normalise`) and leaves a CR alone as it
  is. A literal8 (RFC 3516) keeps every octet.
* **IMAP** gives back what was kept; **POP3** too, in UTF8 mode, but ends the last line, since it
  cannot do otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from imapclient import IMAPClient
from imapclient.response_types import BodyData, Envelope

from pillarbox.bus.local import LocalBus
from pillarbox.message.normalise import to_crlf
from pillarbox.model.transaction import Role
from pillarbox.store.sqlite import open_store
from support.doors import PASSWORD, Rooms, rooms
from support.smtpstage import TRACE
from support.wire import Wire

HOUSES = pytest.mark.parametrize("kind", ["memory", "sqlite"])


@contextlib.asynccontextmanager
async def house_of(kind: str, folder: Path) -> AsyncIterator[Rooms]:
    """Rooms with Ann, over a store of this kind."""
    bus = LocalBus()
    store = None
    if kind == "sqlite":
        store = await open_store(folder / "store", publish=bus.publish)
    async with rooms(folder, "ann", store=store, bus=bus) as house:
        yield house


# -- ways in ----------------------------------------------------------------------------------

Way = Callable[[Rooms, Sequence[bytes]], Awaitable[list[bytes | None]]]
"""Brings messages to Ann; what must be there of each, None for one that is refused."""


async def hello(port: int, word: str) -> Wire:
    wire = await Wire.connect(port)
    await wire.send(f"{word} client.example\r\n".encode())
    await wire.until(b"220 ")
    await wire.until(b"250 ")
    return wire


def for_data(message: bytes) -> bytes:
    """The message as a client sends it after DATA (RFC 5321 §4.5.2)."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


async def by_data(wire: Wire, message: bytes) -> bytes:
    """One transaction; the first digit of the reply to the content."""
    await wire.send(b"MAIL FROM:<x@client.example> BODY=8BITMIME\r\nRCPT TO:<ann@example.test>\r\n")
    await wire.send(b"DATA\r\n")
    await wire.until(b"354 ")
    stuffed = re.sub(rb"(\A|\n)\.", rb"\1..", for_data(message))
    await wire.send(stuffed + b".\r\n")
    return (await wire.line())[:1]


async def mx(house: Rooms, messages: Sequence[bytes]) -> list[bytes | None]:
    wire = await hello(await house.smtp(Role.MX), "EHLO")
    kept: list[bytes | None] = []
    for message in messages:
        right = not re.search(rb"(?<!\r)\n|\r(?!\n)", for_data(message))
        assert await by_data(wire, message) == (b"2" if right else b"5")
        kept.append(for_data(message) if right else None)
    wire.close()
    assert sum(one is not None for one in kept) > 50
    return kept


async def binary(house: Rooms, messages: Sequence[bytes]) -> list[bytes | None]:
    wire = await hello(await house.smtp(Role.MX), "EHLO")
    for message in messages:
        await wire.send(
            b"MAIL FROM:<x@client.example> BODY=BINARYMIME\r\nRCPT TO:<ann@example.test>\r\n"
            b"BDAT %d\r\n%bBDAT %d LAST\r\n%b" % (7, message[:7], len(message) - 7, message[7:])
        )
        replies = [await wire.line() for _ in range(4)]
        assert all(reply.startswith(b"250") for reply in replies), replies
    wire.close()
    return [*messages]


async def lmtp(house: Rooms, messages: Sequence[bytes]) -> list[bytes | None]:
    wire = await hello(await house.smtp(Role.LMTP), "LHLO")
    for message in messages:
        assert await by_data(wire, message) == b"2"
    wire.close()
    return [re.sub(rb"\r\n|\r|\n", b"\r\n", for_data(message)) for message in messages]


async def logged_in(house: Rooms) -> Wire:
    wire = await Wire.connect(await house.imap())
    await wire.send(f'l LOGIN ann@example.test "{PASSWORD}"\r\n'.encode())
    await wire.until(b"l OK")
    return wire


async def append(house: Rooms, messages: Sequence[bytes]) -> list[bytes | None]:
    wire = await logged_in(house)
    for message in messages:
        await wire.send(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(message), message))
        assert (await wire.line()).startswith(b"a OK [APPENDUID ")
    wire.close()
    return [to_crlf(message) for message in messages]


async def append_binary(house: Rooms, messages: Sequence[bytes]) -> list[bytes | None]:
    wire = await logged_in(house)
    for message in messages:
        await wire.send(b"a APPEND INBOX ~{%d+}\r\n%b\r\n" % (len(message), message))
        assert (await wire.line()).startswith(b"a OK [APPENDUID ")
    wire.close()
    return [*messages]


WAYS: Mapping[str, tuple[Way, bool]] = {
    "mx": (mx, True),
    "binary": (binary, True),
    "lmtp": (lmtp, True),
    "append": (append, False),
    "append-binary": (append_binary, False),
}
"""With whether trace fields are put in front."""


# -- ways out ---------------------------------------------------------------------------------


class Fetched(NamedTuple):
    """A message as an independent client understands what IMAP says of it."""

    body: bytes
    size: int
    envelope: Envelope
    structure: Any


async def by_imap(house: Rooms) -> list[Fetched]:
    """All messages by imapclient, which parses ENVELOPE and BODYSTRUCTURE."""
    port = await house.imap()

    def run() -> list[Fetched]:
        with IMAPClient("127.0.0.1", port, ssl=False, timeout=30) as client:
            client.login("ann@example.test", PASSWORD)
            client.select_folder("INBOX")
            wanted = ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE"]
            facts = client.fetch(client.search(), wanted)
            found = []
            for uid in sorted(facts):
                body = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
                row = facts[uid]
                found.append(
                    Fetched(body, row[b"RFC822.SIZE"], row[b"ENVELOPE"], row[b"BODYSTRUCTURE"])
                )
            return found

    return await asyncio.to_thread(run)


async def by_pop3(house: Rooms, count: int) -> list[bytes]:
    """All messages, in UTF8 mode."""
    wire = await Wire.connect(await house.pop3())
    await wire.send(f"UTF8\r\nUSER ann\r\nPASS {PASSWORD}\r\n".encode())
    await wire.until(b"+OK %d messages" % count)
    found = []
    for number in range(1, count + 1):
        await wire.send(b"RETR %d\r\n" % number)
        assert (await wire.line()).startswith(b"+OK ")
        found.append(await wire.message())
    wire.close()
    return found


def leaves(structure: Any) -> int:
    """Parts without parts of a BODYSTRUCTURE; each must be as RFC 3501 §7.4.2 has it."""
    if isinstance(structure[0], list | tuple):  # imapclient gathers those at the top only
        children = structure[0] if isinstance(structure[0], list) else structure
        parts = itertools.takewhile(lambda child: isinstance(child, tuple), children)
        return sum(leaves(part) for part in parts)
    kind, subtype, parameters, _id, _description, encoding, size = structure[:7]
    assert isinstance(kind, bytes)
    assert isinstance(subtype, bytes)
    assert isinstance(encoding, bytes)
    assert isinstance(size, int)
    assert parameters is None or len(parameters) % 2 == 0
    if kind.lower() == b"text":
        assert isinstance(structure[7], int)
    if (kind.lower(), subtype.lower()) == (b"message", b"rfc822"):
        assert len(structure[7]) == 10
        leaves(structure[8])
        assert isinstance(structure[9], int)
    return 1


# -- all of it --------------------------------------------------------------------------------


@HOUSES
@pytest.mark.parametrize("way", WAYS)
async def test_the_corpus_comes_back(
    kind: str, way: str, corpus_files: tuple[Path, ...], tmp_path: Path
) -> None:
    assert len(corpus_files) == 107
    messages = [path.read_bytes() for path in corpus_files]
    bring, traced = WAYS[way]
    async with house_of(kind, tmp_path) as house:
        expected = [one for one in await bring(house, messages) if one is not None]
        fetched = await by_imap(house)
        assert len(fetched) == len(expected)
        for message, found in zip(expected, fetched, strict=True):
            trace = TRACE.match(found.body)
            assert (trace is not None) == traced
            assert found.body[trace.end() if trace else 0 :] == message
            assert found.size == len(found.body)
            assert isinstance(found.envelope, Envelope)
            assert isinstance(found.structure, BodyData)
            assert leaves(found.structure) > 0
        received = await by_pop3(house, len(expected))
        whole = [body if body.endswith(b"\r\n") else body + b"\r\n" for body, *_ in fetched]
        assert received == whole
