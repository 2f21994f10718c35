"""The whole story of a message that was delayed, retried, delivered, moved and deleted, as
``docs/why.md`` shows it."""

from __future__ import annotations

import asyncio
import imaplib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pillarbox.cli.output import moment
from support.street import Street
from support.tree import ROOT
from support.whole import PASSWORD

HOUR = 3600.0
NAMES = ("md76vx4kvh9s3c7v", "ewm7cd8ezsr572x8", "zgx1hezbfkt078vg")
MESSAGE_ID = "rmrdea41geve2q7aq67675vd"


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield Street(tmp_path, stack)


async def told(street: Street, domain: str, word: str) -> list[dict[str, Any]]:
    value = await street.houses[domain].admin.call("why", {"word": word})
    stories: list[dict[str, Any]] = value["stories"]
    return stories


async def lived(street: Street) -> None:
    """Ann writes to Bob, whose house is shut for five hours; Bob moves it and deletes it."""
    await street.open("example.test", "ann")
    await street.write("bob@other.test")
    await street.pass_time(5 * HOUR)
    await street.open("other.test", "bob")
    await street.pass_time(5 * HOUR)
    port = street.houses["other.test"].ports["imap"]

    def read() -> None:
        with imaplib.IMAP4("127.0.0.1", port) as client:
            client.xatom("ID", '("name" "Tinymail" "version" "1.2")')
            client.login("bob@other.test", PASSWORD)
            client.select("INBOX")
            client.uid("MOVE", "1", "Trash")
            client.select("Trash")
            client.store("1", "+FLAGS", r"(\Deleted)")
            client.expunge()

    await asyncio.to_thread(read)


def steady(lines: list[str], ports: tuple[int, int]) -> str:
    """What differs from run to run, made the same."""
    text = "\n".join(lines)
    for port in ports:
        text = re.sub(rf"\b{port}\b", "25", text)
    text = re.sub(r"<[0-9a-z]{24}@", f"<{MESSAGE_ID}@", text)
    found = dict.fromkeys(re.findall(r"\b[0-9a-z]{16}\b", text))
    for name, trace in zip(NAMES, found, strict=True):
        text = text.replace(trace, name)
    return text


def shown() -> Iterator[str]:
    """What the page shows under each command."""
    page = (ROOT / "docs" / "why.md").read_text()
    command = r"^```\n\$ pillarbox why [^\n]*\n(.*?)^```$"
    for block in re.findall(command, page, re.MULTILINE | re.DOTALL):
        yield block.strip()


async def test_every_line_is_in_the_documentation(street: Street) -> None:
    await lived(street)
    (story,) = await told(street, "example.test", "bob@other.test")
    accepted = story["events"][0]
    for word in ("1", accepted["trace"], accepted["message_id"], f"<{accepted['message_id']}>"):
        assert [one["story"] for one in await told(street, "example.test", word)] == [
            story["story"]
        ]
    texts = []
    for domain in ("example.test", "other.test"):
        (story,) = await told(street, domain, "bob@other.test")
        texts += [f"{moment(line['at'])}  {line['text']}" for line in story["lines"]]
        texts.append("")
    ours, theirs = steady(texts, street.ports).strip().split("\n\n")
    assert [ours, theirs] == list(shown()), f"docs/why.md should say:\n\n{ours}\n\n{theirs}"


async def test_who_was_refused_is_told_too(street: Street) -> None:
    await street.open("other.test", "bob")
    house = street.houses["other.test"]
    reader, writer = await asyncio.open_connection("127.0.0.1", house.ports["smtp"])
    for line in ("EHLO spam.test", "MAIL FROM:<x@spam.test>", *["RCPT TO:<no@other.test>"] * 3):
        writer.write(f"{line}\r\n".encode())
    writer.write(b"QUIT\r\n")
    assert b"221" in await reader.read()
    writer.close()
    await street.pass_time(2)
    (story,) = await told(street, "other.test", "no@other.test")
    assert story["lines"][-1]["text"] == (
        "Refused, from <x@spam.test>, for <no@other.test> (3 times):"
        " 550 5.1.1 No such recipient here"
    )
