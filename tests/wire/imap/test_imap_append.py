"""APPEND in pieces: one message, several, CATENATE, UTF8, and every way to stop."""

from __future__ import annotations

import datetime as dt

import pytest

from pillarbox.model.flags import DRAFT, SEEN, FlagSet
from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap import events as e
from pillarbox.wire.imap.capability import OFFERED
from pillarbox.wire.imap.limits import Limits
from pillarbox.wire.imap.server import ServerEngine
from pillarbox.wire.imap.state import State
from support.imapsay import EVERYTHING, engine, merged, say

NOOP = b"z NOOP\r\n"
SMALL = Limits(append=100, swallow=300, messages=3)


def start(tag: str = "a", mailbox: str = "x", size: int = 5, **more: object) -> c.AppendStart:
    fields = {"flags": FlagSet(), "date": None, "sync": False, **more}
    return c.AppendStart(tag, mailbox, size=size, **fields)  # type: ignore[arg-type]


HELLO = e.LiteralChunk(b"hello")


def test_the_example_of_the_rfc() -> None:
    made = engine(State.AUTHENTICATED)
    first = made.feed(b"A003 APPEND saved-messages (\\Seen) {11}\r\n")
    assert first == [start("A003", "saved-messages", 11, flags=FlagSet(SEEN), sync=True)]
    assert made.gated
    assert made.accept() == b"+ Ready for the message\r\n"
    assert made.feed(b"Date: Mon\r\n") == [e.LiteralChunk(b"Date: Mon\r\n")]
    assert made.feed(b"\r\n" + NOOP) == [c.AppendEnd("A003"), c.Noop("z")]


@pytest.mark.parametrize("head", [b"x", b'"x"', b"{1+}\r\nx"])
def test_however_the_mailbox_is_spelt(head: bytes) -> None:
    assert say(engine(), b"a APPEND " + head + b" {5+}\r\nhello\r\n") == [
        start(), HELLO, c.AppendEnd("a")
    ]  # fmt: skip


def test_the_mailbox_as_a_synchronizing_literal() -> None:
    made = engine()
    assert made.feed(b"a APPEND {1}\r\n") == [e.Send(b"+ Ready for more\r\n")]
    assert made.feed(b"x {5}\r\n") == [start(sync=True)]


def test_flags_and_date() -> None:
    zone = dt.timezone(-dt.timedelta(hours=7, minutes=30))
    when = dt.datetime(1996, 7, 17, 2, 44, 25, tzinfo=zone)
    line = b'a APPEND x (\\Draft $Foo) "17-Jul-1996 02:44:25 -0730" {5+}\r\nhello\r\n'
    flags = FlagSet(DRAFT, frozenset({"$Foo"}))
    assert say(engine(), line)[0] == start(flags=flags, date=when)
    line = b'a APPEND x " 7-feb-2024 23:59:60 +0000" {5+}\r\nhello\r\n'
    when = dt.datetime(2024, 2, 7, 23, 59, 59, tzinfo=dt.UTC)
    assert say(engine(), line)[0] == start(date=when)


def test_an_empty_message() -> None:
    assert say(engine(), b"a APPEND x {0+}\r\n\r\n") == [start(size=0), c.AppendEnd("a")]


def test_octets_of_a_message_are_left_alone() -> None:
    octets = bytes(range(256)) + b"}\r\n{5+}\r\n.\r\n"
    line = b"a APPEND x {%d+}\r\n" % len(octets)
    assert merged(say(engine(), line + octets + b"\r\n", bytewise=True)) == [
        start(size=len(octets)), e.LiteralChunk(octets), c.AppendEnd("a")
    ]  # fmt: skip


def test_refused_before_a_synchronizing_literal() -> None:
    made = engine()
    made.feed(b"a APPEND x {5}\r\n")
    made.refuse()
    assert made.feed(NOOP) == [c.Noop("z")]


def test_refused_although_the_octets_come() -> None:
    made = engine()
    made.feed(b"a APPEND x {10+}\r\nz LOG")
    made.refuse()
    assert made.resume() == []
    assert made.feed(b"OUT\r\n (\\Seen) {3+}\r\nabc\r\n" + NOOP) == [c.Noop("z")]


def test_too_big() -> None:
    for plus, octets in ((b"", b""), (b"+", b"y" * 101 + b"\r\n")):
        events = say(engine(limits=SMALL), b"a APPEND x {101%b}\r\n" % plus + octets + NOOP)
        assert events[0] == e.BadCommand("a", "A message may have 100 octets", "TOOBIG", "NO")
        assert events[1:] == [c.Noop("z")]
    assert isinstance(say(engine(limits=SMALL), b"a APPEND x {301+}\r\n")[-1], e.Bye)


@pytest.mark.parametrize(
    "line",
    [
        b"a APPEND\r\n", b"a APPEND \r\n", b"a APPEND x\r\n", b"a APPEND x \r\n",
        b"a APPEND x y\r\n",
        b"a APPEND x (\\Seen)\r\n", b"a APPEND x (\\Seen){5}\r\n", b"a APPEND x{5}\r\n",
        b'a APPEND x "31-Feb-2024 00:00:00 +0000" {5}\r\n', b'a APPEND x "1-Jan-2024" {5}\r\n',
        b'a APPEND x "01-Jan-0001 00:00:00 +2359" {5}\r\n', b"a APPEND x () () {5}\r\n",
        b'a APPEND x "01-Jan-2024 24:00:00 +0000" {5}\r\n', b"a APPEND x NIL {5}\r\n",
        b"a APPEND x (\\Seen {5}\r\n", b"a APPEND &&& {5}\r\n", b"a APPEND x UTF8 {5}\r\n",
        b"a APPEND x UTF8 ({5}\r\n", b"a APPEND x CATENATE ()\r\n",
        b"a APPEND x CATENATE (TEXT y)\r\n",
        b"a APPEND x CATENATE (FOO {5}\r\n", b"a APPEND x CATENATE (URL y\r\n",
        b"a APPEND x CATENATE (URL y TEXT{5}\r\n", b"a APPEND x CATENATE {5}\r\n",
    ],
)  # fmt: skip
def test_what_is_no_append(line: bytes) -> None:
    events = say(engine(), line + NOOP)
    assert isinstance(events[-2], e.BadCommand), events
    assert events[-1] == c.Noop("z")


@pytest.mark.parametrize("rest", [b"x", b" x", b" (\\Seen)", b" {5}", b" {5+}\r\nhello"])
def test_something_wrong_behind_the_message(rest: bytes) -> None:
    one = EVERYTHING - {"MULTIAPPEND"}
    events = say(engine(offers=one), b"a APPEND x {5+}\r\nhello" + rest + b"\r\n" + NOOP)
    assert [type(event) for event in events] == [
        c.AppendStart, e.LiteralChunk, e.BadCommand, c.Noop
    ]  # fmt: skip


def test_a_space_behind_the_message_is_tolerated() -> None:
    assert say(engine(), b"a APPEND x {5+}\r\nhello \r\n")[-1] == c.AppendEnd("a")


def test_multiappend() -> None:
    line = b"a APPEND x (\\Seen) {5+}\r\nhello {5}\r\nworld\r\n"
    assert say(engine(), line + NOOP) == [
        start(flags=FlagSet(SEEN)), HELLO,
        start(index=1, sync=True), e.LiteralChunk(b"world"),
        c.AppendEnd("a"), c.Noop("z"),
    ]  # fmt: skip


def test_multiappend_refused_in_the_middle() -> None:
    made = engine()
    made.feed(b"a APPEND x {5+}\r\nhello {5+}\r\n")
    made.accept()
    assert made.resume() == [HELLO, start(index=1)]
    made.refuse()
    assert made.feed(b"world {4+}\r\nabcd\r\n" + NOOP) == [c.Noop("z")]


def test_multiappend_has_a_bound() -> None:
    events = say(engine(limits=SMALL), b"a APPEND x" + b" {5+}\r\nhello" * 4 + b"\r\n" + NOOP)
    assert events[-2] == e.BadCommand("a", "Too many messages", "LIMIT", "NO")
    assert events[-1] == c.Noop("z")


def test_literal8() -> None:
    line = b"a APPEND x ~{5+}\r\nhello\r\n"
    assert say(engine(), line) == [start(binary=True), HELLO, c.AppendEnd("a")]
    events = say(engine(offers=EVERYTHING - {"BINARY"}), line + NOOP)
    assert [type(event) for event in events] == [e.BadCommand, c.Noop]


def test_utf8() -> None:
    line = b"a APPEND x UTF8 (~{5+}\r\nhello) UTF8 (~{5+}\r\nworld)\r\n"
    assert say(engine(), line) == [
        start(binary=True, utf8=True), HELLO,
        start(binary=True, utf8=True, index=1), e.LiteralChunk(b"world"), c.AppendEnd("a"),
    ]  # fmt: skip
    events = say(engine(), b"a APPEND x UTF8 (~{5+}\r\nhello\r\n" + NOOP)
    assert [type(event) for event in events][-2:] == [e.BadCommand, c.Noop]


CATENATE = (
    b'a APPEND Drafts (\\Seen) CATENATE (URL "/Drafts;UIDVALIDITY=38/;UID=20/;section=HEADER" '
    b"TEXT {5+}\r\nhello URL {4+}\r\n/b/c TEXT {5}\r\nworld URL /d)"
)


def catenated(index: int = 0) -> list[object]:
    return [
        start("a", "Drafts", 0, flags=FlagSet(SEEN), sync=True, catenate=True, index=index),
        e.CatenateUrl("a", "/Drafts;UIDVALIDITY=38/;UID=20/;section=HEADER"),
        e.CatenateText("a", 5, False),
        HELLO,
        e.CatenateUrl("a", "/b/c"),
        e.CatenateText("a", 5, True),
        e.LiteralChunk(b"world"),
        e.CatenateUrl("a", "/d"),
    ]


def test_catenate() -> None:
    assert say(engine(), CATENATE + b"\r\n" + NOOP) == [*catenated(), c.AppendEnd("a"), c.Noop("z")]


def test_catenate_of_urls_only() -> None:
    assert say(engine(), b"a APPEND x CATENATE (URL a URL b)\r\n") == [
        start(size=0, sync=True, catenate=True),
        e.CatenateUrl("a", "a"), e.CatenateUrl("a", "b"), c.AppendEnd("a"),
    ]  # fmt: skip


def test_catenate_and_then_another_message() -> None:
    again = CATENATE.replace(b"a APPEND Drafts", b"")
    events = say(engine(), CATENATE + again + b" {5+}\r\nhello\r\n")
    assert events == [
        *catenated(),
        *catenated(1),
        start("a", "Drafts", index=2),
        HELLO,
        c.AppendEnd("a"),
    ]


@pytest.mark.parametrize("at", range(8))
def test_catenate_refused_anywhere(at: int) -> None:
    made = engine()
    events = made.feed(CATENATE + b"\r\n" + NOOP)
    seen: list[object] = []
    while events:
        seen += events
        if made.gated:
            if len([s for s in seen if not isinstance(s, e.LiteralChunk)]) > at:
                made.refuse()
            else:
                made.accept()
        events = made.resume()
    if any(isinstance(event, e.CatenateText) and event.sync for event in seen):
        # told no, this client sends the octets of {5} all the same: its own fault
        assert isinstance(seen[-1], c.Noop | e.BadCommand)
    elif at < 6:
        assert isinstance(seen[-1], c.Noop) or seen[-1] == e.BadCommand("world", "Unknown command")


def test_not_in_an_engine_that_does_not_offer_it() -> None:
    for line in (CATENATE + b"\r\n", b"a APPEND x UTF8 (~{5+}\r\nhello)\r\n"):
        made = ServerEngine(offers=OFFERED - {"CATENATE", "UTF8=ACCEPT"})
        made.state = State.AUTHENTICATED
        assert isinstance(say(made, line)[0], e.BadCommand)
