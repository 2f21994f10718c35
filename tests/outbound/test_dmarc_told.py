"""DMARC reports of our own: counted, kept over a restart, sent once, to those who may get them."""

from __future__ import annotations

import re

import pytest

from pillarbox.app.dmarcinbox import reports_in
from pillarbox.base.ids import SeededRng
from pillarbox.model.address import Address, parse_address
from pillarbox.model.transaction import Peer, Sender
from pillarbox.outbound.dmarcreports import NOTES, DmarcReports, Options
from pillarbox.policy.inbound.inspect import Inspector
from pillarbox.policy.inbound.options import Options as Checks
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver
from support.signed import made, parts, resolver, signed

BANK = made("bank.test")
POSTMASTER = Address("postmaster", "here.test")
RECORDS = {
    BANK.name: BANK.record,
    "bank.test": "v=spf1 ip4:192.0.2.1 -all",
    "_dmarc.bank.test": "v=DMARC1; p=reject; rua=mailto:r@bank.test",
}
DAY = 86_400


class Post:
    """What was mailed."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, str, str]] = []

    async def __call__(self, message: bytes, sender: Address, to: Address) -> None:
        self.sent.append((message, str(sender), str(to)))


class Stage:
    def __init__(self, records: dict[str, str] | None = None) -> None:
        self.clock, self.post = FakeClock(), Post()
        self.store = MemoryStore(clock=self.clock)
        self.dns: FakeResolver = resolver(records or RECORDS)
        self.reports = self.again()

    def again(self) -> DmarcReports:
        async def contact() -> Address | None:
            return POSTMASTER

        return DmarcReports(
            *(self.store, self.dns, self.post, self.clock, SeededRng(1)),
            Options("mx.here.test", contact),
        )

    async def take(self, message: bytes, ip: str = "192.0.2.1") -> None:
        inspector = Inspector(Checks("mx.here.test"), self.dns, self.clock, self.reports.count)
        found = inspector.begin(Peer(ip, helo="x"), Sender(parse_address("a@bank.test")))
        assert found is not None
        head, body = parts(message)
        found.header(head)
        found.body(body)
        await found.verdict()


LETTER = b"From: a@bank.test\r\nSubject: x\r\n\r\nbody\r\n"


async def test_a_day_and_its_report() -> None:
    stage = Stage()
    await stage.take(signed(LETTER, BANK))
    await stage.take(signed(LETTER, BANK))
    await stage.take(LETTER, ip="198.51.100.9")
    await stage.take(b"From: a@silent.test\r\n\r\n")
    assert await stage.reports.run_due() == 0
    stage.reports = stage.again()  # a restart loses nothing that was written down
    await stage.take(signed(LETTER, BANK))
    await stage.clock.advance(3600)
    assert await stage.reports.run_due() == 0
    await stage.clock.advance(8 * 3600)  # some hours after midnight, each domain at its own
    assert await stage.reports.run_due() == 1
    ((message, sender, to),) = stage.post.sent
    assert (sender, to) == ("postmaster@here.test", "r@bank.test")
    flat = re.sub(rb"\r\n[ \t]", b" ", message)
    assert b"Subject: Report Domain: bank.test Submitter: mx.here.test Report-ID: <" in flat
    (report,) = reports_in(message)
    assert report.domain == "bank.test"
    assert report.policy == "reject"
    told = {(one.ip, one.disposition, one.dkim, one.spf): one.count for one in report.seen}
    assert told == {
        ("192.0.2.1", "pass", True, True): 3,
        ("198.51.100.9", "reject", False, False): 1,
    }
    assert report.begin % DAY == 0
    assert report.end == report.begin + DAY - 1
    assert await stage.reports.run_due() == 0
    assert await stage.store.recall(NOTES, now=stage.clock.now()) == {}


@pytest.mark.parametrize(
    ("uri", "more", "to"),
    [
        ("mailto:r@bank.test", {}, ["r@bank.test"]),
        ("mailto:r%2Bx@bank.test?subject=x", {}, ["r+x@bank.test"]),
        ("mailto:r@sub.bank.test", {}, ["r@sub.bank.test"]),
        ("https://bank.test/r", {}, []),
        ("mailto:nobody", {}, []),
        ("mailto:r@other.test", {}, []),
        ("mailto:r@other.test", {"bank.test._report._dmarc.other.test": "v=spf1"}, []),
        (
            "mailto:r@other.test",
            {"bank.test._report._dmarc.other.test": "v=DMARC1;"},
            ["r@other.test"],
        ),
        (
            "mailto:r@other.test",
            {"bank.test._report._dmarc.other.test": "v=DMARC1; rua=mailto:z@other.test"},
            ["z@other.test"],
        ),
        (
            "mailto:r@other.test",
            {"bank.test._report._dmarc.other.test": "v=DMARC1; rua=mailto:z@third.test"},
            [],
        ),
    ],
)
async def test_who_may_get_it(uri: str, more: dict[str, str], to: list[str]) -> None:
    """RFC 9990 §4: nobody is flooded with reports that he did not ask for."""
    stage = Stage({**RECORDS, **more})
    assert [str(one) for one in await stage.reports.destinations("bank.test", uri)] == to


async def test_the_dns_is_silent_when_the_day_is_due() -> None:
    stage = Stage()
    await stage.take(LETTER)
    await stage.clock.advance(8 * 3600)
    stage.dns.failing.add("_dmarc.bank.test")
    assert await stage.reports.run_due() == 0
    stage.dns.failing.clear()
    assert await stage.reports.run_due() == 1
