"""Two houses mail each other: real sockets, fake time, each the other's smarthost.

Ann lives in the first house (example.test), Bob in the second (other.test).
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import dkim
import pytest

from pillarbox.policy.dkim.ring import KeyRing
from support.street import Street, fates

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield Street(tmp_path, stack)


async def test_there_and_back(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.open("other.test", "bob")
    await street.write("bob@other.test")
    await street.pass_time(1)
    (message,) = await street.inbox("bob@other.test")
    assert b"Subject: hello" in message
    assert message.count(b"Return-Path:") == 1
    assert b"with ESMTPS" in message
    await street.write("ann@example.test", user="bob@other.test")
    await street.pass_time(1)
    assert len(await street.inbox("ann@example.test")) == 1


async def test_signed_on_the_way(street: Street) -> None:
    keys = KeyRing(street.directory / "example.test" / "data" / "dkim").add(
        "example.test", "20260101"
    )
    await street.open("example.test", "ann")
    await street.open("other.test", "bob")
    await street.write("bob@other.test")
    await street.pass_time(1)
    (message,) = await street.inbox("bob@other.test")
    records = {key.name: key.record.encode() for key in keys}
    for index in range(2):
        found = dkim.DKIM(message)
        assert found.verify(index, dnsfunc=lambda name, **_: records[name.decode().rstrip(".")])


async def test_unknown_there_is_told_here(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.open("other.test", "bob")
    await street.write("bob@other.test", "nobody@other.test")
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 1
    (report,) = await street.inbox("ann@example.test")
    assert fates(report) == [("failed", "nobody@other.test", "5.1.1")]
    assert b"No such recipient here" in report
    await street.pass_time(6 * DAY)
    assert len(await street.inbox("ann@example.test")) == 1


async def test_down_until_day_two(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.write("bob@other.test")
    await street.pass_time(3.9 * HOUR)
    assert await street.inbox("ann@example.test") == []
    await street.pass_time(0.2 * HOUR)
    (notice,) = await street.inbox("ann@example.test")
    assert fates(notice) == [("delayed", "bob@other.test", "4.4.1")]
    await street.pass_time(1.5 * DAY)
    await street.open("other.test", "bob")
    await street.pass_time(6 * DAY)
    assert len(await street.inbox("bob@other.test")) == 1
    assert len(await street.inbox("ann@example.test")) == 1


async def test_down_for_five_days(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.write("bob@other.test")
    await street.pass_time(6 * DAY)
    notice, report = await street.inbox("ann@example.test")
    assert fates(notice)[0][0] == "delayed"
    assert fates(report) == [("failed", "bob@other.test", "4.4.1")]
    house = street.houses["example.test"]
    assert await house.core.store.queue_items() == []
    (story,) = (await house.admin.call("why", {"word": "bob@other.test"}))["stories"]
    tries = [event for event in story["events"] if event["kind"] == "attempted"]
    waits = [round(b["at"] - a["at"]) for a, b in pairwise(tries)]
    ideal = [300, 600, 1200, 2400, 4800, 9600]
    for wait, wanted in zip(waits, ideal[:5], strict=False):
        assert 0.8 * wanted <= wait <= 1.2 * wanted
    assert tries[0]["at"] + 4 * HOUR in [one["at"] for one in tries]  # to tell of the delay
    late = [
        wait
        for one, wait in zip(tries, waits, strict=False)
        if one["at"] - tries[0]["at"] > 5 * HOUR
    ]
    assert all(0.8 * 4 * HOUR <= wait <= 1.2 * 4 * HOUR for wait in late)
    assert 5 * DAY - 5 * HOUR < tries[-1]["at"] - tries[0]["at"] < 5 * DAY
    assert [one["state"] for one in tries] == ["due"] * (len(tries) - 1) + ["failed"]
    assert [one["owed"] for one in tries if "owed" in one] == ["delayed", "failed"]


async def test_success_is_told_by_the_house_that_knows(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.open("other.test", "bob")
    await street.write(
        "bob@other.test", mail=["ENVID=QQ1"], rcpt=["NOTIFY=SUCCESS", "ORCPT=rfc822;Bob@Other.test"]
    )
    await street.pass_time(1)
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 1
    (report,) = await street.inbox("ann@example.test")
    assert fates(report) == [("delivered", "bob@other.test", "2.1.5")]
    assert b"Reporting-MTA: dns; mail.other.test" in report
    assert b"Original-Envelope-Id: QQ1" in report
    assert b"Original-Recipient: rfc822;Bob@Other.test" in report


async def test_never_is_never(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.open("other.test", "bob")
    await street.write("nobody@other.test", rcpt=["NOTIFY=NEVER"])
    await street.pass_time(6 * DAY)
    assert await street.inbox("ann@example.test") == []
    assert await street.houses["example.test"].core.store.queue_items() == []


async def test_sent_later(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.open("other.test", "bob")
    await street.write("bob@other.test", "ann@example.test", mail=["HOLDFOR=7200"])
    await street.pass_time(1.9 * HOUR)
    assert await street.inbox("bob@other.test") == []
    assert await street.inbox("ann@example.test") == []
    await street.pass_time(0.2 * HOUR)
    assert len(await street.inbox("bob@other.test")) == 1
    assert len(await street.inbox("ann@example.test")) == 1


async def test_in_time_or_not_at_all(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.write("bob@other.test", mail=["BY=3600;R"])
    await street.pass_time(2 * HOUR)
    (report,) = await street.inbox("ann@example.test")
    assert fates(report)[0][:2] == ("failed", "bob@other.test")
    await street.open("other.test", "bob")
    await street.pass_time(6 * HOUR)
    assert await street.inbox("bob@other.test") == []


async def test_forwarded_mail_passes_on_under_our_name_and_its_bounce_finds_back(
    street: Street,
) -> None:
    """Bob writes to an alias of Ann's house that leads to somebody who is not in his own."""
    here = await street.open("example.test", "ann")
    await street.open("other.test", "bob", "eve")
    for name, target in (("list", "eve@other.test"), ("lost", "nobody@other.test")):
        await here.admin.call("alias.add", {"address": f"{name}@example.test", "targets": [target]})
    await street.write("list@example.test", user="bob@other.test")
    await street.pass_time(1)
    await street.pass_time(1)
    (message,) = await street.inbox("eve@other.test")
    top = message.partition(b"\r\n")[0]
    assert top.startswith(b"Return-Path: <SRS0=")
    sender = top.partition(b"<")[2].rstrip(b">").decode()
    assert sender.endswith("=other.test=bob@example.test")

    def bounce(*to: str) -> None:
        with smtplib.SMTP("127.0.0.1", street.ports[0], timeout=10) as client:
            client.sendmail("", list(to), "From: x@y.test\r\nSubject: bounce\r\n\r\nx\r\n")

    await asyncio.to_thread(bounce, sender)
    await street.pass_time(1)
    (back,) = await street.inbox("bob@other.test")
    assert b"Subject: bounce" in back
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await asyncio.to_thread(bounce, sender.replace("=bob@", "=ann@"))
    await street.write("lost@example.test", user="bob@other.test")
    await street.pass_time(1)
    await street.pass_time(1)
    report = (await street.inbox("bob@other.test"))[-1]
    assert fates(report) == [("failed", "nobody@other.test", "5.1.1")]
