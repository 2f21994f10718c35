"""Hops are counted by how lines begin."""

from __future__ import annotations

import pytest

from pillarbox.serve.smtp.header import HeaderGate


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
