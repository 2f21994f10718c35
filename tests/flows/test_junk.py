"""A filter that learns from what a mail program does, in a whole house."""

from __future__ import annotations

import asyncio
import imaplib
import json
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pillarbox.app.house import House
from pillarbox.testing.dns import FakeResolver
from support.whole import PASSWORD, whole_house

ANN = "ann@example.test"
LEAST = 4
FILLING = [
    "alpha",
    "bravo",
    "charlie",
    "delta",
    "echo",
    "foxtrot",
    "golf",
    "hotel",
    "india",
    "juliett",
    "kilo",
    "lima",
]
CHEAP = [
    "cheap",
    "pills",
    "casino",
    "winner",
    "prize",
    "lottery",
    "bitcoin",
    "viagra",
    "discount",
    "unsubscribe",
    "click",
]
WORK = [
    "meeting",
    "agenda",
    "minutes",
    "budget",
    "project",
    "invoice",
    "quarter",
    "review",
    "deadline",
    "report",
    "plan",
]


def letter(number: int, kind: list[str], subject: str) -> bytes:
    words = " ".join([*kind, FILLING[number % len(FILLING)]])
    head = f"From: A{number} <a@out.test>\r\nSubject: {subject}\r\nMessage-ID: <{number}@out.test>"
    return f"{head}\r\n\r\n{words}\r\n".encode()


def send(port: int, *letters: bytes, to: tuple[str, ...] = (ANN,)) -> None:
    with smtplib.SMTP("127.0.0.1", port, "mail.out.test") as client:
        for one in letters:
            client.sendmail("a@out.test", to, one)


class Reader:
    """A mail program of Ann's."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.imap = imaplib.IMAP4("127.0.0.1", house.ports["imap"], timeout=20)
        self.imap.login(ANN, PASSWORD)

    def uids(self, box: str) -> list[str]:
        self.imap.select(box)
        return self.imap.uid("SEARCH", "ALL")[1][0].decode().split()  # type: ignore[no-any-return]

    def subjects(self, box: str) -> list[str]:
        self.imap.select(box)
        found = []
        for number in self.imap.search(None, "ALL")[1][0].split():
            part = self.imap.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0]
            found.append(part[1].decode().strip().removeprefix("Subject: "))
        return found

    def text(self, box: str) -> bytes:
        self.imap.select(box)
        return self.imap.fetch("*", "(BODY.PEEK[])")[1][0][1]  # type: ignore[no-any-return]

    def move(self, box: str, to: str, uids: list[str] | None = None) -> None:
        chosen = ",".join(uids or self.uids(box))
        self.imap.select(box)
        assert self.imap.uid("MOVE", chosen, to)[0] == "OK"

    def mark(self, box: str, how: str, flag: str) -> None:
        self.imap.select(box)
        assert self.imap.store("1:*", how, flag)[0] == "OK"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    filters = {"learn_least": LEAST}
    async with whole_house(
        tmp_path, "ann", "bob", resolver=FakeResolver({}), filters=filters
    ) as opened:
        yield opened


async def status(house: House) -> tuple[int, int]:
    """Junk and good mail that was learned, once what waits is learned."""
    value = await house.admin.call("junk.status", {"address": ANN})
    return value["junk"], value["good"]


async def becomes(house: House, junk: int, good: int) -> None:
    async with asyncio.timeout(20):
        while await status(house) != (junk, good):  # noqa: ASYNC110  (learned behind the command)
            await asyncio.sleep(0.02)


async def taught(house: House) -> Reader:
    """Ann moved four letters to Junk and four to her archive."""
    smtp, act = house.ports["smtp"], asyncio.to_thread
    reader = await act(Reader, house)
    await act(send, smtp, *(letter(n, CHEAP, "offer") for n in range(LEAST)))
    await act(reader.move, "INBOX", "Junk")
    await becomes(house, LEAST, 0)
    await act(send, smtp, *(letter(n, WORK, "work") for n in range(10, 10 + LEAST)))
    assert await act(reader.subjects, "INBOX") == ["work"] * LEAST
    await act(reader.move, "INBOX", "Archive")
    await becomes(house, LEAST, LEAST)
    return reader


async def why(house: House, what: str) -> str:
    value: dict[str, Any] = await house.admin.call("why", {"word": what})
    return json.dumps(value, ensure_ascii=False)


async def test_what_was_moved_to_junk_teaches(house: House) -> None:
    smtp, act = house.ports["smtp"], asyncio.to_thread
    reader = await taught(house)
    await act(send, smtp, letter(20, CHEAP, "news"), letter(21, WORK, "minutes"))
    assert await act(reader.subjects, "INBOX") == ["minutes"]
    assert (await act(reader.subjects, "Junk"))[-1] == "news"
    field = await act(reader.text, "Junk")
    assert b"X-Pillarbox-Junk: junk; points=100;\r\n\twords=" in field
    assert b"X-Pillarbox-Junk: good; points=" in await act(reader.text, "INBOX")
    told = await why(house, "20@out.test")
    assert "it reads like what ann@example.test calls junk (100 of 100 points" in told
    assert "delivered to mailbox Junk" in told
    assert "it reads like the good mail of ann@example.test" in await why(house, "21@out.test")
    await act(reader.imap.logout)


async def test_others_have_filters_of_their_own(house: House) -> None:
    smtp, act = house.ports["smtp"], asyncio.to_thread
    reader = await taught(house)
    both = (ANN, "bob@example.test")
    await act(lambda: send(smtp, letter(30, CHEAP, "both"), to=both))
    assert (await act(reader.subjects, "Junk"))[-1] == "both"
    # Bob sees his copy where it would be without Ann, and nothing of her judgement.
    assert b"X-Pillarbox-Junk" not in await act(reader.text, "Junk")
    told = await why(house, "30@out.test")
    assert "delivered to mailbox INBOX of bob@example.test" in told
    assert "delivered to mailbox Junk of ann@example.test" in told
    await act(reader.imap.logout)


async def test_moving_back_takes_it_back(house: House) -> None:
    act = asyncio.to_thread
    reader = await taught(house)
    await act(reader.move, "Junk", "INBOX")
    await becomes(house, 0, 2 * LEAST)
    await act(reader.move, "INBOX", "Junk")
    await becomes(house, LEAST, LEAST)
    await act(reader.move, "Junk", "Trash")  # says nothing
    await act(reader.mark, "Trash", "-FLAGS", "($Junk)")
    await act(reader.mark, "Trash", "+FLAGS", "($NotJunk)")
    await becomes(house, 0, 2 * LEAST)
    await act(reader.mark, "Trash", "-FLAGS", "($NotJunk)")
    await becomes(house, 0, LEAST)
    await act(reader.mark, "Trash", "+FLAGS", "($Junk)")
    await becomes(house, LEAST, LEAST)
    await act(reader.imap.logout)


async def test_before_it_knows_enough_it_says_nothing(house: House) -> None:
    smtp, act = house.ports["smtp"], asyncio.to_thread
    reader = await act(Reader, house)
    await act(send, smtp, *(letter(n, CHEAP, "offer") for n in range(LEAST)))
    await act(reader.move, "INBOX", "Junk")
    await becomes(house, LEAST, 0)
    await act(send, smtp, letter(9, CHEAP, "offer"))
    assert b"X-Pillarbox-Junk" not in await act(reader.text, "INBOX")
    await act(reader.imap.logout)


async def test_learning_from_what_is_there(house: House) -> None:
    smtp, act = house.ports["smtp"], asyncio.to_thread
    reader = await taught(house)
    await house.admin.call("junk.forget", {"address": ANN})
    assert await status(house) == (0, 0)
    await act(send, smtp, letter(40, WORK, "unread"))
    await act(reader.mark, "Archive", "+FLAGS", "(\\Seen)")
    place: dict[str, Any] = {"mailbox": 0, "after": 0}
    learned, rounds = 0, 0
    while True:
        done = await house.admin.call("junk.learn", {"address": ANN, **place})
        place = {"mailbox": done["mailbox"], "after": done["after"]}
        learned, rounds = learned + done["learned"], rounds + 1
        if done["done"]:
            break
    assert (learned, rounds) == (2 * LEAST, 3)
    assert await status(house) == (LEAST, LEAST)
    await act(reader.imap.logout)


async def test_a_script_sees_it_and_keeps_it_where_it_belongs(house: House) -> None:
    smtp, act = house.ports["smtp"], asyncio.to_thread
    reader = await taught(house)
    script = """require ["spamtest", "relational", "comparator-i;ascii-numeric", "imap4flags"];
        if spamtest :value "ge" :comparator "i;ascii-numeric" "5" { addflag "Suspect"; }"""
    names = {"address": ANN, "name": "s", "source": script, "activate": True}
    await house.admin.call("sieve.put", names)
    await act(send, smtp, letter(50, CHEAP, "scripted"), letter(51, WORK, "fine"))
    assert await act(reader.subjects, "INBOX") == ["fine"]
    assert (await act(reader.subjects, "Junk"))[-1] == "scripted"
    flags = (await act(reader.imap.fetch, "*", "(FLAGS)"))[1][0]
    assert b"Suspect" in flags
    assert b"$Junk" in flags
    await act(reader.imap.logout)


async def test_what_is_not_yet_learned_is_learned_at_the_end(tmp_path: Path) -> None:
    act = asyncio.to_thread
    async with whole_house(tmp_path, "ann", resolver=FakeResolver({})) as house:
        reader = await act(Reader, house)
        await act(send, house.ports["smtp"], *(letter(n, CHEAP, "offer") for n in range(30)))
        await act(reader.move, "INBOX", "Junk")
        await act(reader.imap.logout)
    async with whole_house(tmp_path, resolver=FakeResolver({})) as house:
        assert await status(house) == (30, 0)
