"""A day of TLS, told to those who asked."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from pillarbox.base.ids import SeededRng
from pillarbox.model.address import Address
from pillarbox.outbound import tlsreports
from pillarbox.outbound.tlsreports import Options, TlsReports, due, kept
from pillarbox.policy.tlsrpt import DAY, TlsResult
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from pillarbox.testing.dns import FakeResolver


@dataclass
class Office:
    """Reports about far.test, with a post that can be shut."""

    record: bytes = b"v=TLSRPTv1; rua=https://far.test/r,mailto:tls@far.test"
    contact: Address | None = field(default_factory=lambda: Address("postmaster", "example.test"))
    enabled: bool = True
    posted: list[tuple[str, bytes, str]] = field(default_factory=list)
    mailed: list[tuple[bytes, str, str]] = field(default_factory=list)
    takes: bool = True
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.resolver = FakeResolver({("_smtp._tls.far.test", "TXT"): [self.record]})
        self.open()

    def open(self) -> None:
        """As after a restart."""

        async def mail(data: bytes, sender: Address, to: Address) -> None:
            self.mailed.append((data, str(sender), str(to)))

        async def post(url: str, body: bytes, media: str) -> bool:
            self.posted.append((url, body, media))
            return self.takes

        async def contact() -> Address | None:
            return self.contact

        options = Options("mail.example.test", contact, self.enabled)
        self.reports = TlsReports(
            self.store, self.resolver, mail, post, self.clock, SeededRng(1), options
        )

    def count(self, result: str = "", times: int = 1) -> None:
        for _ in range(times):
            self.reports.count(
                TlsResult("far.test", "no-policy-found", "mx.far.test", "192.0.2.1", result)
            )

    async def next_day(self) -> int:
        """After the moment when yesterday's report is due; how many went out."""
        day = int(self.clock.now() // DAY)
        await self.clock.advance(due(day, "far.test") - self.clock.now() + 1)
        return await self.reports.run_due()


async def test_by_https_first() -> None:
    office = Office()
    office.count("", 3)
    office.count("starttls-not-supported")
    assert await office.reports.run_due() == 0  # the day is not over
    office.open()
    office.count("", 2)
    assert await office.next_day() == 1
    ((url, body, media),) = office.posted
    assert (url, media) == ("https://far.test/r", "application/tlsrpt+gzip")
    told = json.loads(gzip.decompress(body))
    assert told["policies"][0]["summary"] == {
        "total-successful-session-count": 5,
        "total-failure-session-count": 1,
    }
    assert office.mailed == []
    assert await office.next_day() == 0


async def test_by_mail_where_https_fails() -> None:
    office = Office(takes=False)
    office.count()
    assert await office.next_day() == 1
    ((data, sender, to),) = office.mailed
    assert (sender, to) == ("postmaster@example.test", "tls@far.test")
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    assert message["TLS-Report-Domain"] == "far.test"
    assert message["TLS-Report-Submitter"] == "example.test"
    assert message["TLS-Required"] == "No"
    assert message["Subject"].startswith(
        "Report Domain: far.test Submitter: example.test Report-ID"
    )
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "tlsrpt"
    text, report = message.iter_parts()
    assert "far.test" in text.get_content()
    assert report.get_content_type() == "application/tlsrpt+gzip"
    assert str(report.get_filename()).startswith("example.test!far.test!")
    told = json.loads(gzip.decompress(report.get_content()))
    assert told["contact-info"] == "postmaster@example.test"


async def test_nobody_asked() -> None:
    office = Office(record=b"v=something else")
    office.count()
    assert await office.next_day() == 0
    assert (office.posted, office.mailed) == ([], [])
    assert await kept(office.store, office.clock.now()) == []


async def test_opted_out() -> None:
    office = Office(enabled=False)
    office.count()
    assert await office.next_day() == 0
    assert (office.posted, office.mailed) == ([], [])
    assert len(await kept(office.store, office.clock.now())) == 1


@pytest.mark.parametrize("trouble", ["dns", "nobody takes it, and nobody signs"])
async def test_tried_again_for_a_day(trouble: str) -> None:
    office = Office(takes=False, contact=None)
    if trouble == "dns":
        office.resolver.failing.add("_smtp._tls.far.test")
    office.count()
    assert await office.next_day() == 0
    await office.clock.advance(3600)
    office.resolver.failing.clear()
    office.takes = True
    assert await office.reports.run_due() == 1
    office.takes = False
    office.count()
    assert await office.next_day() == 0
    await office.clock.advance(tlsreports.GIVE_UP)
    assert await kept(office.store, office.clock.now()) == []
