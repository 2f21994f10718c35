"""Scripts where several processes speak and one writes: all of a delivery crosses in one piece."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
import time
from pathlib import Path

from support.whole import PASSWORD, whole_house

SCRIPT = """require ["fileinto", "copy", "vacation", "editheader"];
fileinto :copy "Archive"; addheader "X-Bob" "yes"; redirect :copy "carol@example.test";
vacation "away";
"""
LETTER = b"From: ann@example.test\r\nTo: bob@example.test\r\nSubject: x\r\n\r\nText\r\n"


def count(port: int, who: str, box: str) -> int:
    with imaplib.IMAP4("127.0.0.1", port, timeout=20) as client:
        client.login(f"{who}@example.test", PASSWORD)
        return int(client.select(box, readonly=True)[1][0] or b"0")


def deliver(ports: dict[str, int]) -> dict[str, int]:
    with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=20) as client:
        client.sendmail("ann@example.test", ["bob@example.test"], LETTER)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = {
            who + box: count(ports["imap"], who, box)
            for who, box in (
                ("bob", "INBOX"), ("bob", "Archive"), ("carol", "INBOX"), ("ann", "INBOX"),
            )
        }  # fmt: skip
        if all(found.values()):
            break
        time.sleep(0.2)
    return found


async def test_a_script_in_a_worker(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann", "bob", "carol", server={"workers": 2}) as house:
        arguments = {"address": "bob@example.test", "name": "m", "source": SCRIPT}
        await house.admin.call("sieve.put", {**arguments, "activate": True})
        found = await asyncio.to_thread(deliver, house.ports)
        assert found == {"bobINBOX": 1, "bobArchive": 1, "carolINBOX": 1, "annINBOX": 1}
        await house.admin.call("sieve.activate", {"address": "bob@example.test", "name": ""})
        with_none = await asyncio.to_thread(deliver, house.ports)
        assert with_none == {"bobINBOX": 2, "bobArchive": 1, "carolINBOX": 1, "annINBOX": 1}
