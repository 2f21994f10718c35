"""Broken hands behind the SMTP doors: an answer, never a promise that is not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.base.errors import Temporary
from pillarbox.mailbox.intake import Intake
from pillarbox.model.transaction import Role
from support.doors import rooms
from support.people import account
from support.wire import Wire

START = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\n"


@pytest.mark.parametrize("error", [Temporary("disk full"), OSError("no room"), ValueError("bug")])
@pytest.mark.parametrize("how", ["DATA", "BDAT"])
async def test_content_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, how: str
) -> None:
    """The middle of a message is lost: the whole is refused, and the next one goes through."""
    real = Intake.write

    def write(intake: Intake, chunk: bytes) -> None:
        if b"broken" in chunk:
            raise error
        real(intake, chunk)

    async with rooms(tmp_path, "ann") as house:
        port = await house.smtp(Role.MX)
        monkeypatch.setattr(Intake, "write", write)
        wire = await Wire.connect(port)
        for text, code in ((b"broken", b"451 4.3.0"), (b"whole", b"250 2.0.0")):
            body = b"Subject: %b\r\n\r\n%b\r\n" % (text, text)
            if how == "DATA":
                await wire.send(START + b"DATA\r\n")
                await wire.until(b"354 ")
                await wire.send(body + b".\r\n")
            else:
                await wire.send(START + b"BDAT %d LAST\r\n%b" % (len(body), body))
                await wire.until(b"250 2.1.5")
            assert (await wire.line()).startswith(code)
        wire.close()
        box = await house.store.mailbox_by_name((await account(house.store, "ann")).id, "INBOX")
        assert box is not None
        assert box.messages == 1


@pytest.mark.parametrize("how", [b"DATA\r\n", b"BDAT 5 LAST\r\nQUIT\n"])
async def test_nowhere_to_put_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: bytes
) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.smtp(Role.MX)

        def stage(_expected: int = 0) -> None:
            raise Temporary("no room")

        monkeypatch.setattr(house.store, "stage", stage)
        wire = await Wire.connect(port)
        await wire.send(START + how)
        await wire.until(b"250 2.1.5")
        assert (await wire.line()).startswith(b"451 4.3.0")
        await wire.send(b"RSET\r\nQUIT\r\n")
        assert (await wire.line()).startswith(b"250")
        assert (await wire.line()).startswith(b"221")
        wire.close()
