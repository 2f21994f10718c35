"""SMTP, submission and LMTP over real sockets, with independent clients."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import ssl
from pathlib import Path

import aiosmtplib
import pytest

from pillarbox.model.numset import NumSet
from pillarbox.model.transaction import Role
from pillarbox.store.api import Column
from support.doors import PASSWORD, Rooms, rooms
from support.people import account
from support.wire import Wire


async def inbox(house: Rooms, name: str) -> list[bytes]:
    """The messages in someone's INBOX."""
    person = await account(house.store, name)
    box = await house.store.mailbox_by_name(person.id, "INBOX")
    assert box is not None
    rows = house.store.rows(person.id, box.id, NumSet([(1, 9999)]), [Column.BODY])
    return [bytes(row[0]) async for batch in rows for row in batch]  # type: ignore[call-overload]


async def talk(port: int, *lines: bytes) -> list[bytes]:
    """Send all at once; every line that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(lines))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer.splitlines()


async def test_a_message_from_another_server_arrives(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.smtp(Role.MX)
        lines = await talk(
            port,
            b"EHLO mx.else.test\r\nMAIL FROM:<x@else.test>\r\nRCPT TO:<ann@example.test>\r\n"
            b"RCPT TO:<nobody@example.test>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n",
            b"Subject: hi\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
        )
        codes = [line[:9] for line in lines if line[3:4] == b" "]
        expected = [b"220", b"250", b"250 2.1.0", b"250 2.1.5", b"550 5.1.1", b"550 5.7.1"]
        expected += [b"354", b"250 2.0.0", b"221 2.0.0"]
        assert all(c.startswith(e) for c, e in zip(codes, expected, strict=True)), codes
        (message,) = await inbox(house, "ann")
        assert message.startswith(b"Return-Path: <x@else.test>\r\nReceived: from mx.else.test (")
        assert b"for <ann@example.test>;" in message
        assert message.endswith(b"Subject: hi\r\n\r\n.dot\r\n")


async def test_submission_needs_login_and_ones_own_sender(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann", "bob") as house:
        port = await house.smtp(Role.SUBMISSION, implicit=True)
        context = ssl.create_default_context(cafile=str(house.ca))

        def use() -> list[int]:
            with smtplib.SMTP_SSL("127.0.0.1", port, context=context, timeout=10) as client:
                codes = [client.ehlo()[0], client.mail("ann@example.test")[0]]
                with pytest.raises(smtplib.SMTPAuthenticationError):
                    client.login("ann@example.test", "wrong")
                codes.append(client.login("ann@example.test", PASSWORD)[0])
                codes.append(client.mail("bob@example.test")[0])
                codes.append(client.mail("ann+tag@example.test")[0])
                codes.append(client.rcpt("x@far.test")[0])
                codes.append(client.rcpt("bob@example.test")[0])
                codes.append(client.data(b"Subject: s\r\nBcc: bob@example.test\r\n\r\nbody\r\n")[0])
                return codes

        assert await asyncio.to_thread(use) == [250, 530, 235, 553, 250, 550, 250, 250]
        (message,) = await inbox(house, "bob")
        header = message.partition(b"\r\n\r\n")[0]
        assert b"Bcc" not in header
        assert b"\r\nDate: " in header
        assert b"\r\nMessage-ID: <" in header
        assert b"with ESMTPSA id" in header
        assert b"127.0.0.1" not in header


async def test_a_bcc_does_not_hide_behind_a_long_header(tmp_path: Path) -> None:
    """What is too long to be looked through is not sent; other doors have nothing to hide."""
    header = b"".join(b"X-Filler: %070d\r\n" % n for n in range(4000))
    message = header + b"Bcc: bob@example.test\r\n\r\nbody\r\n"
    async with rooms(tmp_path, "ann", "bob") as house:
        port = await house.smtp(Role.SUBMISSION)

        def use() -> None:
            with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
                client.login("ann@example.test", PASSWORD)
                with pytest.raises(smtplib.SMTPDataError, match=r"552.*too long"):
                    client.sendmail("ann@example.test", ["bob@example.test"], message)
                client.sendmail("ann@example.test", ["bob@example.test"], b"Bcc: x@y\r\n\r\n")

        await asyncio.to_thread(use)
        (kept,) = await inbox(house, "bob")
        assert b"Bcc" not in kept
        port = await house.smtp(Role.MX)
        envelope = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
        lines = await talk(port, envelope, message + b".\r\nQUIT\r\n")
        assert lines[-2].startswith(b"250 2.0.0")


async def test_keeping_busy_does_not_put_off_the_login(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.smtp(Role.SUBMISSION, login_timeout=0.5)
        wire = await Wire.connect(port)
        heard = []
        while line := await wire.line():
            heard.append(line)
            await wire.send(b"NOOP\r\n")
        assert any(line.startswith(b"421 4.4.2") for line in heard[-3:])
        wire.close()
        wire = await Wire.connect(port)
        secret = base64.b64encode(f"\0ann@example.test\0{PASSWORD}".encode())
        await wire.send(b"EHLO x\r\nAUTH PLAIN " + secret + b"\r\n")
        await wire.until(b"235 ")
        await asyncio.sleep(0.6)
        await wire.send(b"NOOP\r\n")
        assert (await wire.line()).startswith(b"250")
        wire.close()
        wire = await Wire.connect(await house.smtp(Role.MX, login_timeout=0.0))
        await wire.send(b"NOOP\r\n")
        await wire.until(b"250 ")  # nobody logs in here
        wire.close()


async def test_starttls_and_scram_with_an_independent_client(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.smtp(Role.SUBMISSION)
        context = ssl.create_default_context(cafile=str(house.ca))
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, start_tls=True, tls_context=context, timeout=10
        )
        async with client:
            await client.login("ann@example.test", PASSWORD)
            await client.sendmail("ann@example.test", ["ann@example.test"], b"Subject: x\r\n\r\ny")
        assert len(await inbox(house, "ann")) == 1


async def test_lmtp_answers_each_recipient(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        await house.account("full", quota=10)
        port = await house.smtp(Role.LMTP)
        lines = await talk(
            port,
            b"LHLO relay\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\n"
            b"RCPT TO:<full@example.test>\r\nDATA\r\n",
            b"Subject: hi\r\n\r\nlong enough\r\n.\r\nQUIT\r\n",
        )
        codes = [line[:9] for line in lines if line[3:4] == b" "]
        assert codes[-4:-1][0].startswith(b"354")
        assert codes[-3:] == [b"250 2.1.5", b"452 4.2.2", b"221 2.0.0"]
        assert len(await inbox(house, "ann")) == 1


async def test_what_is_cut_off_is_not_delivered(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.smtp(Role.MX)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n")
        writer.write(b"Subject: half\r\n\r\nno end")
        await writer.drain()
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert await inbox(house, "ann") == []


async def test_chunking_carries_binary(tmp_path: Path) -> None:
    async with rooms(tmp_path, "ann") as house:
        port = await house.smtp(Role.MX)
        body = b"Subject: b\r\n\r\n\x00\n\r.\r\nend"
        lines = await talk(
            port,
            b"EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<ann@example.test>\r\n",
            b"BDAT 10\r\n" + body[:10] + b"BDAT %d LAST\r\n" % (len(body) - 10) + body[10:],
            b"QUIT\r\n",
        )
        assert lines[-2].startswith(b"250 2.0.0 Kept")
        (message,) = await inbox(house, "ann")
        assert message.endswith(body)
