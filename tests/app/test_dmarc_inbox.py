"""Reports of others: read out of mail, kept once, summed up by the command line's operations."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pillarbox.app.dmarcinbox import KEPT, kept, reports_in
from pillarbox.app.house import House
from pillarbox.base.errors import Misuse
from pillarbox.mailbox.intake import whole
from pillarbox.outbound.dmarcreports import letter
from pillarbox.policy.dmarc import report
from pillarbox.policy.dmarc.record import read_record
from pillarbox.policy.dmarc.report import About, Row, Tally
from pillarbox.store.api import Target
from pillarbox.testing.clock import FakeClock
from support.whole import memory_store, whole_house


def packed(domain: str = "example.test", ident: str = "1@far.test") -> tuple[About, bytes]:
    about = About("far.test", "p@far.test", domain, 1_699_920_000, 1_700_006_399, ident)
    tally: Tally = {}
    record = read_record([b"v=DMARC1; p=none"])
    assert record is not None
    good = Row("192.0.2.1", "none", True, True, "", domain, domain, "pass")
    bad = Row("198.51.100.9", "none", False, False, "", domain, "x.test", "fail")
    report.count(tally, record, good, 40)
    report.count(tally, record, bad, 2)
    return about, gzip.compress(report.write(about, tally))


def mail(ident: str = "1@far.test", domain: str = "example.test") -> bytes:
    about, body = packed(domain, ident)
    return letter(about, "ann@example.test", body, 1_700_000_000.0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    checks = {"reports_inbox": "ann@example.test"}
    clock = FakeClock()
    async with whole_house(
        tmp_path, "ann", opener=memory_store, clock=clock, checks=checks
    ) as opened:
        yield opened


async def delivered(house: House, *messages: bytes) -> None:
    store = house.core.store
    account = await store.account_by_address("ann@example.test")
    assert account is not None
    box = await store.mailbox_by_name(account.id, "INBOX")
    assert box is not None
    for message in messages:
        await store.append_many([(await whole(store, message), Target(account.id, box.id))])


async def test_reports_in_the_inbox(house: House) -> None:
    trusted = b"Authentication-Results: localhost; dmarc=pass header.from=far.test\r\n"
    forged = b"Authentication-Results: localhost; dmarc=none header.from=far.test\r\n"
    await delivered(
        house,
        b"Subject: no report\r\n\r\nhello\r\n",
        trusted + mail(),
        mail(),  # sent twice
        forged + mail("2@far.test"),
        mail("3@far.test", "other.test"),
    )
    value = await house.admin.call("dmarc.list", {"days": 400})
    assert [(one["id"], one["messages"], one["passed"]) for one in value["reports"]] == [
        ("1@far.test", 42, 40)
    ]
    await delivered(house, mail("4@far.test"))
    value = await house.admin.call("dmarc.senders", {"domain": "example.test", "days": 400})
    assert [(one["ip"], one["messages"], one["passed"]) for one in value["senders"]] == [
        ("192.0.2.1", 80, 80),
        ("198.51.100.9", 4, 0),
    ]
    assert (await house.admin.call("dmarc.list", {"days": 1}))["reports"]
    assert await kept(house.core.store, "", house.core.clock.now() + KEPT + 1) == []


def test_a_message_full_of_packed_attachments_is_not_unpacked_to_the_end() -> None:
    """Each may be a bomb, and anybody can write to the published address."""
    body = base64.encodebytes(gzip.compress(b"no report")).replace(b"\n", b"\r\n")
    bad = (
        b"--x\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body
    )
    _, report_ = packed()
    good = bad.replace(body, base64.encodebytes(report_).replace(b"\n", b"\r\n"))
    head = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    end = b"--x--\r\n"
    assert [one.ident for one in reports_in(head + bad * 2 + good + end)] == ["1@far.test"]
    assert not reports_in(head + bad * 500 + good + end)


async def test_reports_from_files(house: House) -> None:
    async def call(data: bytes) -> object:
        async def octets() -> AsyncIterator[bytes]:
            yield data

        return await house.admin.call(
            "dmarc.read", {"size": len(data)}, body=octets(), size=len(data)
        )

    await call(packed()[1])
    await call(mail("5@far.test"))
    value = await house.admin.call("dmarc.list", {"days": 400})
    assert len(value["reports"]) == 2
    for bad in (b"hello", packed("other.test")[1]):
        with pytest.raises(Misuse):
            await call(bad)
    with pytest.raises(Misuse):
        await house.admin.call("dmarc.send", {})


async def test_a_report_that_breaks_the_reader_does_not_stop_the_others(house: House) -> None:
    """Anybody may send something to the address that takes reports."""
    about, body = packed()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("report.xml", gzip.decompress(body) * 9)
    broken = bytearray(file.getvalue())
    broken[80:160] = bytes(80)
    await delivered(
        house, letter(about, "ann@example.test", bytes(broken), 1_700_000_000.0), mail()
    )
    value = await house.admin.call("dmarc.list", {"days": 400})
    assert [one["id"] for one in value["reports"]] == ["1@far.test"]
