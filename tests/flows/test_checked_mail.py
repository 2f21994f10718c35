"""Mail from other servers is looked at: what a spoofed, a doubtful and an honest message meet."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.app.house import House
from pillarbox.message import header
from pillarbox.message.authres import read
from pillarbox.model.numset import NumSet
from pillarbox.policy.dkim.keys import Key
from pillarbox.store.api import Column
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver
from support.signed import made, resolver, signed
from support.whole import memory_store, whole_house

BANK: Key = made("bank.test")
RECORDS = {
    BANK.name: BANK.record,
    "bank.test": "v=spf1 -all",
    "_dmarc.bank.test": "v=DMARC1; p=reject",
    "soft.test": "v=spf1 ?all",
    "_dmarc.soft.test": "v=DMARC1; p=quarantine",
    "good.test": "v=spf1 ip4:127.0.0.1 -all",
    "_dmarc.good.test": "v=DMARC1; p=reject",
}
FORGED = b"Authentication-Results: localhost; dmarc=pass header.from=bank.test\r\n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    checks = {"enabled": True, "trusted": ()}
    dns: FakeResolver = resolver(RECORDS)
    async with whole_house(
        tmp_path, "ann", opener=memory_store, resolver=dns, checks=checks
    ) as opened:
        yield opened


def mail(author: str, body: bytes = b"hello\r\n") -> bytes:
    return FORGED + f"From: A <a@{author}>\r\nSubject: x\r\n\r\n".encode() + body


async def sent(house: House, message: bytes, sender: str, *, door: str = "smtp") -> tuple[int, str]:
    """What the door answers."""

    def talk() -> tuple[int, str]:
        with smtplib.SMTP("127.0.0.1", house.ports[door], "mail.out.test") as client:
            client.ehlo()
            client.mail(sender)
            client.rcpt("ann@example.test")
            code, text = client.data(message)
            return code, text.decode()

    return await asyncio.to_thread(talk)


async def kept(house: House, name: str) -> list[bytes]:
    store = house.core.store
    account = await store.account_by_address("ann@example.test")
    assert account is not None
    box = await store.mailbox_by_name(account.id, name)
    assert box is not None
    found: list[bytes] = []
    async for rows in store.rows(account.id, box.id, NumSet([(1, 9)]), [Column.BLOB]):
        found += [await store.read(row[0]) for row in rows]  # type: ignore[arg-type]
    return found


async def test_an_honest_message(house: House) -> None:
    code, _ = await sent(house, mail("good.test"), "a@good.test")
    assert code == 250
    (message,) = await kept(house, "INBOX")
    assert FORGED not in message
    (told,) = header.every(message, b"authentication-results")
    results = {one.method: one.result for one in read(told.decode())}
    assert results == {"iprev": "permerror", "spf": "pass", "dkim": "none", "dmarc": "pass"}
    assert message.endswith(b"hello\r\n")


async def test_a_signed_one_of_many_megabytes(house: House) -> None:
    message = signed(mail("bank.test", b"x" * 70 + b"\r\n" * 60_000).replace(FORGED, b""), BANK)
    code, text = await sent(house, message, "a@out.test")
    assert code == 250, text
    (found,) = await kept(house, "INBOX")
    assert b"dkim=pass" in found[:500]


async def test_a_spoofed_one_is_refused(house: House) -> None:
    code, text = await sent(house, mail("bank.test"), "a@good.test")
    assert (code, text[:5]) == (550, "5.7.1")
    assert "bank.test" in text
    assert await kept(house, "INBOX") == []


async def test_a_doubtful_one_is_filed_as_junk(house: House) -> None:
    code, _ = await sent(house, mail("soft.test"), "a@good.test")
    assert code == 250
    assert await kept(house, "INBOX") == []
    assert len(await kept(house, "Junk")) == 1


async def test_a_header_without_end_is_not_taken_unseen(house: House) -> None:
    code, _ = await sent(house, b"X: y\r\n" * 60_000 + mail("bank.test"), "a@good.test")
    assert code == 552


async def test_other_doors_do_not_ask(house: House) -> None:
    code, _ = await sent(house, mail("good.test"), "a@good.test", door="smtp")
    assert code == 250

    def talk() -> int:
        with smtplib.LMTP("127.0.0.1", house.ports["lmtp"]) as client:
            client.ehlo()
            client.mail("a@good.test")
            client.rcpt("ann@example.test")
            return client.data(mail("bank.test"))[0]

    assert await asyncio.to_thread(talk) == 250
    by_lmtp = (await kept(house, "INBOX"))[-1]
    assert by_lmtp.count(b"Authentication-Results") == 1
    assert FORGED in by_lmtp


async def test_a_network_that_nobody_knows_comes_again(tmp_path: Path) -> None:
    clock = FakeClock()
    checks = {"enabled": True, "trusted": (), "greylist": True}
    dns: FakeResolver = resolver(RECORDS)
    async with whole_house(
        tmp_path, "ann", opener=memory_store, clock=clock, resolver=dns, checks=checks
    ) as house:
        assert (await tried(house, "smtp"))[:2] == (451, "4.7.1")
        assert (await tried(house, "lmtp"))[0] == 250
        await clock.advance(301)
        assert (await tried(house, "smtp"))[0] == 250


async def tried(house: House, door: str) -> tuple[int, str]:
    """What the door says to a recipient."""

    def talk() -> tuple[int, str]:
        kind = smtplib.LMTP if door == "lmtp" else smtplib.SMTP
        with kind("127.0.0.1", house.ports[door]) as client:
            client.ehlo("mail.out.test")
            client.mail("a@good.test")
            code, text = client.rcpt("ann@example.test")
            return code, text.decode()[:5]

    return await asyncio.to_thread(talk)


async def test_strangers_do_not_speak_for_our_filters(house: House) -> None:
    forged = b"X-Pillarbox-Junk: good; points=0;\r\n\twords=friend\r\n"
    code, _ = await sent(house, forged + mail("good.test"), "a@good.test")
    assert code == 250
    (message,) = await kept(house, "INBOX")
    assert b"Subject: x\r\n" in message
    assert b"X-Pillarbox-Junk" not in message
    assert b"words=friend" not in message
