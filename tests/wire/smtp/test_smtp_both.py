"""Our client talks to our server through a link that cuts the stream where it likes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.model.address import Address
from pillarbox.model.transaction import Recipient, Role, Sender
from pillarbox.wire.smtp.client import Client, ClientOptions
from pillarbox.wire.smtp.client_events import (
    Authenticated,
    Challenge,
    ClientEvent,
    ContentWanted,
    Greeting,
    Outcome,
    Stage,
    TlsGo,
    TransactionOver,
    Welcome,
)
from pillarbox.wire.smtp.data import mend
from pillarbox.wire.smtp.options import DEFAULT_EXTENSIONS, BareNewline, Extension, Options
from support.smtpdoor import HOST, SmtpDoor

ANN = Sender(Address("ann", "example.net"), size=100, envid="id 7", ret="HDRS")
BOB = Recipient(Address("bob", "example.org"), notify=frozenset({"NEVER"}), orcpt="rfc822;b+b@x")
NO, FULL = (Recipient(Address(n, "example.org")) for n in ("no", "full"))


@dataclass
class Message:
    sender: Sender
    recipients: list[Recipient]
    blocks: list[bytes]


class Link:
    """Runs a conversation; `sizes` says how many octets each packet takes, round and round."""

    def __init__(self, client: Client, door: SmtpDoor, sizes: list[int]) -> None:
        self.client, self.door = client, door
        self._sizes = self._forever(sizes)
        self.events: list[ClientEvent] = []
        self._todo: list[Message] = []
        self._now: Message | None = None
        self.login = ""

    @staticmethod
    def _forever(sizes: list[int]) -> Iterator[int]:
        while True:
            yield from sizes

    def _cut(self, data: bytes) -> Iterator[bytes]:
        while data:
            size = next(self._sizes)
            yield data[:size]
            data = data[size:]

    def run(self, messages: list[Message]) -> list[ClientEvent]:
        self._todo = list(messages)
        back = self.door.greet()
        for _ in range(10_000):
            if not back:
                break
            for piece in self._cut(back):
                for event in self.client.feed(piece):
                    self._on(event)
            out = self.client.outgoing()
            back = b"".join(self.door.talk(piece) for piece in self._cut(out))
        assert self.client.closed
        assert self.door.engine.closed
        return self.events

    def _on(self, event: ClientEvent) -> None:
        client = self.client
        self.events.append(event)
        match event:
            case Greeting():
                client.hello()
            case Welcome(_, offered):
                if offered.has(Extension.STARTTLS):
                    client.starttls()
                elif self.login and not client.authenticated:
                    client.auth(self.login, b"\0ann\0pencil" if self.login == "PLAIN" else None)
                else:
                    self._next()
            case TlsGo():
                client.tls_started()
                self.door.engine.tls_started()
                client.hello()
            case Challenge(prompt):
                client.auth_respond(b"ann" if prompt == b"Username:" else b"pencil")
            case Authenticated() | TransactionOver():
                self._next()
            case ContentWanted():
                assert self._now is not None
                while self._now.blocks and client.may_send:
                    client.content(self._now.blocks.pop(0))
                if client.may_send:
                    client.finish()

    def _next(self) -> None:
        if not self._todo:
            self.client.quit()
            return
        self._now = self._todo.pop(0)
        self._now.blocks = list(self._now.blocks)
        for event in self.client.send(self._now.sender, self._now.recipients):
            self._on(event)


sizes = st.lists(st.integers(1, 50), min_size=1, max_size=6)
blocks = st.lists(
    st.lists(
        st.sampled_from([b"\r\n", b".", b"\r\n.\r\n", b"\n", b"\r", b"text", b"QUIT\r\n", b"\xff"]),
        max_size=12,
    ).map(b"".join),
    max_size=4,
)
without = st.sampled_from(
    [
        frozenset(),
        frozenset({Extension.PIPELINING}),
        frozenset({Extension.CHUNKING}),
        frozenset({Extension.ENHANCEDSTATUSCODES, Extension.DSN}),
        DEFAULT_EXTENSIONS,
    ]
)


@given(
    st.sampled_from([Role.MX, Role.SUBMISSION, Role.LMTP]),
    without,
    st.booleans(),
    st.lists(blocks, min_size=1, max_size=3),
    sizes,
)
def test_what_is_sent_arrives(
    role: Role,
    fewer: frozenset[Extension],
    chunking: bool,
    contents: list[list[bytes]],
    packets: list[int],
) -> None:
    options = Options(
        HOST,
        role=role,
        extensions=DEFAULT_EXTENSIONS - fewer,
        bare_newline=BareNewline.REFUSE,  # so that the client must have mended them
    )
    lmtp = role is Role.LMTP
    client = Client(ClientOptions("mail.example.net", lmtp=lmtp, prefer_chunking=chunking))
    door = SmtpDoor(options)
    messages = [Message(ANN, [BOB, NO, FULL], content) for content in contents]
    found = Link(client, door, packets).run(messages)

    outcomes = [(e.index, e.reply.code, e.stage) for e in found if isinstance(e, Outcome)]
    full = 452 if lmtp else 250
    one = [(1, 550, Stage.RCPT), (0, 250, Stage.CONTENT), (2, full, Stage.CONTENT)]
    assert outcomes == one * len(messages)
    chunked = chunking and Extension.CHUNKING in options.extensions
    for message, content in zip(door.taken, contents, strict=True):
        expected = mend(b"".join(content))
        if not chunked and expected and not expected.endswith(b"\r\n"):
            expected += b"\r\n"
        assert message.body == expected
        dsn = Extension.DSN in options.extensions
        assert message.sender == (ANN if dsn else Sender(ANN.address, size=100))
        assert message.recipients[0].orcpt == (BOB.orcpt if dsn else "")
        assert message.recipients[0].notify == (BOB.notify if dsn else frozenset())


@given(blocks, sizes, st.booleans())
def test_binary_arrives_untouched(content: list[bytes], packets: list[int], piped: bool) -> None:
    fewer = frozenset() if piped else frozenset({Extension.PIPELINING})
    door = SmtpDoor(Options(HOST, extensions=DEFAULT_EXTENSIONS - fewer))
    client = Client(ClientOptions("mail.example.net"))
    Link(client, door, packets).run([Message(replace(ANN, body="BINARYMIME"), [BOB], content)])
    assert door.taken[0].body == b"".join(content)
    assert door.taken[0].sender.body == "BINARYMIME"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_the_whole_way_in(mechanism: str) -> None:
    """Greeting, STARTTLS, AUTH and an internationalized message."""
    options = Options(
        HOST,
        role=Role.SUBMISSION,
        extensions=DEFAULT_EXTENSIONS | {Extension.STARTTLS},
        auth=("PLAIN", "LOGIN"),
    )
    door = SmtpDoor(options)
    link = Link(Client(ClientOptions("mail.example.net")), door, [7])
    link.login = mechanism
    sender = Sender(Address("m\u00fcller", "b\u00fccher.example"), smtputf8=True)
    recipient = Recipient(Address("\u7528\u6237", "example.org"), orcpt="utf-8;\u7528+\u6237@x")
    link.run([Message(sender, [recipient], [b"x\r\n"])])
    taken = door.taken[0]
    assert taken.protocol == "UTF8SMTPSA"
    assert taken.sender == replace(sender, auth="<>")
    assert taken.recipients[0].orcpt == recipient.orcpt


def test_a_refused_chunk_and_the_next_message() -> None:
    door = SmtpDoor(Options(HOST, max_size=10))
    client = Client(ClientOptions("mail.example.net", prefer_chunking=True))
    # The size is not announced, so the server finds out by itself.
    unannounced = replace(ANN, size=None)
    big = Message(unannounced, [BOB], [b"0123456789\r\n", b"more\r\n"])
    found = Link(client, door, [5]).run([big, Message(unannounced, [BOB], [b"ok\r\n"])])
    codes = [e.reply.code for e in found if isinstance(e, Outcome)]
    assert codes == [552, 250]
    assert [message.body for message in door.taken] == [b"ok\r\n"]
