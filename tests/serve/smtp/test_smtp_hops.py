"""What is seen of a header while it comes in: hops, and fields that claim to be ours."""

from __future__ import annotations

import pytest

from pillarbox.base.ids import SeededRng
from pillarbox.serve.smtp.header import HeaderGate, Mender


@pytest.mark.parametrize(
    ("header", "hops"),
    [
        (b"Received: from a\r\n\tby b\r\nreceived: c\r\nRECEIVED : d\r\n\r\n", 3),
        (b"Received-SPF: pass\r\nX-Received: no\r\nSubject: Received: no\r\n\r\n", 0),
        (b"Subject: x\r\n received: a fold\r\nReceived\t: yes\r\n\r\nReceived: body\r\n", 1),
        (b"\r\nReceived: body\r\n", 0),
    ],
)
def test_received_fields_are_counted(header: bytes, hops: int) -> None:
    gate = HeaderGate(1 << 16)
    assert gate.feed(header) + gate.close() == header
    assert gate.hops == hops


@pytest.mark.parametrize(
    "field",
    [
        "Authentication-Results: MX.here.test; dmarc=pass",
        'authentication-results :\r\n (a) "mx.here.test" 1; dmarc=pass',
    ],
)
def test_a_users_program_does_not_speak_for_our_checks(field: str) -> None:
    mender = Mender("mx.here.test", 0.0, SeededRng())
    kept = "Authentication-Results: else.test; spf=pass\r\nSubject: x\r\n"
    mended = mender.mend(f"{field}\r\n{kept}\r\n".encode())
    assert b"here.test" not in mended.replace(b"@mx.here.test>", b"")
    assert kept.encode() in mended


@pytest.mark.parametrize(
    ("author", "header", "added"),
    [
        ("ann@here.test", b"Subject: x\r\n\r\n", b"From: ann@here.test\r\n"),
        ("ann@here.test", b"FROM : bob@here.test\r\n\r\n", b""),
        ("", b"Subject: x\r\n\r\n", b""),  # a receipt that says nothing
    ],
)
def test_mail_without_an_author_gets_its_sender(author: str, header: bytes, added: bytes) -> None:
    mended = Mender("mx.here.test", 0.0, SeededRng(), author).mend(header)
    found = [line for line in mended.splitlines(True) if line.lower().startswith(b"from:")]
    assert b"".join(found) == added
