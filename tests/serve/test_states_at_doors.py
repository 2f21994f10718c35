"""Every command in every state at real doors: one answer, and nothing that the house calls a bug.

What the answer is, is the business of the engines' tables and their tests.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pillarbox.wire.imap.state import TABLE
from support import imapstage, pop3stage, smtpstage
from support.doorfuzz import Errors, Open
from support.imaplines import line
from support.pop3streams import COMMAND_LINES
from support.wire import Wire


@pytest.fixture(autouse=True)
def no_errors() -> Iterator[None]:
    """Nothing is logged as an error of the house."""
    errors = Errors()
    logging.getLogger("pillarbox").addHandler(errors)
    yield
    logging.getLogger("pillarbox").removeHandler(errors)
    assert not errors.seen


@contextlib.asynccontextmanager
async def door(open_stage: Open, head: str, folder: Path) -> AsyncIterator[int]:
    path = folder / "head.txt"
    path.write_text(head + "\nC: \n", "utf-8")
    async with open_stage(path, folder) as stage:
        yield stage.port


async def all_said(port: int, octets: bytes) -> bytes:
    """Everything the server says to these octets and the end behind them."""
    wire = await Wire.connect(port)
    await wire.send(octets)
    wire.eof()
    said = await wire.rest()
    wire.close()
    return said


IMAP_WAYS = {
    "not authenticated": b"",
    "authenticated": b"x LOGIN ann pencil\r\n",
    "selected": b"x LOGIN ann pencil\r\nx SELECT INBOX\r\n",
    "examined": b"x LOGIN ann pencil\r\nx EXAMINE INBOX\r\n",
}
GO_ON = {"IDLE": b"DONE\r\n", "AUTHENTICATE": b"*\r\n"}


@pytest.mark.slow
@pytest.mark.parametrize("way", IMAP_WAYS)
async def test_imap(way: str, tmp_path: Path) -> None:
    for name in TABLE:
        async with door(imapstage.stage, "@ secure", tmp_path) as port:
            said = line(name)
            said += b"abc\r\n" if said.endswith(b"{3+}\r\n") else GO_ON.get(name, b"")
            answer = await all_said(port, IMAP_WAYS[way] + said)
            assert len(re.findall(rb"(?m)^t (?:OK|NO|BAD) ", answer)) == 1, (name, answer)


POP3_WAYS = {
    "AUTHORIZATION": b"",
    "IDENTIFIED": b"USER ann\r\n",
    "TRANSACTION": b"USER ann\r\nPASS pencil\r\n",
}


@pytest.mark.parametrize("way", POP3_WAYS)
async def test_pop3(way: str, tmp_path: Path) -> None:
    opening = POP3_WAYS[way]
    async with door(pop3stage.stage, "@ secure", tmp_path) as port:
        for verb, said in COMMAND_LINES.items():
            octets = opening + said + (b"\r\n*\r\n" if verb == "AUTH" else b"\r\n")
            answer = await all_said(port, octets)
            states = re.findall(rb"(?m)^(?:\+OK|-ERR|\+ )", answer)
            extra = verb == "AUTH"
            assert len(states) == 1 + opening.count(b"\n") + 1 + extra, (verb, answer)


HELLO = b"EHLO x\r\n"
MAIL = HELLO + b"MAIL FROM:<a@example.com>\r\n"
RCPT = MAIL + b"RCPT TO:<b@example.org>\r\n"
SMTP_WAYS = {
    "greeted": b"",
    "ready": HELLO,
    "mail": MAIL,
    "rcpt": RCPT,
    "chunks": RCPT + b"BDAT 3\r\nabc",
}
SMTP_LINES = [
    *(b"HELO x", b"EHLO x", b"LHLO x", b"MAIL FROM:<>", b"RCPT TO:<b@example.org>", b"RSET"),
    *(b"NOOP", b"QUIT", b"VRFY ann", b"EXPN list", b"HELP", b"AUTH PLAIN =", b"STARTTLS", b"FOO"),
    *(b"DATA\r\nx\r\n.", b"BDAT 3\r\nabc", b"BDAT 3 LAST\r\nabc"),
]


@pytest.mark.parametrize("way", SMTP_WAYS)
async def test_smtp(way: str, tmp_path: Path) -> None:
    opening = SMTP_WAYS[way]
    async with door(smtpstage.stage, "@ mx", tmp_path) as port:
        before = await all_said(port, opening)
        for said in SMTP_LINES:
            answer = await all_said(port, opening + said + b"\r\n")
            assert answer.startswith(before), (said, answer)
            replies = re.findall(rb"(?m)^\d{3}(?: |$)", answer[len(before) :])
            assert replies, (said, answer)
            assert re.fullmatch(rb"(?:\d{3}(?:[ -][^\r\n]*)?\r\n)*", answer), (said, answer)
