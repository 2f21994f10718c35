"""rspamd, ClamAV and a milter of Debian look into mail that comes in; killed, mail goes on."""

from __future__ import annotations

import asyncio
import base64
import smtplib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pillarbox.app.house import House
from pillarbox.policy.dkim.keys import Algorithm
from support import sidecars
from support.signed import made, signed
from support.whole import any_store, whole_house

pytestmark = [
    pytest.mark.needs("rspamd", "clamd", "opendkim"),
    pytest.mark.xdist_group("filters"),
]

KEY = made("x.test", Algorithm.RSA)
LETTER = (
    b"From: a@x.test\r\nTo: ann@example.test\r\nSubject: %s\r\nMessage-ID: <%s@x.test>\r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
)
GOOD = signed(LETTER % (b"good", b"1") + b"\r\nhello\r\n", KEY)
BROKEN = signed(LETTER % (b"broken", b"2") + b"\r\nhello\r\n", KEY) + b"more\r\n"
SPAM = LETTER % (b"spam", b"3") + b"\r\n" + sidecars.GTUBE.encode() + b"\r\n"
VIRUS = (
    LETTER % (b"virus", b"4")
    + b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=x.com\r\n"
    + b"Content-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode(sidecars.EICAR.encode())
    + b"\r\n"
)
LARGE = LETTER % (b"large", b"5") + b"\r\n" + (b"y" * 75 + b"\r\n") * 5000


class Beside:
    """The three programs."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        def place(name: str) -> Path:
            path = directory / name
            path.mkdir()
            return path

        keys = f"{KEY.name} {KEY.record}\n"
        self.rspamd, one = stack.enter_context(sidecars.rspamd(place("rspamd")))
        self.clamd, two = stack.enter_context(sidecars.clamd(place("clamd")))
        self.milter, three = stack.enter_context(sidecars.opendkim(place("opendkim"), keys))
        self.processes = (one, two, three)

    def kill(self) -> None:
        for process in self.processes:
            sidecars.kill(process)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    with ExitStack() as stack:
        yield Beside(stack, tmp_path_factory.mktemp("beside"))


@pytest.fixture
async def house(tmp_path: Path, beside: Beside) -> AsyncIterator[House]:
    filters = {"rspamd": beside.rspamd, "clamd": beside.clamd, "milters": (beside.milter,)}
    async with whole_house(tmp_path, "ann", opener=any_store, filters=filters) as opened:
        yield opened


async def sent(house: House, message: bytes) -> tuple[int, str]:
    def talk() -> tuple[int, str]:
        with smtplib.SMTP("127.0.0.1", house.ports["smtp"], "mail.x.test") as client:
            client.ehlo()
            client.mail("a@x.test")
            client.rcpt("ann@example.test")
            code, text = client.data(message)
            return code, text.decode()

    return await asyncio.to_thread(talk)


async def results(house: House) -> dict[str, str]:
    value = await house.admin.call("why", {"word": "a@x.test", "limit": 1})
    (story,) = value["stories"]
    return {one["what"]: one["result"] for one in story["events"] if one["kind"] == "judged"}


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (GOOD, 250, "Kept"),
        (LARGE, 250, "Kept"),
        (SPAM, 550, "spam"),
        (VIRUS, 550, "Eicar"),
        (BROKEN, 550, "bad DKIM signature"),
    ],
)
async def test_what_they_say(house: House, message: bytes, code: int, words: str) -> None:
    said, text = await sent(house, message)
    assert (said, words in text) == (code, True), text
    if code == 250:
        found = await results(house)
        assert (found["spam"], found["virus"]) == ("no-action", "none")
        assert found["milter"] in {"accept", "continue"}


async def test_killed_in_the_middle_mail_goes_on(
    tmp_path: Path, beside: Beside, house: House
) -> None:
    closed = {"rspamd": beside.rspamd, "rspamd_fault": "closed", "timeout": 5.0}
    async with whole_house(tmp_path / "closed", "ann", opener=any_store, filters=closed) as careful:
        assert (await sent(careful, GOOD))[0] == 250
        beside.kill()  # the last test of this file
        code, text = await sent(careful, GOOD)
        assert (code, text[:5]) == (451, "4.7.1")
    for message in (GOOD, SPAM, VIRUS, LARGE):
        code, text = await sent(house, message)
        assert code == 250, text
    found = await results(house)
    assert {found["spam"], found["virus"], found["milter"]} == {"temperror"}
