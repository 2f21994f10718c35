"""The index of texts in a whole house: it follows the mail, is shown, and is made again."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
from pathlib import Path
from typing import Any

import pytest

from pillarbox.app.house import House
from pillarbox.base.errors import Misuse
from pillarbox.cli.main import main
from pillarbox.mailbox.texts import wanted_of
from pillarbox.model import query as q
from support.whole import PASSWORD, whole_house

MESSAGE = b"From: x@elsewhere.test\r\nSubject: hello\r\n\r\nA %d particular word\r\n"


def send(port: int, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for number in range(count):
            client.sendmail("x@elsewhere.test", ["ann@example.test"], MESSAGE % number)


async def indexed(house: House, count: int) -> None:
    status: dict[str, Any] = {}
    for _ in range(200):
        status = await house.admin.call("status", {})
        if status["index"] == {"indexed": count, "waiting": 0}:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(status)


def found(port: int, *keys: str) -> bytes:
    with imaplib.IMAP4("127.0.0.1", port, timeout=10) as client:
        client.login("ann@example.test", PASSWORD)
        client.select("INBOX", readonly=True)
        return bytes(client.search(None, *keys)[1][0])


async def test_mail_is_indexed_soon_after_it_came(tmp_path: Path) -> None:
    async with whole_house(tmp_path, "ann") as house:
        await asyncio.to_thread(send, house.ports["smtp"], 3)
        await indexed(house, 3)
        account = await house.core.store.account_by_address("ann@example.test")
        assert account is not None
        box = await house.core.store.mailbox_by_name(account.id, "INBOX")
        assert box is not None
        absent = wanted_of(q.Text("text", "absent"))
        named = await house.core.store.candidates(account.id, box.id, absent)
        assert named is not None
        assert not named
        assert await asyncio.to_thread(found, house.ports["imap"], "TEXT", '"A 1 part"') == b"2"
        again: dict[str, Any] = await house.admin.call(
            "index.again", {"account": "ANN@example.test"}
        )
        assert again == {"account": "ann@example.test", "messages": 3}
        await indexed(house, 3)
        with pytest.raises(Misuse, match="no account"):
            await house.admin.call("index.again", {"account": "bob@example.test"})


async def test_the_command_makes_it_again_with_and_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with whole_house(tmp_path, "ann") as house:
        await asyncio.to_thread(send, house.ports["smtp"], 2)
        await indexed(house, 2)
        config = tmp_path / "pillarbox.toml"
        config.write_text(
            f'[server]\nhostname = "mail.example.test"\ndata = "{house.config.server.data}"\n'
            "[listen]\nsmtps = []\nimaps = []\npop3s = []\n"
        )
        arguments = ["reindex", "--config", str(config)]
        assert await asyncio.to_thread(main, arguments) == 0
        assert capsys.readouterr().out == "2 messages indexed again\n"
        await indexed(house, 2)
    assert await asyncio.to_thread(main, [*arguments, "--account", "ann@example.test"]) == 0
    assert capsys.readouterr().out == "2 messages indexed again\n"
    assert await asyncio.to_thread(main, ["status", "--config", str(config)]) == 1
    assert "index     2 messages\n" in capsys.readouterr().out
