"""8-bit messages become ASCII and mean the same."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest

from pillarbox.message.sevenbit import seven_bit

FLAT = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n{cte}\r\nGrüße\r\nzwei  \r\n"
MIXED = """Subject: x\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
Content-Transfer-Encoding: 8bit\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
äöü\r
--b\r
Content-Type: application/x\r
Content-Transfer-Encoding: binary\r
\r
\x00ü\r
--b\r
Content-Type: message/rfc822\r
Content-Transfer-Encoding: 8bit\r
\r
Subject: inner\r
Content-Type: text/plain; charset=utf-8\r
\r
ß\r
--b\r
\r
plain ascii stays = as it is \r
--b--\r
"""


def leaves(data: bytes) -> list[tuple[str, bytes]]:
    found = email.message_from_bytes(data, policy=email.policy.SMTP)
    return [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in found.walk()
        if not part.is_multipart()
    ]


@pytest.mark.parametrize("cte", ["", "Content-Transfer-Encoding: 8bit\r\n"])
def test_a_flat_message(cte: str) -> None:
    data = FLAT.format(cte=cte).encode()
    out = seven_bit(data)
    assert out is not None
    assert out.isascii()
    assert b"quoted-printable" in out
    assert leaves(out) == leaves(data)


def test_every_part_and_nothing_else() -> None:
    data = MIXED.encode()
    out = seven_bit(data)
    assert out is not None
    assert out.isascii()
    assert b"8bit" not in out
    assert b"\r\n\r\nplain ascii stays = as it is \r\n" in out
    assert leaves(out) == leaves(data)


def test_ascii_is_left_alone() -> None:
    data = b"Subject: x\r\n\r\nx\r\n"
    assert seven_bit(data) is data


@pytest.mark.parametrize(
    "text",
    [
        "Subject: Grüße\r\n\r\nx\r\n",
        "Content-Transfer-Encoding: base64\r\n\r\nü\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\nü\r\n--b\r\n\r\nx\r\n--b--\r\n",
    ],
)
def test_what_cannot_be_said_in_ascii(text: str) -> None:
    assert seven_bit(text.encode()) is None


def test_corpus(corpus_file: Path) -> None:
    out = seven_bit(corpus_file.read_bytes())
    assert out is None or out.isascii()
