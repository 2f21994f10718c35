"""One click, as a mail program does it: from the fields of a member's copy to the page of the
house, by HTTPS with its certificate checked."""

from __future__ import annotations

import asyncio
import email
import email.policy
import http.client
import re
import smtplib
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pillarbox.app.house import House
from pillarbox.config.checks import Bind
from pillarbox.model.numset import NumSet
from pillarbox.store.api import Column
from support.street import free_port
from support.whole import PASSWORD, whole_house

TALK = "talk@example.test"


async def copy_of(house: House, address: str) -> email.message.EmailMessage:
    """The one message in somebody's INBOX."""
    store = house.core.store
    person = await store.account_by_address(address)
    assert person is not None
    box = await store.mailbox_by_name(person.id, "INBOX")
    assert box is not None
    found: list[bytes] = []
    async with asyncio.timeout(20):
        while not found:
            await asyncio.sleep(0.02)
            async for rows in store.rows(person.id, box.id, NumSet([(1, 99)]), [Column.BLOB]):
                found += [await store.read(row[0]) for row in rows]  # type: ignore[arg-type]
    (raw,) = found
    return email.message_from_bytes(raw, policy=email.policy.SMTP)  # type: ignore[return-value]


@pytest.mark.parametrize("proxied", [False, True])
async def test_one_click(tmp_path: Path, proxied: bool) -> None:
    port = free_port()
    door = "http" if proxied else "https"
    async with whole_house(
        tmp_path,
        *("ann", "bob"),
        listen={door: (Bind("127.0.0.1", port),)},
        http={"url": f"https://localhost:{port}", "proxied": proxied},
    ) as house:
        await house.admin.call("list.add", {"address": TALK})
        people = ["ann@example.test", "bob@example.test"]
        await house.admin.call("list.join", {"address": TALK, "members": people})

        def write() -> None:
            with smtplib.SMTP("127.0.0.1", house.ports["submission"], timeout=10) as client:
                client.login(people[0], PASSWORD)
                client.sendmail(people[0], [TALK], f"From: {people[0]}\r\nSubject: x\r\n\r\nx\r\n")

        await asyncio.to_thread(write)
        letter = await copy_of(house, people[1])
        assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        page = urlsplit(re.findall(r"<(https://[^>]+)>", str(letter["List-Unsubscribe"]))[0])
        trust = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))

        def ask(method: str, body: str = "") -> int:
            if proxied:
                client = http.client.HTTPConnection("localhost", page.port or 0, timeout=10)
            else:
                client = http.client.HTTPSConnection(
                    "localhost", page.port, context=trust, timeout=10
                )
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            client.request(method, page.path, body, form if body else {})
            answer = client.getresponse()
            answer.read()
            client.close()
            return answer.status

        assert await asyncio.to_thread(ask, "GET") == 200
        assert len(await house.core.store.members(1)) == 2
        assert await asyncio.to_thread(ask, "POST", "List-Unsubscribe=One-Click") == 200
        (left,) = await house.core.store.members(1)
        assert left.address == people[0]


async def test_a_house_without_pages_does_not_load_their_library() -> None:
    """Or every start would pay for it."""
    code = "import sys, pillarbox.app.house; print('h11' in sys.modules)"
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await run.communicate()
    assert out == b"False\n"
