"""Writing messages, and mending headers without touching the rest."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.message import compose, header, words
from pillarbox.message.scan import scan

WHEN = datetime(2026, 4, 7, 10, 0, 1, tzinfo=UTC)
SAID = "Tue, 07 Apr 2026 10:00:01 +0000"


def test_a_field() -> None:
    assert compose.field("Subject", "hello") == b"Subject: hello\r\n"
    assert compose.field("Subject", "") == b"Subject: \r\n"


def test_a_value_cannot_leave_its_field() -> None:
    assert compose.field("Subject", "a\r\nBcc: x@y\0") == b"Subject: a Bcc: x@y\r\n"
    assert compose.raw_field("X", b"a\r\nBcc: x") == b"X: aBcc: x\r\n"
    assert compose.return_path("a@b>\r\nX: <") == b"Return-Path: <a@b>X: <>\r\n"


def test_folding() -> None:
    words_of_a_line = " ".join(["word"] * 40)
    made = compose.field("Subject", words_of_a_line)
    assert all(len(line) <= 78 for line in made.split(b"\r\n"))
    assert header.unfold(made.removeprefix(b"Subject:")) == words_of_a_line.encode()
    assert compose.field("X", "x" * 500) == b"X: " + b"x" * 500 + b"\r\n"


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=200))
def test_a_field_reads_as_written(value: str) -> None:
    made = compose.field("Subject", value)
    (found,) = header.fields(made + b"\r\n")
    assert words.decode(header.value(made, found)) == value.strip()
    assert made.isascii()
    assert all(line[:1] in (b"S", b" ") and line.strip() for line in made.split(b"\r\n")[:-1])


@pytest.mark.parametrize(
    ("display", "expected"),
    [
        ("", b"a@b"),
        ("Ann Lee", b"Ann Lee <a@b>"),
        ("Lee, Ann", b'"Lee, Ann" <a@b>'),
        ('A "B" \\', b'"A \\"B\\" \\\\" <a@b>'),
        ("J. Doe", b'"J. Doe" <a@b>'),
        ("Jürg", b"=?utf-8?q?J=C3=BCrg?= <a@b>"),
        ("=?x", b"=?utf-8?b?PT94?= <a@b>"),
    ],
)
def test_mailboxes(display: str, expected: bytes) -> None:
    assert compose.mailbox(display, "a@b") == expected


def test_address_and_date_fields() -> None:
    assert compose.address_field("To", [("A", "a@b"), ("", "c@d")]) == b"To: A <a@b>, c@d\r\n"
    assert compose.date_field(WHEN) == b"Date: Tue, 07 Apr 2026 10:00:01 +0000\r\n"


def test_received() -> None:
    assert compose.received(
        helo="mail.example.com",
        client="mx1.example.com [192.0.2.1]",
        by="mx.example.org",
        protocol="ESMTPS",
        ident="4XyZ",
        when=SAID,
        recipient="ann@example.org",
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
    ) == (
        b"Received: from mail.example.com (mx1.example.com [192.0.2.1])\r\n"
        b"\tby mx.example.org (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\twith ESMTPS id 4XyZ\r\n"
        b"\tfor <ann@example.org>;\r\n"
        b"\tTue, 07 Apr 2026 10:00:01 +0000\r\n"
    )
    assert compose.received(
        helo="",
        client="",
        by="mx.example.org",
        protocol="ESMTPSA",
        ident="4XyZ",
        when=SAID,
        priority="-3",
    ) == (
        b"Received: by mx.example.org\r\n"
        b"\twith ESMTPSA id 4XyZ\r\n"
        b"\tPRIORITY -3;\r\n"
        b"\tTue, 07 Apr 2026 10:00:01 +0000\r\n"
    )


def test_received_whatever_the_peer_said() -> None:
    made = compose.received(
        helo="x; (\r\nBcc: y) by z", client="[1]) (", by="m", protocol="SMTP", ident="1", when=SAID
    )
    assert made == (
        b"Received: from xBcc:ybyz ([1] )\r\n\tby m\r\n\twith SMTP id 1;\r\n"
        b"\tTue, 07 Apr 2026 10:00:01 +0000\r\n"
    )
    empty = compose.received(helo="", client="[1]", by="m", protocol="SMTP", ident="1", when=SAID)
    assert empty.startswith(b"Received: from unknown ([1])\r\n")


def test_the_null_reverse_path() -> None:
    assert compose.return_path(None) == b"Return-Path: <>\r\n"


# ------------------------------------------------------------------ mending


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"A: b\r\n\r\nbody", b"X: y\r\nA: b\r\n\r\nbody"),
        (b"\r\nbody", b"X: y\r\n\r\nbody"),
        (b"body", b"X: y\r\n\r\nbody"),
        (b"", b"X: y\r\n\r\n"),
        (b"--a\r\n", b"X: y\r\n\r\n--a\r\n"),
    ],
)
def test_prepend(data: bytes, expected: bytes) -> None:
    assert compose.prepend(data, b"X: y\r\n") == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"A: b\r\nBcc: x\r\n\r\nBcc: y", b"A: b\r\n\r\nBcc: y"),
        (b"BCC : x,\r\n y\r\nA: b\r\nbcc:\r\n\r\n", b"A: b\r\n\r\n"),
        (b"Bcc: x\r\n\r\nbody", b"\r\nbody"),
        (b"Bcc: x", b"\r\n"),
        (b"X-Bcc: x\r\n\r\n", b"X-Bcc: x\r\n\r\n"),
        (b"", b""),
    ],
)
def test_without(data: bytes, expected: bytes) -> None:
    assert compose.without(data, {b"bcc"}) == expected


def test_bcc_behind_very_many_fields() -> None:
    data = b"X: y\r\n" * 60_000 + b"Bcc: x\r\n\r\n"
    assert compose.without(data, {b"bcc"}) == b"X: y\r\n" * 60_000 + b"\r\n"


def test_add_missing() -> None:
    data = b"From: a@b\r\n\r\nbody"
    made = compose.add_missing(data, when=WHEN, message_id="<1@x>")
    assert made == (
        b"Date: Tue, 07 Apr 2026 10:00:01 +0000\r\nMessage-ID: <1@x>\r\nFrom: a@b\r\n\r\nbody"
    )
    assert compose.add_missing(made, when=WHEN, message_id="<2@x>") is made
    half = compose.add_missing(b"DATE: x\r\n\r\n", when=WHEN, message_id="<1@x>")
    assert half == b"Message-ID: <1@x>\r\nDATE: x\r\n\r\n"


# ------------------------------------------------------------------ whole messages


def test_a_text_message() -> None:
    made = compose.message([compose.field("Subject", "Hi")], compose.text("line one\nline two\n"))
    assert made == (
        b"Subject: Hi\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        b"line one\r\nline two\r\n"
    )


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=300))
def test_text_comes_back(content: str) -> None:
    made = compose.message([], compose.text(content))
    assert made.isascii()
    assert b"\nFrom " not in made
    lines = made.split(b"\r\n")
    assert all(len(line) <= 998 and b"\n" not in line for line in lines)
    read = email.message_from_bytes(made, policy=email.policy.default)
    payload = read.get_payload(decode=True)
    assert isinstance(payload, bytes)
    expected = content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    assert payload.decode("utf-8") == expected


def test_a_report() -> None:
    status = compose.report_fields(
        [
            [("Reporting-MTA", "dns; mx.example.org")],
            [("Final-Recipient", "rfc822; x@y"), ("Action", "failed"), ("Status", "5.1.1")],
        ]
    )
    assert status == (
        b"Reporting-MTA: dns; mx.example.org\r\n\r\n"
        b"Final-Recipient: rfc822; x@y\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    original = b"Subject: \xc3\xbc\r\n\r\n--b\r\n"
    whole = compose.message(
        [compose.field("Subject", "Failed")],
        compose.multipart(
            "report",
            "b",
            [
                compose.text("It failed.\n"),
                compose.piece("message/delivery-status", status),
                compose.piece("message/rfc822", original, description="the message"),
            ],
            "report-type=delivery-status",
        ),
    )
    found = scan(whole)
    assert not found.defects - {"raw octets above 127 in a header"}
    text, delivery, returned = found.root.children
    assert (b"report-type", b"delivery-status") in found.root.params
    assert whole[text.body_start : text.body_end] == b"It failed.\r\n"
    assert whole[delivery.body_start : delivery.body_end] == status
    assert whole[returned.body_start : returned.body_end] == original
    assert returned.encoding == b"8bit"
    assert found.root.encoding == b"8bit"


@given(st.binary(max_size=200), st.text(st.characters(blacklist_categories=["Cs"]), max_size=20))
def test_an_attachment(body: bytes, filename: str) -> None:
    piece = compose.attachment("application/octet-stream", filename, body)
    whole = compose.message([], compose.multipart("mixed", "b", [piece]))
    assert whole.isascii()
    (part,) = email.message_from_bytes(whole).get_payload()
    assert part.get_payload(decode=True) == body  # type: ignore[union-attr]
    assert not scan(whole).defects


@given(st.lists(st.sampled_from([b"--b\r\n", b"--b--\r\n", b"--b-\r\n", b"x"]), max_size=5))
def test_a_boundary_is_in_none_of_the_parts(scraps: list[bytes]) -> None:
    body = b"".join(scraps)
    whole = compose.message([], compose.multipart("mixed", "b", [compose.piece("a/b", body)] * 2))
    found = scan(whole)
    assert [whole[p.body_start : p.body_end] for p in found.root.children] == [body] * 2
