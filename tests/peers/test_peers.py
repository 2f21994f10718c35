"""Mail to and from postfix, exim and opensmtpd, found by a DNS with DNSSEC."""

from __future__ import annotations

import asyncio
import email
import email.policy
import gzip
import json
import re
from collections import Counter
from email.message import EmailMessage

import dkim
import pytest

from pillarbox.outbound.tlsreports import NOTES
from support.smallworld import Home, hand_in, until

pytestmark = [
    pytest.mark.needs("nsd", "unbound", "unshare", "openssl"),
    pytest.mark.xdist_group("peers"),
    pytest.mark.asyncio(loop_scope="session"),
]
PEERS = {"postfix": 1, "exim": 4, "smtpd": 5}


def having(home: Home, peer: str, mark: str) -> list[bytes]:
    """What ``peer`` keeps of this test."""
    return [one for one in home.world.boxes[peer].kept() if mark.encode() in one]


def parsed(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.SMTP)  # type: ignore[return-value]


def fates(report: EmailMessage) -> list[tuple[str, str, str]]:
    """Action, recipient, status."""
    kinds = {"message/delivery-status", "message/global-delivery-status"}
    (status,) = [part for part in report.walk() if part.get_content_type() in kinds]
    return [
        (str(g["Action"]), str(g["Final-Recipient"]).partition("; ")[2], str(g["Status"]))
        for g in map(parsed_text, re.split(r"\r?\n\r?\n", _text(status)))
        if g["Final-Recipient"]
    ]


def parsed_text(text: str) -> EmailMessage:
    return email.message_from_string(text, policy=email.policy.SMTPUTF8)  # type: ignore[return-value]


def _text(part: EmailMessage) -> str:
    """The content of a part, which the library takes for messages."""
    inner = part.get_payload()
    assert isinstance(inner, list)
    return "\n\n".join(one.as_bytes().decode("utf-8") for one in inner)


async def keys(home: Home) -> dict[bytes, bytes]:
    """The key records that example.test publishes."""
    found = await home.house.admin.call("domain.keys", {"name": "example.test"})
    return {f"{one['name']}.".encode(): one["record"].encode() for one in found["keys"]}


def levels(caplog: pytest.LogCaptureFixture, domain: str) -> list[str]:
    """How far TLS was checked for each delivery to a domain, by our log."""
    fields = [one.fields for one in caplog.records if one.msg == "queue.result"]  # type: ignore[attr-defined]
    return [str(f["tls"]).split()[-1] for f in fields if domain in str(f["rcpt"]) and f["tls"]]


@pytest.fixture(autouse=True)
def _hear(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pillarbox")


# ------------------------------------------------------------------ there and back


@pytest.mark.parametrize(
    ("peer", "level"), [("postfix", ["dane"]), ("exim", ["dane"]), ("smtpd", [])]
)
async def test_there(
    home: Home, mark: str, peer: str, level: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    await home.write(f"bob@{peer}.test", message=f"Subject: {mark}\r\n\r\n.dot\r\n".encode())
    (got,) = await until(lambda: having(home, peer, mark))
    assert b"\n.dot\n" in got.replace(b"\r\n", b"\n")
    await until(home.waiting, lambda waiting: not waiting)
    assert levels(caplog, f"{peer}.test") == level


@pytest.mark.parametrize("peer", PEERS)
async def test_and_back(home: Home, mark: str, peer: str) -> None:
    """Each insists on TLS: postfix and exim on DANE, opensmtpd on a certificate it can check."""
    message = f"From: x@{peer}.test\r\nSubject: {mark}\r\n\r\n.dot\r\n".encode()
    await asyncio.to_thread(
        hand_in,
        f"{home.world.net}.{PEERS[peer]}",
        home.world.place.port,
        f"x@{peer}.test",
        "ann@example.test",
        message,
    )
    (got,) = await until(home.inbox)
    assert mark.encode() in got
    assert b"\r\n.dot\r\n" in got
    assert re.search(rb"with (UTF8)?E?SMTPS ", got), got
    if peer == "postfix":
        log = home.world.boxes[peer].log
        assert re.search(r"Verified TLS connection established to mail\.example\.test", log)
    if peer == "exim":
        assert "CV=dane" in home.world.boxes[peer].log


@pytest.mark.parametrize("peer", ["postfix", "exim"])
async def test_and_back_in_other_letters(home: Home, mark: str, peer: str) -> None:
    """8 bits in the header and the body, and in the sender."""
    message = f"From: jörg@{peer}.test\r\nSubject: Grüße {mark}\r\n\r\nüber\r\n".encode()
    place = (f"{home.world.net}.{PEERS[peer]}", home.world.place.port)
    people = (f"jörg@{peer}.test", "ann@example.test")
    await asyncio.to_thread(hand_in, *place, *people, message, "SMTPUTF8", "BODY=8BITMIME")
    (got,) = await until(home.inbox)
    assert got.endswith("\r\n\r\nüber\r\n".encode())
    assert f"Return-Path: <jörg@{peer}.test>".encode() in got
    assert b"with UTF8SMTPS " in got


@pytest.mark.parametrize("peer", PEERS)
async def test_a_signature_survives_the_way_through(home: Home, mark: str, peer: str) -> None:
    """A neighbour turns the message round; it comes back with its trace on top."""
    body = f"Subject: {mark}\r\nTo: back@{peer}.test\r\n\r\nover\r\n  and back \r\n\r\n\r\n"
    await home.write(f"back@{peer}.test", message=body.encode())
    (got,) = await until(home.inbox, most=5)
    assert f"mx.{peer}.test".encode() in got
    published = await keys(home)

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        return published.get(name)

    signatures = parsed(got).get_all("DKIM-Signature", [])
    assert len(signatures) == 2
    for number in range(2):
        assert dkim.DKIM(got).verify(idx=number, dnsfunc=txt), signatures[number]


# ------------------------------------------------------------------ other ways


async def test_a_smarthost_that_wants_a_login(home: Home, mark: str) -> None:
    await home.write("bob@routed.test", message=f"Subject: {mark}\r\n\r\nx\r\n".encode())
    (got,) = await until(lambda: having(home, "exim", mark))
    assert b"with esmtpsa" in got


@pytest.mark.parametrize(("domain", "peer"), [("backed", "postfix"), ("inner", "smtpd")])
async def test_domains_we_stand_in_front_of(home: Home, mark: str, domain: str, peer: str) -> None:
    """Mail of strangers for a domain that we back up, and for one that we relay."""
    await asyncio.to_thread(
        hand_in,
        f"{home.world.net}.9",
        home.world.place.home,
        "eve@elsewhere.test",
        f"bob@{domain}.test",
        f"From: eve@elsewhere.test\r\nSubject: {mark}\r\n\r\nx\r\n".encode(),
    )
    (got,) = await until(lambda: having(home, peer, mark))
    assert re.match(rb"Return-[Pp]ath: <?eve@elsewhere\.test>?", got) or peer == "smtpd"
    assert b"by mail.example.test" in got


# ------------------------------------------------------------------ what TLS must be


@pytest.mark.parametrize(
    ("domain", "level", "why"),
    [
        ("wrongdane", "", "is not who the DNS says"),
        ("odddane", "encrypted", ""),
        ("stsok", "verified", ""),
        ("ststest", "opportunistic", ""),
        ("stsbad", "", "4.7.5"),
    ],
)
async def test_policies(
    home: Home, mark: str, domain: str, level: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A way that a policy forbids is not taken: the mail waits, and says why."""
    await home.write(f"bob@{domain}.test", message=f"Subject: {mark}\r\n\r\nx\r\n".encode())
    if why:
        (said,) = await until(home.waiting, lambda got: got and got[0] != "None")
        assert why in said
        assert having(home, "postfix", mark) == []
    else:
        await until(lambda: having(home, "postfix", mark))
        await until(home.waiting, lambda waiting: not waiting)
        assert levels(caplog, f"{domain}.test") == [level]


async def test_a_policy_that_ended(home: Home, mark: str) -> None:
    """Enforced for two seconds, then gone: after that TLS is taken only where it is offered."""
    await home.write("bob@stsold.test", message=f"Subject: {mark}\r\n\r\nx\r\n".encode())
    (said,) = await until(home.waiting, lambda got: got and got[0] != "None")
    assert "does not offer STARTTLS" in said
    (item,) = await home.house.core.store.queue_items()

    async def again() -> list[bytes]:
        if await home.waiting():
            await home.house.admin.call("queue.retry", {"items": [item.id]})
        return having(home, "postfix", mark)

    (got,) = await until(again)
    assert b"with ESMTP id" in got


# ------------------------------------------------------------------ what the other side lacks


async def test_eight_bits_for_who_takes_seven(home: Home, mark: str) -> None:
    text = "Grüße aus Köln, " + "x" * 70
    head = f"Subject: {mark}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    message = (head + "Content-Transfer-Encoding: 8bit\r\n\r\n" + text + "\r\n").encode()
    await home.write("bob@narrow.test", message=message, mail=["BODY=8BITMIME"])
    (got,) = await until(lambda: having(home, "postfix", mark))
    assert got.isascii()
    assert parsed(got).get_content().strip() == text


@pytest.mark.parametrize("domain", ["smtpd.test", "narrow.test"])
async def test_international_mail_for_who_knows_none(home: Home, mark: str, domain: str) -> None:
    message = f"Subject: {mark}\r\n\r\nx\r\n".encode()
    await home.write(f"jörg@{domain}", message=message, mail=["SMTPUTF8"])
    report = await home.report()
    assert report.get_content_type() == "multipart/report"
    assert fates(report) == [("failed", f"jörg@{domain}", "5.6.7")]
    assert "international" in str(report.get_body())


@pytest.mark.parametrize("peer", ["postfix", "exim"])
async def test_international_mail_arrives(home: Home, mark: str, peer: str) -> None:
    message = f"Subject: Grüße {mark}\r\n\r\nx\r\n".encode()
    await home.write(f"jörg@{peer}.test", message=message, mail=["SMTPUTF8", "BODY=8BITMIME"])
    (got,) = await until(lambda: having(home, peer, mark))
    assert "jörg@".encode() in got
    assert "Subject: Grüße".encode() in got


# ------------------------------------------------------------------ much


@pytest.mark.parametrize("peer", PEERS)
async def test_thirty_megabytes(home: Home, mark: str, peer: str) -> None:
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body = line * (30 * 1024 * 1024 // len(line))
    head = f"Subject: {mark}\r\n\r\n".encode()
    await home.write(f"bob@{peer}.test", message=head + body)
    (got,) = await until(lambda: having(home, peer, mark), most=60)
    assert got.replace(b"\r\n", b"\n").endswith(body.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("peer", PEERS)
async def test_thirty_megabytes_back(home: Home, mark: str, peer: str) -> None:
    line = b"0123456789abcdef" * 4 + b"\r\n"
    body = line * (30 * 1024 * 1024 // len(line))
    place = (f"{home.world.net}.{PEERS[peer]}", home.world.place.port)
    people = (f"x@{peer}.test", "ann@example.test")
    head = f"From: x@{peer}.test\r\nSubject: {mark}\r\n\r\n".encode()
    await asyncio.to_thread(hand_in, *place, *people, head + body)
    (got,) = await until(home.inbox, most=60)
    assert got.endswith(body)


async def test_a_thousand_recipients_over_fifty_domains(home: Home, mark: str) -> None:
    """Over three servers; each gets every recipient of its domains once."""
    domains = [f"d{n}.{'abc'[n % 3]}.many.test" for n in range(50)]
    people = [f"p{n}@{domains[n % 50]}" for n in range(1000)]
    await home.write(*people, message=f"Subject: {mark}\r\n\r\nx\r\n".encode())
    await until(home.waiting, lambda waiting: not waiting, most=60)
    assert await home.inbox() == []
    found: Counter[str] = Counter()

    def count() -> int:
        nonlocal found
        found = Counter(
            to for peer in PEERS for one in having(home, peer, mark) for to in recipients(one)
        )
        return found.total()

    await until(count, lambda total: total >= 1000, most=60)
    assert found == Counter(people)


def recipients(kept: bytes) -> list[str]:
    """Whom a kept copy was for, by the field each server writes."""
    message = parsed(kept)
    names = message.get_all("Envelope-to") or message.get_all("Delivered-To") or []
    return [one.strip() for name in names for one in str(name).split(",")]


# ------------------------------------------------------------------ reports


async def test_reports_of_success(home: Home, mark: str) -> None:
    """postfix, exim and opensmtpd know DSN and tell the sender themselves, one way or other; who
    does not know it is told of by us."""
    message = f"Subject: {mark}\r\n\r\nx\r\n".encode()
    await home.write(
        "bob@postfix.test",
        "bob@narrow.test",
        message=message,
        rcpt=["NOTIFY=SUCCESS,FAILURE"],
        mail=["RET=HDRS", "ENVID=our-id"],
    )
    found = await until(home.inbox, lambda got: len(got) == 2)
    by = {str(parsed(one)["From"]): parsed(one) for one in found}
    told = sorted(fate for one in by.values() for fate in fates(one))
    assert told == [
        ("delivered", "bob@postfix.test", "2.0.0"),
        ("relayed", "bob@narrow.test", "2.0.0"),
    ]
    for one in by.values():
        status = next(p for p in one.walk() if p.get_content_type() == "message/delivery-status")
        assert status.get_payload(0)["Original-Envelope-Id"] == "our-id"  # type: ignore[index]


async def test_a_report_on_tls(home: Home) -> None:
    """opensmtpd offers a TLS that it cannot do, and its domain asked to be told: by signed mail to
    where it wants its reports."""
    await home.write("bob@smtpd.test")
    await until(home.waiting, lambda waiting: not waiting)
    store, clock = home.house.core.store, home.house.core.clock
    (today,) = [
        one
        for one in (await home.house.admin.call("tls.reports", {}))["days"]
        if one["domain"] == "smtpd.test"
    ]
    assert today["policies"][0]["failure-details"][0]["result-type"] == "validation-failure"
    now = clock.now()
    kept = await store.recall(NOTES, now=now)
    past = {
        f"{int(key.split()[0]) - 2} smtpd.test": value
        for key, value in kept.items()
        if key.endswith(" smtpd.test")
    }
    await store.remember(NOTES, past, until=now + 60, now=now)
    before = len(home.world.boxes["postfix"].kept())
    assert await home.house.admin.call("tls.send", {}) == {"sent": 1}
    found = await until(
        lambda: [one for one in home.world.boxes["postfix"].kept() if b"TLS-Report-Domain" in one]
    )
    assert len(home.world.boxes["postfix"].kept()) == before + 1
    published = await keys(home)
    got = found[0].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert dkim.DKIM(got).verify(dnsfunc=lambda name, **_: published.get(name))
    part = next(p for p in parsed(got).walk() if p.get_content_type() == "application/tlsrpt+gzip")
    told = json.loads(gzip.decompress(part.get_content()))
    assert told["organization-name"] == "mail.example.test"
    assert told["policies"][0]["summary"]["total-failure-session-count"] >= 1


async def test_a_refusal_word_for_word(home: Home, mark: str) -> None:
    """Of one recipient; the other gets the mail."""
    message = f"Subject: {mark}\r\n\r\nx\r\n".encode()
    await home.write("nobody@exim.test", "bob@exim.test", message=message)
    report = await home.report()
    assert fates(report) == [("failed", "nobody@exim.test", "5.0.0")]
    words = report.get_body()
    assert words is not None
    assert "mx.exim.test said: 550 There is nobody, has never been" in words.get_content()
    assert "bob@" not in words.get_content()
    await until(lambda: having(home, "exim", mark))


async def test_with_tls_all_the_way_or_not_at_all(home: Home, second: Home, mark: str) -> None:
    """REQUIRETLS: to a server that promises the same, and to none that does not (RFC 8689)."""
    message = f"Subject: {mark}\r\n\r\nsecret\r\n".encode()
    people = ["bob@second.test", "bob@postfix.test"]
    await home.write(*people, message=message, mail=["REQUIRETLS", "RET=FULL"])
    (got,) = await until(second.inbox)
    assert mark.encode() in got
    report = await home.report()
    assert fates(report) == [("failed", "bob@postfix.test", "5.7.30")]
    assert b"secret" not in report.as_bytes()
    assert having(home, "postfix", mark) == []
