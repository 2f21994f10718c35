"""Four messages, and what ``docs/checks.md`` says that ``pillarbox why`` says of them."""

from __future__ import annotations

import asyncio
import re
import smtplib
from pathlib import Path

from pillarbox.app.house import House
from pillarbox.cli.output import moment
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver
from support.signed import made, signed
from support.tree import ROOT
from support.whole import memory_store, whole_house

BANK = made("bank.test", selector="key")
HERE = b"v=spf1 ip4:127.0.0.1 -all"
ZONE = {
    (BANK.name, "TXT"): [BANK.record.encode()],
    ("_dmarc.bank.test", "TXT"): [b"v=DMARC1; p=reject"],
    ("old.test", "TXT"): [HERE],
    ("club.test", "TXT"): [HERE],
    ("1.0.0.127.in-addr.arpa", "PTR"): ["mail.out.test"],
    ("mail.out.test", "A"): ["127.0.0.1"],
}
LETTER = (
    b"From: The Bank <letters@bank.test>\r\nTo: ann@example.test\r\nSubject: Your account\r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <%s@bank.test>\r\n\r\nDear Ann,\r\n"
)
TRACE = "md76vx4kvh9s3c7v"


def messages() -> dict[str, bytes]:
    """By sender of the envelope."""
    honest = signed(LETTER % b"one", BANK)
    return {
        "honest@bank.test": honest,
        "news@spoof.test": LETTER % b"two",
        "forward@old.test": signed(LETTER % b"three", BANK),
        "list@club.test": b"List-Id: The club <talk.club.test>\r\n"
        + signed(LETTER % b"four", BANK)
        + b"-- \r\nThe club's list\r\n",
    }


def resolver(bank_sends: bool) -> FakeResolver:
    zone = FakeResolver(ZONE)  # type: ignore[arg-type]
    zone.add("bank.test", HERE if bank_sends else b"v=spf1 -all")
    return zone


async def story(house: House, sender: str, message: bytes, clock: FakeClock) -> str:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", house.ports["smtp"], "mail.out.test") as client:
            client.ehlo()
            client.mail(sender)
            client.rcpt("ann@example.test")
            client.data(message)

    await asyncio.to_thread(send)
    await clock.advance(2)  # refusals are written beside the mail
    value = await house.admin.call("why", {"word": sender})
    (found,) = value["stories"]
    lines = "\n".join(f"{moment(line['at'])}  {line['text']}" for line in found["lines"])
    # How the start of a signature is quoted changes the size by two.
    lines = re.sub(r"\b[0-9]+ octets", "1010 octets", lines)
    return re.sub(r"\b(?=[a-z]*[0-9])[0-9a-z]{16}\b", TRACE, lines)


async def test_every_line_is_in_the_documentation(tmp_path: Path) -> None:
    told = {}
    for sender, message in messages().items():
        clock = FakeClock()
        async with whole_house(
            tmp_path / sender,
            "ann",
            opener=memory_store,
            clock=clock,
            resolver=resolver(sender.endswith("@bank.test")),
            checks={"enabled": True, "trusted": ()},
        ) as house:
            told[sender] = await story(house, sender, message, clock)
    page = (ROOT / "docs" / "checks.md").read_text()
    command = r"^```\n\$ pillarbox why (\S+)\n(.*?)^```$"
    shown = dict(re.findall(command, page, re.MULTILINE | re.DOTALL))
    should = "\n\n".join(f"$ pillarbox why {sender}\n{lines}" for sender, lines in told.items())
    found = {sender: lines.strip() for sender, lines in shown.items()}
    assert found == told, f"docs/checks.md should say:\n\n{should}"
