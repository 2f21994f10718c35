"""Lists in a street of two houses: everybody's own copy, signed, with a way out that works."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email.message import EmailMessage
from pathlib import Path

import dkim
import pytest

from pillarbox.app.house import House
from pillarbox.policy.dkim.ring import KeyRing
from support.street import Street, fates
from support.whole import PASSWORD

TALK = "talk@example.test"


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield Street(tmp_path, stack)


async def opened(street: Street, *members: str, **options: str) -> House:
    """The list lives with Ann, who is its only owner; Bob and Cat live next door."""
    house = await street.open("example.test", "ann", "dan")
    await street.open("other.test", "bob", "cat")
    await house.admin.call("list.add", {"address": TALK, "title": "Talk", **options})
    join = {"address": TALK, "members": ["ann@example.test"], "owner": True}
    await house.admin.call("list.join", join)
    if members:
        await house.admin.call("list.join", {"address": TALK, "members": list(members)})
    return house


async def letters(street: Street, address: str) -> list[EmailMessage]:
    raw = await street.inbox(address)
    return [email.message_from_bytes(one, policy=email.policy.SMTP) for one in raw]  # type: ignore[misc]


def uris(letter: EmailMessage) -> list[str]:
    return re.findall(r"<([^>]+)>", str(letter["List-Unsubscribe"]))


async def submit(street: Street, user: str, to: str, text: str, sender: str | None = None) -> None:
    """A message as it is, to the house of ``user``."""
    port = street.houses[user.partition("@")[2]].ports["submission"]

    def run() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.login(user, PASSWORD)
            client.sendmail(user if sender is None else sender, [to], text)

    await asyncio.to_thread(run)


async def test_everybody_gets_a_copy_of_their_own(street: Street) -> None:
    keys = KeyRing(street.directory / "example.test" / "data" / "dkim").add(
        "example.test", "20260101"
    )
    await opened(street, "bob@other.test", "cat@other.test", "dan@example.test")
    await street.write(TALK, user="bob@other.test")
    await street.pass_time(1)
    ways = set()
    for address in ("ann@example.test", "dan@example.test", "bob@other.test", "cat@other.test"):
        (letter,) = await letters(street, address)
        assert letter["List-Id"] == "Talk <talk.example.test>"
        assert str(letter["From"]) == "bob@other.test"
        (way,) = uris(letter)
        ways.add(way)
        assert str(letter["Return-Path"]).startswith("<talk-bounces+")
    assert len(ways) == 4
    (raw,) = await street.inbox("bob@other.test")
    records = {key.name: key.record.encode() for key in keys}
    found = dkim.DKIM(raw)
    assert found.verify(0, dnsfunc=lambda name, **_: records[name.decode().rstrip(".")])
    assert b"list-unsubscribe" in found.signature_fields[b"h"].lower()


async def test_leaving_by_mail(street: Street) -> None:
    house = await opened(street, "bob@other.test", "cat@other.test")
    await street.write(TALK)
    await street.pass_time(1)
    (letter,) = await letters(street, "bob@other.test")
    way = uris(letter)[0].removeprefix("mailto:")
    await street.write(way, user="bob@other.test")
    await street.pass_time(1)
    await street.write(TALK)
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 1
    assert len(await street.inbox("cat@other.test")) == 2
    (entry,) = (await house.admin.call("suppression.list", {}))["suppressions"]
    assert (entry["address"], entry["cause"]) == ("bob@other.test", "unsubscribed")


async def test_leaving_without_a_token_is_asked_back(street: Street) -> None:
    await opened(street, "bob@other.test")
    for _ in range(3):  # anybody can write in Bob's name, as often as he likes
        await street.write("talk-unsubscribe@example.test", user="bob@other.test")
    await street.write("talk-unsubscribe@example.test", user="cat@other.test")  # not on it
    await street.pass_time(1)
    (question,) = await letters(street, "bob@other.test")
    assert "Leave the list" in str(question["Subject"])
    (report,) = await street.inbox("cat@other.test")
    assert fates(report) == [("failed", "talk-unsubscribe@example.test", "5.1.1")]
    await street.write(str(question["From"]).rpartition("<")[2].strip("<>"), user="bob@other.test")
    await street.pass_time(1)
    await street.write(TALK)
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 1


async def test_an_address_that_bounces_gets_nothing_more(street: Street) -> None:
    house = await opened(street, "nobody@other.test", "cat@other.test")
    await street.write(TALK)
    await street.pass_time(1)
    await street.write(TALK)
    await street.pass_time(1)
    assert len(await street.inbox("cat@other.test")) == 2
    assert len(await street.inbox("ann@example.test")) == 2  # copies, and no report
    members = (await house.admin.call("list.members", {"address": TALK}))["members"]
    found = {member["address"]: member["suppressed"] for member in members}
    assert found["nobody@other.test"] == "bounce"
    (entry,) = (await house.admin.call("suppression.list", {"owner": TALK}))["suppressions"]
    assert "550 5.1.1" in entry["detail"]


async def test_a_report_that_comes_back_later_counts_too(street: Street) -> None:
    """Bob forwards to an address that does not exist: only his house learns of it."""
    house = await opened(street, "bob@other.test")
    forward = {"address": "bob@other.test", "targets": ["gone@example.test"], "keep_copy": False}
    await street.houses["other.test"].admin.call("account.forward", forward)
    await street.write(TALK)
    await street.pass_time(10)
    (entry,) = (await house.admin.call("suppression.list", {"owner": TALK}))["suppressions"]
    assert (entry["address"], entry["cause"]) == ("bob@other.test", "bounce")


async def test_strangers_are_refused_before_their_mail_is_taken(street: Street) -> None:
    await opened(street, "bob@other.test")
    with pytest.raises(smtplib.SMTPDataError, match="Only members") as refused:
        await street.write(TALK, user="dan@example.test")
    assert refused.value.smtp_code == 550
    await street.write(TALK, user="cat@other.test")
    await street.pass_time(1)
    (report,) = await street.inbox("cat@other.test")
    assert fates(report) == [("failed", TALK, "5.7.2")]
    assert await street.inbox("bob@other.test") == []


async def test_a_stranger_who_writes_to_others_too_hears_of_the_list_alone(street: Street) -> None:
    await opened(street, "bob@other.test")
    await street.write(TALK, "ann@example.test", user="dan@example.test")
    await street.pass_time(1)
    assert len(await street.inbox("ann@example.test")) == 1
    (report,) = await street.inbox("dan@example.test")
    assert fates(report) == [("failed", TALK, "5.7.2")]


async def test_mail_of_strangers_waits_for_somebody_to_look(street: Street) -> None:
    house = await opened(street, "bob@other.test", others="hold")
    await street.write(TALK, user="dan@example.test")
    await street.pass_time(1)
    assert await street.inbox("bob@other.test") == []
    (item,) = await house.core.store.queue_items()
    assert item.held == f"somebody has to look at mail to {TALK}"
    told = await house.admin.call("why", {"word": str(item.id)})
    assert "somebody has to look at mail" in str(told)
    await house.admin.call("queue.release", {"items": [item.id]})
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 1


async def test_automatic_answers_and_what_was_here_before_do_not_come_in(street: Street) -> None:
    await opened(street, "bob@other.test", post="anyone")
    auto = "From: dan@example.test\r\nAuto-Submitted: auto-replied\r\n\r\nI am away\r\n"
    again = "From: dan@example.test\r\nList-Id: <talk.example.test>\r\n\r\nhello\r\n"
    for text in (auto, again):
        with pytest.raises(smtplib.SMTPDataError):
            await submit(street, "dan@example.test", TALK, text)
    await street.pass_time(1)
    assert await street.inbox("bob@other.test") == []


async def test_a_list_on_a_list_that_is_on_it(street: Street) -> None:
    """Each member gets one copy of each list, and that is the end of it."""
    house = await opened(street, "bob@other.test", post="anyone")
    await house.admin.call("list.add", {"address": "all@example.test", "post": "anyone"})
    join = {"address": "all@example.test", "members": [TALK, "cat@other.test"]}
    await house.admin.call("list.join", join)
    await house.admin.call("list.join", {"address": TALK, "members": ["all@example.test"]})
    await street.write(TALK, user="dan@example.test")
    await street.pass_time(10)
    assert len(await street.inbox("bob@other.test")) == 1
    assert len(await street.inbox("cat@other.test")) == 1


async def test_owners_get_what_is_for_owners(street: Street) -> None:
    await opened(street, "bob@other.test")
    await street.write("talk-owner@example.test", user="cat@other.test")
    await street.pass_time(1)
    assert len(await street.inbox("ann@example.test")) == 1
    assert await street.inbox("bob@other.test") == []
