"""Two houses mail each other: real sockets, fake time, each the other's smarthost.

Ann lives in the first house (example.test), Bob in the second (other.test).
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import smtplib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dkim
import pytest

from pillarbox.app.house import House
from pillarbox.config.checks import Bind
from pillarbox.model.numset import NumSet
from pillarbox.policy.dkim.ring import KeyRing
from pillarbox.store.api import Column
from pillarbox.testing.clock import FakeClock
from support.whole import PASSWORD, configuration, memory_store

HOUR = 3600.0
DAY = 24 * HOUR


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Street:
    """Both houses; the second may be shut for a while."""

    directory: Path
    stack: AsyncExitStack
    clock: FakeClock = field(default_factory=FakeClock)
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    houses: dict[str, House] = field(default_factory=dict)
    shutters: dict[str, AsyncExitStack] = field(default_factory=dict)

    async def open(self, domain: str, *people: str, **mail: Any) -> House:
        mine, other = self.ports if domain == "example.test" else self.ports[::-1]
        config = configuration(
            self.directory / domain,
            server={"hostname": f"mail.{domain}"},
            listen={"smtp": (Bind("127.0.0.1", mine),)},
            send={
                "enabled": True,
                "smarthost": f"127.0.0.1:{other}",
                "smarthost_tls": "opportunistic",
            },
            mail=mail,
        )
        shutter = await self.stack.enter_async_context(AsyncExitStack())
        house = House(config, opener=memory_store, clock=self.clock)
        await shutter.enter_async_context(house)
        await house.admin.call("domain.add", {"name": domain})
        for name in people:
            arguments = {"address": f"{name}@{domain}", "password": PASSWORD}
            await house.admin.call("account.add", arguments)
        self.houses[domain], self.shutters[domain] = house, shutter
        return house

    async def write(
        self,
        *to: str,
        user: str = "ann@example.test",
        mail: Sequence[str] = (),
        rcpt: Sequence[str] = (),
    ) -> None:
        """Submit a message as ``user``; ``mail`` and ``rcpt`` are ESMTP parameters."""
        port = self.houses[user.partition("@")[2]].ports["submission"]

        def submit() -> None:
            with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
                client.login(user, PASSWORD)
                text = f"From: {user}\r\nSubject: hello\r\n\r\nhello\r\n"
                refused = client.sendmail(user, list(to), text, list(mail), list(rcpt))
                assert not refused

        await asyncio.to_thread(submit)

    async def inbox(self, address: str) -> list[bytes]:
        store = self.houses[address.partition("@")[2]].core.store
        person = await store.account_by_address(address)
        assert person is not None
        box = await store.mailbox_by_name(person.id, "INBOX")
        assert box is not None
        out: list[bytes] = []
        async for rows in store.rows(person.id, box.id, NumSet([(1, 9999)]), [Column.BLOB]):
            out += [await store.read(row[0]) for row in rows]  # type: ignore[arg-type]
        return out

    async def until(self, done: Callable[[], Any], seconds: float = 20.0) -> None:
        """Let sockets work, without time passing for the houses, until ``done``."""
        async with asyncio.timeout(seconds):
            while not await done():  # noqa: ASYNC110  (it is sockets that are waited for)
                await asyncio.sleep(0.01)

    async def quiet(self) -> bool:
        """No house has work under way or due."""
        for house in self.houses.values():
            if house._handlers is None or house._handlers.runner._running:
                return False
            due = await house.core.store.next_due()
            if due is not None and due <= self.clock.now():
                return False
        return True

    async def pass_time(self, seconds: float, step: float = 150.0) -> None:
        """Fake time, in steps, with all that it brings about."""
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            await self.until(self.quiet)
            due = [await house.core.store.next_due() for house in self.houses.values()]
            soonest = min((at for at in due if at is not None), default=end)
            await self.clock.advance(
                min(max(soonest - self.clock.now(), 1.0), end - self.clock.now())
            )
        await self.until(self.quiet)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield Street(tmp_path, stack)


def fates(report: bytes) -> list[tuple[str, str, str]]:
    """Action, recipient and status of each group of a report."""
    found = email.message_from_bytes(report, policy=email.policy.SMTP)
    assert found.get_content_type() == "multipart/report", report
    status = next(p for p in found.walk() if p.get_content_type() == "message/delivery-status")
    groups = [group for group in status.walk() if group["Final-Recipient"]]
    return [
        (str(g["Action"]), str(g["Final-Recipient"]).split("; ")[1], str(g["Status"]))
        for g in groups
    ]


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
    assert await street.houses["example.test"].core.store.queue_items() == []


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
