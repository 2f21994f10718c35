"""Filters that misbehave in every way, and what becomes of the message."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.filters.chain import Chain, Link, OnFault
from pillarbox.filters.clamd import Clamd
from pillarbox.filters.milter import Milter
from pillarbox.filters.opinion import Filter, Opinion, Question
from pillarbox.filters.place import Place, place
from pillarbox.filters.rspamd import Rspamd
from pillarbox.model.address import Address
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope, Peer, Recipient, Role, Sender
from pillarbox.model.verdict import Action, Finding, Verdict
from pillarbox.wire.milter.client import Added, Agreed, Answer, Client, Decision, Event, Fault

CONTENT = (
    b"Return-Path: <>\r\nReceived: x\r\nFrom: a@x.test\r\nSubject: a\r\n b\r\n\r\n" + b"y" * 200_000
)
ENVELOPE = Envelope(
    Sender(Address("a", "x.test")),
    (Recipient(Address("ann", "y.test")), Recipient(Address("bob", "y.test"))),
    Role.MX,
    Peer("2001:db8::1", 25, helo="x.test"),
    0.0,
    "trace",
)
MAKERS: dict[str, Callable[[Place], Filter]] = {
    "clamd": Clamd,
    "rspamd": Rspamd,
    "milter": lambda where: Milter(where, "mx.test"),
}

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def serving(talk: Callable[..., object]) -> AsyncIterator[Place]:
    """A server where ``talk`` is all that happens on a connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)  # type: ignore[misc]
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield Place("127.0.0.1", server.sockets[0].getsockname()[1])


async def screened(
    kind: str, where: Place, fault: OnFault = OnFault.OPEN, seconds: float = 10.0
) -> Verdict:
    chain = Chain([Link(MAKERS[kind](where), seconds, fault)])
    return (await chain.screen(ENVELOPE, memoryview(CONTENT), Verdict())).verdict


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1 << 16):
        pass


def says(data: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        while await reader.read(1 << 16):
            pass

    return talk


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "talk",
    [
        hangs_up,
        says(b""),
        says(b"\xff" * 5_000_000),
        says(b"HTTP/1.1 500 no\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]"),
        says(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"action":"x"}'),
        says(b"stream: broken ERROR\0"),
        says(struct.pack("!I", 13) + b"O" + struct.pack("!III", 99, 0, 0)),
        says(struct.pack("!I", 13) + b"O" + struct.pack("!III", 6, 0, 0xF0000000)),
        says(struct.pack("!I", 1) + b"c"),
        says(struct.pack("!I", 13) + b"O" + struct.pack("!III", 6, 0, 0) + b"\0\0\0\1z"),
    ],
)
async def test_nonsense_stops_nothing(kind: str, talk: Talk) -> None:
    async with serving(talk) as where:
        verdict = await screened(kind, where, seconds=1.0)
    assert verdict.action is Action.ACCEPT
    assert [one.result for one in verdict.findings] == ["temperror"]


@pytest.mark.parametrize("kind", MAKERS)
async def test_dead_or_silent(kind: str) -> None:
    for fault, action in ((OnFault.OPEN, Action.ACCEPT), (OnFault.CLOSED, Action.DEFER)):
        verdict = await screened(kind, Place("127.0.0.1", 1), fault)
        assert verdict.action is action
        assert verdict.findings[0].result == "temperror"
        async with serving(says_nothing) as where:
            verdict = await screened(kind, where, fault, seconds=0.2)
        assert (verdict.action, verdict.findings[0].reason) == (action, "no answer in time")
        if fault is OnFault.CLOSED:
            assert verdict.reply is not None
            assert verdict.reply.temporary


class Says:
    """A filter of one opinion."""

    name = "x"

    def __init__(self, action: Action, field: bytes = b"") -> None:
        reply = Reply(550, "5.7.1", action.value) if action is Action.REFUSE else None
        self.opinion = Opinion(action, action.value, Finding("x", action.value), reply, field)

    async def ask(self, question: Question) -> Opinion:
        return self.opinion


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (Action.ACCEPT, [Action.ACCEPT], Action.ACCEPT),
        (Action.JUNK, [Action.ACCEPT], Action.JUNK),
        (Action.ACCEPT, [Action.JUNK, Action.REFUSE, Action.ACCEPT], Action.REFUSE),
        (Action.REFUSE, [Action.JUNK], Action.REFUSE),
        (Action.ACCEPT, [Action.DEFER, Action.JUNK], Action.DEFER),
    ],
)
async def test_only_harsher(before: Action, said: list[Action], after: Action) -> None:
    chain = Chain([Link(Says(one, f"X-{n}: y\r\n".encode())) for n, one in enumerate(said)])
    found = await chain.screen(ENVELOPE, memoryview(b""), Verdict(before, "earlier"))
    assert found.verdict.action is after
    assert found.verdict.reason == ("earlier" if after is before else after.value)
    assert len(found.verdict.findings) == len(said)
    assert found.fields.count(b"\r\n") == len(said)


class Listener:
    """A milter that notes everything and says what it was told to."""

    def __init__(
        self,
        protocol: int = 0,
        end: bytes = b"\0\0\0\1c",
        step: bytes = b"c",
        rcpt: Sequence[bytes] = (),
    ) -> None:
        self.packets: list[tuple[bytes, bytes]] = []
        self._protocol, self._end, self._step = protocol, end, step
        self._rcpt = list(rcpt)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            data = await reader.readexactly(length)
            letter, data = data[:1], data[1:]
            self.packets.append((letter, data))
            if letter == b"O":
                answer = struct.pack("!I", 13) + b"O" + struct.pack("!III", 6, 1, self._protocol)
            elif letter in {b"D", b"Q"}:
                continue
            elif letter == b"R" and self._rcpt:
                answer = self._rcpt.pop(0)
            else:
                answer = self._end if letter == b"E" else b"\0\0\0\1" + self._step
            writer.write(answer)
            await writer.drain()

    def told(self, letter: bytes) -> list[bytes]:
        return [data for which, data in self.packets if which == letter]


async def asked(milter: Listener) -> Opinion:
    async with serving(milter) as where:
        return await Milter(where, "mx.test").ask(Question(ENVELOPE, memoryview(CONTENT)))


async def test_a_milter_hears_the_whole_transaction() -> None:
    milter = Listener()
    assert (await asked(milter)).action is Action.ACCEPT
    order = b"".join(letter for letter, _ in milter.packets if letter not in b"DQ")
    assert order == b"OCHMRRT" + b"LLL" + b"N" + b"BBBB" + b"E"
    assert milter.told(b"C") == [b"x.test\x006" + struct.pack("!H", 25) + b"IPv6:2001:db8::1\0"]
    assert milter.told(b"M") == [b"<a@x.test>\0"]
    assert milter.told(b"R") == [b"<ann@y.test>\0", b"<bob@y.test>\0"]
    assert milter.told(b"L") == [b"Received\0x\0", b"From\0a@x.test\0", b"Subject\0a\n b\0"]
    assert b"".join(milter.told(b"B")) == b"y" * 200_000


async def test_a_milter_that_wants_little() -> None:
    milter = Listener(protocol=0x7F | 0x200)
    assert (await asked(milter)).action is Action.ACCEPT
    assert b"".join(letter for letter, _ in milter.packets if letter not in b"DQ") == b"OE"


def packet(letter: bytes, data: bytes = b"") -> bytes:
    return struct.pack("!I", len(data) + 1) + letter + data


@pytest.mark.parametrize(
    ("end", "action", "code"),
    [
        (packet(b"a"), Action.ACCEPT, 0),
        (packet(b"p") + packet(b"p") + packet(b"c"), Action.ACCEPT, 0),
        (packet(b"r"), Action.REFUSE, 550),
        (packet(b"d"), Action.REFUSE, 550),
        (packet(b"t"), Action.DEFER, 451),
        (packet(b"y", b"554 5.7.9 we do not like it\0"), Action.REFUSE, 554),
        (packet(b"y", b"450-4.7.0 one\r\n450 4.7.0 two\0"), Action.DEFER, 450),
        (packet(b"y", b"rubbish\0"), Action.REFUSE, 550),
        (packet(b"q", b"looks odd\0") + packet(b"c"), Action.JUNK, 0),
        (packet(b"m", b"\0\0\0\1Subject\0other\0") + packet(b"c"), Action.ACCEPT, 0),
    ],
)
async def test_what_a_milter_decides(end: bytes, action: Action, code: int) -> None:
    opinion = await asked(Listener(end=end))
    assert opinion.action is action
    assert (opinion.reply.code if opinion.reply else 0) == code


async def test_fields_of_a_milter() -> None:
    end = (
        packet(b"h", b"X-One\0a\n\tb\0")
        + packet(b"i", b"\0\0\0\0X-Two\0c\r\nEvil: x\0")
        + packet(b"c")
    )
    opinion = await asked(Listener(end=end))
    assert opinion.fields == b"X-Two: c Evil: x\r\nX-One: a \tb\r\n"


async def test_a_milter_that_knows_early() -> None:
    milter = Listener(step=b"r")
    assert (await asked(milter)).action is Action.REFUSE
    assert not milter.told(b"B")


@pytest.mark.parametrize(
    ("said", "action", "code"),
    [
        ((packet(b"r"), packet(b"c")), Action.ACCEPT, 0),  # one of two was accepted already
        ((packet(b"r"), packet(b"r")), Action.REFUSE, 550),
        ((packet(b"r"), packet(b"t")), Action.DEFER, 451),
        ((packet(b"y", b"450 4.2.1 later\0"), packet(b"r")), Action.DEFER, 450),
        ((packet(b"r"), packet(b"y", b"551 5.1.6 gone\0")), Action.REFUSE, 551),
        ((packet(b"d"),), Action.REFUSE, 550),  # of the whole message
        ((packet(b"a"),), Action.ACCEPT, 0),
    ],
)  # fmt: skip
async def test_what_a_milter_says_of_recipients(
    said: Sequence[bytes], action: Action, code: int
) -> None:
    opinion = await asked(Listener(rcpt=said))
    assert opinion.action is action
    assert (opinion.reply.code if opinion.reply else 0) == code


@given(st.binary(max_size=200), st.integers(1, 20))
def test_milter_packets_of_anything(data: bytes, size: int) -> None:
    """The same whole and in pieces, and never an exception."""

    def fed(pieces: list[bytes]) -> list[Event]:
        client = Client()
        begin = client.feed(packet(b"O", struct.pack("!III", 6, 0, 0)))
        assert begin == [Agreed(6)]
        return [event for piece in pieces for event in client.feed(piece)]

    whole = packet(b"c") + data
    events = fed([whole])
    assert events == fed([whole[at : at + size] for at in range(0, len(whole), size)])
    assert events[0] == Answer(Decision.CONTINUE)
    assert Fault not in map(type, events[:-1])


def test_a_field_without_a_name() -> None:
    client = Client()
    client.feed(packet(b"O", struct.pack("!III", 6, 0, 0)))
    assert client.feed(packet(b"h", b"X\0y\0")) == [Added(b"X", b"y")]
    (event,) = client.feed(packet(b"h", b"X: y\r\n\0z\0"))
    assert isinstance(event, Fault)
    assert client.feed(packet(b"c")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/run/x.sock", Place(path="/run/x.sock")),
        ("unix:/run/x.sock", Place(path="/run/x.sock")),
        ("127.0.0.1:11333", Place("127.0.0.1", 11333)),
        ("[::1]:11333", Place("::1", 11333)),
        ("inet:8891@localhost", Place("localhost", 8891)),
        ("inet6:8891@::1", Place("::1", 8891)),
    ],
)
def test_places(text: str, expected: Place) -> None:
    assert place(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "host:", "host:99999", ":1", "inet:x@y"])
def test_no_places(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        place(text)
