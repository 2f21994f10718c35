"""Blind copies stay blind: in nobody's copy, in nobody's report but the sender's."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.street import Street, fates
from support.whole import PASSWORD

ANN = "ann@example.test"
TEXT = (
    f"From: {ANN}\r\nTo: bob@other.test\r\nCc: dan@example.test\r\n"
    "Bcc: cat@other.test, eve@example.test,\r\n secret@example.test\r\n"
    "Subject: hello\r\n\r\nhello\r\n"
)
BLIND = [b"cat@other.test", b"eve@example.test", b"secret@example.test", b"gone@other.test"]


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        yield Street(tmp_path, stack)


async def send(street: Street, *to: str) -> None:
    port = street.houses["example.test"].ports["submission"]

    def run() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.login(ANN, PASSWORD)
            assert not client.sendmail(ANN, list(to), TEXT)

    await asyncio.to_thread(run)


async def test_nobody_learns_of_blind_copies(street: Street) -> None:
    house = await street.open("example.test", "ann", "dan", "eve")
    await street.open("other.test", "bob", "cat", "fay")
    alias = {"address": "secret@example.test", "targets": ["fay@other.test"]}
    await house.admin.call("alias.add", alias)
    to = ["bob@other.test", "dan@example.test", "cat@other.test", "eve@example.test"]
    await send(street, *to, "secret@example.test", "gone@other.test")
    await street.pass_time(1)
    for address in (*to, "fay@other.test"):
        (copy,) = await street.inbox(address)
        assert b"bcc" not in copy.lower()
        own = {address.encode()} | ({b"secret@example.test"} if address[0] == "f" else set())
        assert not [name for name in BLIND if name in copy and name not in own], address
    (report,) = await street.inbox(ANN)
    assert fates(report) == [("failed", "gone@other.test", "5.1.1")]
    assert b"bcc" not in report.lower()
    assert not [name for name in BLIND if name in report and name != b"gone@other.test"]
