"""Limits for those who log in, through a whole house: told at RCPT, durable, held, released."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pillarbox.config.checks import grants
from support.street import Street, fates
from support.whole import PASSWORD

ANN = "ann@example.test"
HOUR = 3600.0


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield Street(tmp_path, stack)


async def opened(street: Street, **limits: int) -> None:
    await street.open("example.test", "ann", "eve", sections={"limits": limits})
    await street.open("other.test", "bob", "cat")


async def answers(street: Street, to: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """Ann writes to them in one transaction: who was refused, and how."""
    port = street.houses["example.test"].ports["submission"]

    def run() -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.login(ANN, PASSWORD)
            try:
                return client.sendmail(ANN, list(to), f"From: {ANN}\r\nSubject: hi\r\n\r\nhi\r\n")
            except smtplib.SMTPRecipientsRefused as refused:
                return refused.recipients

    return await asyncio.to_thread(run)


async def test_more_than_an_hour_allows_is_told_and_goes_later(street: Street) -> None:
    await opened(street, hour_recipients=3)
    many = ["bob@other.test", "cat@other.test", "eve@example.test", "a@other.test", "b@other.test"]
    refused = await answers(street, many)
    assert list(refused) == ["b@other.test"]  # Eve lives here and does not count
    assert refused["b@other.test"] == (
        450, b"4.7.1 You may write to 3 recipients an hour; try again later",
    )  # fmt: skip
    assert await answers(street, ["bob@other.test"])
    assert not await answers(street, ["eve@example.test"])
    await street.pass_time(2 * HOUR)
    assert not await answers(street, ["bob@other.test"])


async def test_sessions_side_by_side_share_one_allowance(street: Street) -> None:
    await opened(street, hour_recipients=2)
    port = street.houses["example.test"].ports["submission"]

    def run() -> list[int]:
        clients = [smtplib.SMTP("127.0.0.1", port, timeout=10) for _ in range(3)]
        for client in clients:
            client.login(ANN, PASSWORD)
            client.mail(ANN)
            assert client.rcpt("bob@other.test")[0] == client.rcpt("cat@other.test")[0] == 250
        codes = [client.data(f"From: {ANN}\r\n\r\nhi\r\n")[0] for client in clients]
        for client in clients:
            client.close()
        return codes

    assert await asyncio.to_thread(run) == [250, 450, 450]


async def test_what_a_script_sends_on_of_ones_own_mail_counts(street: Street) -> None:
    """Whoever has a password could give the account a script, and write to it alone."""
    await opened(street, hour_recipients=3)
    store = street.houses["example.test"].core.store
    account = await store.account_by_address(ANN)
    assert account is not None
    script = b'redirect "bob@other.test"; redirect "cat@other.test";'
    await store.put_script(account.id, "s", script)
    await store.activate_script(account.id, "s")
    for _ in range(2):
        assert not await answers(street, [ANN])
    await street.pass_time(1)
    found = [len(await street.inbox(f"{name}@other.test")) for name in ("bob", "cat")]
    assert found == [2, 1]
    assert len(await street.inbox(ANN)) == 1
    assert await answers(street, ["bob@other.test"])


async def test_limits_of_an_account_go_before_those_of_the_house(street: Street) -> None:
    await opened(street, hour_recipients=1)
    admin = street.houses["example.test"].admin
    await admin.call("account.set", {"address": ANN, "hour_limit": 2})
    assert not await answers(street, ["bob@other.test", "cat@other.test"])
    await admin.call("account.set", {"address": ANN, "hour_limit": -1})
    refused = await answers(street, ["bob@other.test"])
    assert refused["bob@other.test"][0] == 550


async def test_an_address_that_bounced_is_refused_until_it_is_let_through(street: Street) -> None:
    await opened(street)
    admin = street.houses["example.test"].admin
    await street.write("nobody@other.test")
    await street.pass_time(1)
    (report,) = await street.inbox(ANN)
    assert fates(report) == [("failed", "nobody@other.test", "5.1.1")]
    refused = await answers(street, ["NOBODY@other.test", "bob@other.test"])
    code, text = refused["NOBODY@other.test"]
    assert (code, text[:5]) == (550, b"5.1.1")
    assert b"No such recipient here" in text
    await admin.call("suppression.remove", {"owner": ANN, "address": "nobody@other.test"})
    assert not await answers(street, ["nobody@other.test"])
    await street.pass_time(1)
    assert await answers(street, ["nobody@other.test"])
    store = street.houses["example.test"].core.store
    (entry,) = await store.suppressions(ANN)
    await store.suppress([replace(entry, at=entry.at - 31 * 24 * HOUR)])
    assert not await answers(street, ["nobody@other.test"])  # it lapses by itself too


async def test_a_burst_is_held_and_somebody_told_once(street: Street) -> None:
    await opened(street, burst_recipients=3)
    house = street.houses["example.test"]
    await house.admin.call(
        "alias.add", {"address": "postmaster@example.test", "targets": ["eve@example.test"]}
    )
    assert not await answers(street, ["bob@other.test"])
    for _ in range(2):
        refused = await answers(street, ["bob@other.test", "cat@other.test", "eve@example.test"])
        assert not refused  # a thief learns nothing
    await street.pass_time(5 * HOUR)
    assert len(await street.inbox("bob@other.test")) == 1
    (letter,) = await street.inbox("eve@example.test")
    assert b"Subject: Held: mail of ann@example.test" in letter
    held = await house.core.store.queue_items()
    assert [{row.state for row in item.recipients} for item in held] == [{"held"}, {"held"}]
    assert all("does not look like ann@example.test" in item.held for item in held)
    release = {"state": "held", "sender": ANN}
    await house.admin.call("queue.release", release)
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 3
    assert len(await street.inbox("eve@example.test")) == 3


async def test_owners_are_told_of_mail_that_waits_for_them(street: Street) -> None:
    await opened(street)
    admin = street.houses["example.test"].admin
    talk = "talk@example.test"
    await admin.call("list.add", {"address": talk, "others": "hold"})
    await admin.call("list.join", {"address": talk, "members": ["eve@example.test"], "owner": True})
    for _ in range(3):
        await street.write(talk)
    await street.pass_time(1)
    (letter,) = await street.inbox("eve@example.test")
    assert b"Subject: Mail to talk@example.test waits" in letter
    assert b"ann@example.test" in letter


@pytest.mark.parametrize(
    ("mail", "code"),
    [
        ({}, 550),
        ({"send_as": grants(["ann@example.test=Eve@example.test"])}, 250),
        ({"send_as": grants(["ann@example.test=@example.test"])}, 250),
        ({"authors": "any"}, 250),
    ],
)
async def test_nobody_writes_in_the_name_of_another(
    street: Street, mail: dict[str, object], code: int
) -> None:
    await street.open("example.test", "ann", "eve", **mail)
    port = street.houses["example.test"].ports["submission"]

    def run() -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.login(ANN, PASSWORD)
            client.mail(ANN)
            client.rcpt("eve@example.test")
            return client.data("From: Eve <eve@example.test>\r\nSubject: pay\r\n\r\nhi\r\n")

    answer = await asyncio.to_thread(run)
    assert answer[0] == code
    if code != 250:
        said = b"5.7.1 From says eve@example.test, which is not an address of yours"
        assert answer[1] == said
