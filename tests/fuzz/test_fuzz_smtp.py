"""The SMTP engines under random streams, for as long as there is time."""

from __future__ import annotations

from hypothesis import strategies as st

from pillarbox.model.address import Address
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.wire.smtp.client import Client, ClientOptions
from pillarbox.wire.smtp.client_events import Outcome
from support.fuzz import fuzz
from support.smtpstreams import EXAMPLES, check

LINES = [
    *(b"250 x\r\n", b"250-x\r\n", b"354 x\r\n", b"550 x\r\n", b"421 x\r\n"),
    *(b"\r", b"2", b"\xff"),
]


def test_smtp_server() -> None:
    assert fuzz(check, EXAMPLES) > 0


def answer(data: bytes) -> None:
    """Whatever the server says, there is one outcome a recipient."""
    client = Client(ClientOptions("x", lmtp=True))
    client.feed(b"220 x\r\n")
    client.hello()
    client.feed(b"250-x\r\n250 PIPELINING\r\n")
    recipients = [Recipient(Address(name, "x")) for name in "ab"]
    found = client.send(Sender(None), recipients) + client.feed(data)
    if client.may_send:
        client.finish(b"x")
    found += client.feed(data) + client.eof()
    assert sorted(e.index for e in found if isinstance(e, Outcome)) == [0, 1]


def test_smtp_client() -> None:
    assert fuzz(answer, st.lists(st.sampled_from(LINES), max_size=15).map(b"".join)) > 0
