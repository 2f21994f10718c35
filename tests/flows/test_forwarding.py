"""Mail that goes on to other addresses, in a street of two houses: it arrives, its bounces find
back, and in a circle it goes round once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.street import Street, fates


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield Street(tmp_path, stack)


async def forward(street: Street, address: str, *targets: str, keep: bool = True) -> None:
    house = street.houses[address.partition("@")[2]]
    wanted = {"address": address, "targets": list(targets), "keep_copy": keep}
    await house.admin.call("account.forward", wanted)


async def test_forwarded_with_and_without_a_copy(street: Street) -> None:
    await street.open("example.test", "ann", "eve")
    await street.open("other.test", "bob", "cat")
    await forward(street, "bob@other.test", "eve@example.test")
    await forward(street, "cat@other.test", "eve@example.test", keep=False)
    await street.write("bob@other.test")
    await street.write("cat@other.test")
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 1
    assert await street.inbox("cat@other.test") == []
    first, second = sorted(await street.inbox("eve@example.test"))
    assert b"Return-Path: <SRS0=" in first
    assert b"\r\nDelivered-To: bob@other.test\r\n" in first + second
    assert b"\r\nDelivered-To: cat@other.test\r\n" in first + second


async def test_a_bounce_of_forwarded_mail_finds_its_sender(street: Street) -> None:
    await street.open("example.test", "ann")
    await street.open("other.test", "bob")
    await forward(street, "bob@other.test", "nobody@example.test")
    await street.write("bob@other.test")
    await street.pass_time(1)
    assert len(await street.inbox("bob@other.test")) == 1
    (report,) = await street.inbox("ann@example.test")
    assert fates(report) == [("failed", "nobody@example.test", "5.1.1")]


async def test_two_who_forward_to_each_other_have_one_copy_each(street: Street) -> None:
    """Across two houses nobody sees the circle before mail has gone round it."""
    await street.open("example.test", "ann", "eve")
    await street.open("other.test", "bob")
    await forward(street, "bob@other.test", "eve@example.test")
    await forward(street, "eve@example.test", "bob@other.test")
    await street.write("bob@other.test")
    await street.pass_time(3600)
    assert len(await street.inbox("bob@other.test")) == 2  # the second time it was not sent on
    assert len(await street.inbox("eve@example.test")) == 1
    (report,) = await street.inbox("ann@example.test")
    assert fates(report) == [("failed", "eve@example.test", "5.4.6")]


async def test_a_circle_in_which_nobody_keeps_mail_ends_with_a_report(street: Street) -> None:
    await street.open("example.test", "ann", "eve")
    await street.open("other.test", "bob")
    await forward(street, "bob@other.test", "eve@example.test", keep=False)
    await forward(street, "eve@example.test", "bob@other.test", keep=False)
    await street.write("bob@other.test")
    await street.pass_time(3600)
    (report,) = await street.inbox("ann@example.test")
    assert fates(report) == [("failed", "eve@example.test", "5.4.6")]
