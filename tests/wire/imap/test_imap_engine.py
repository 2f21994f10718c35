"""The engine: literals, gates, limits, and what becomes of refused octets."""

from __future__ import annotations

import base64

import pytest

from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap import events as e
from pillarbox.wire.imap.limits import Limits
from pillarbox.wire.imap.state import State
from support.imapsay import engine, merged, say

BEFORE, AFTER = State.NOT_AUTHENTICATED, State.AUTHENTICATED
NOOP = b"z NOOP\r\n"
SMALL = Limits(
    line=200, line_before_login=100, literal=50, literal_before_login=20, command=300,
    literals=4, append=1000, swallow=400, swallow_before_login=60, pending=500,
)  # fmt: skip


def bad(events: list[object], index: int = 0) -> str:
    event = events[index]
    assert isinstance(event, e.BadCommand), event
    return event.reply.decode()


# --- literals in commands


def test_a_synchronizing_literal_is_asked_for_in_order() -> None:
    made = engine(BEFORE)
    assert made.feed(b"a NOOP\r\nb LOGIN {3}\r\n") == [c.Noop("a"), e.Send(b"+ Ready for more\r\n")]
    assert made.feed(b"ann {6}\r\n") == [e.Send(b"+ Ready for more\r\n")]
    assert made.feed(b"pencil\r\n") == [c.Login("b", "ann", "pencil")]


def test_empty_literals() -> None:
    assert say(engine(BEFORE), b"a LOGIN {0+}\r\n {0+}\r\n\r\n" + NOOP) == [
        c.Login("a", "", ""),
        c.Noop("z"),
    ]


def test_a_literal_of_binary_octets_is_no_string() -> None:
    assert "NUL" in bad(say(engine(), b"a CREATE {3+}\r\na\0b\r\n"))
    assert "UTF-8" in bad(say(engine(), b"a CREATE {1+}\r\n\xff\r\n"))


@pytest.mark.parametrize("size", [51, 10**15])
def test_a_literal_over_its_bound_is_not_asked_for(size: int) -> None:
    events = say(engine(limits=SMALL), b"a CREATE {%d}\r\n" % size + NOOP)
    assert bad(events) == "a BAD [TOOBIG] The literal is too large\r\n"
    assert events[1:] == [c.Noop("z")]


def test_a_literal_that_comes_unasked_is_swallowed() -> None:
    octets = b"x LOGOUT\r\n" * 6
    events = say(
        engine(limits=SMALL), b"a CREATE {60+}\r\n" + octets + b" {5+}\r\nhello\r\n" + NOOP
    )
    assert bad(events) == "a BAD [TOOBIG] The literal is too large\r\n"
    assert events[1:] == [c.Noop("z")]


def test_a_refused_command_ends_where_it_would_have_to_wait() -> None:
    events = say(engine(limits=SMALL), b"a XYZZY {4+}\r\nabcd {5}\r\n" + NOOP)
    assert "Unknown" in bad(events)
    assert events[1:] == [c.Noop("z")]


def test_too_much_to_swallow_ends_the_connection() -> None:
    made = engine(limits=SMALL)
    events = say(made, b"a CREATE {401+}\r\n")
    assert events[1:] == [e.Bye("Too much to skip", "TOOBIG")]
    assert events[1].reply == b"* BYE [TOOBIG] Too much to skip\r\n"  # type: ignore[union-attr]
    assert made.feed(NOOP) == []
    assert made.eof() == []
    events = say(engine(BEFORE, limits=SMALL), b"a XYZZY {61+}\r\n")
    assert isinstance(events[-1], e.Bye)


def test_swallowed_pieces_add_up() -> None:
    piece = b"{100+}\r\n" + b"x" * 100
    events = say(engine(limits=SMALL), b"a XYZZY " + piece * 4)
    assert isinstance(events[-1], e.Bye)
    events = say(engine(limits=SMALL), b"a XYZZY " + piece * 3 + b"\r\n" + NOOP)
    assert events[-1] == c.Noop("z")
    # and are forgotten with the command
    events = say(engine(limits=SMALL), (b"a XYZZY " + piece * 3 + b"\r\n") * 3 + NOOP)
    assert events[-1] == c.Noop("z")


def test_the_bound_of_a_whole_command() -> None:
    piece = b"{50+}\r\n" + b"x" * 50
    line = b"a SEARCH OR TEXT " + piece + b" OR TEXT " + piece + b" OR TEXT " + piece
    events = say(engine(limits=SMALL), line + b" TEXT " + piece + b" TEXT y\r\n" + NOOP)
    assert isinstance(events[0], c.Search)
    events = say(engine(limits=SMALL), line + b" " * 110 + b"TEXT " + piece + b"\r\n" + NOOP)
    assert "TOOBIG" in bad(events)
    line = b"a SEARCH " + b"TEXT {1+}\r\nx " * 4
    assert isinstance(say(engine(limits=SMALL), line[:-1] + b"\r\n")[0], c.Search)
    assert "TOOBIG" in bad(say(engine(limits=SMALL), line + b"TEXT {1+}\r\nx\r\n"))


def test_nobody_unknown_sends_much() -> None:
    assert "TOOBIG" in bad(say(engine(BEFORE, limits=SMALL), b"a LOGIN {21}\r\n"))
    assert "is not allowed" in bad(say(engine(BEFORE, limits=SMALL), b"a CREATE {2}\r\n"))


def test_literal_minus() -> None:
    limits = Limits(literal_minus=True)
    made = engine(limits=limits)
    assert "TOOBIG" in bad(say(made, b"a CREATE {4097+}\r\n" + b"x" * 4097 + b"\r\n"))
    assert "TOOBIG" in bad(say(made, b"a APPEND x {4097+}\r\n" + b"x" * 4097 + b"\r\n"))
    assert say(made, b"a CREATE {3+}\r\nabc\r\n") == [c.Create("a", "abc")]
    assert say(made, b"a APPEND x {4096+}\r\n" + b"x" * 4096 + b"\r\n")[-1] == c.AppendEnd("a")
    assert made.feed(b"a CREATE {4097}\r\n") == [e.Send(b"+ Ready for more\r\n")]


@pytest.mark.parametrize("text", ["{+}", "{5-}", "{ 5}", "{5} ", "{99999999999999999999}", "{5++}"])
def test_what_only_looks_like_an_announcement(text: str) -> None:
    events = say(engine(), f"a CREATE {text}\r\n".encode() + NOOP)
    assert bad(events)
    assert events[1:] == [c.Noop("z")]


def test_a_mark_cannot_be_forged() -> None:
    events = say(engine(BEFORE), b"a LOGIN {2+}\r\nxy \n\r\n" + NOOP)
    assert "line feed" in bad(events)
    events = say(engine(BEFORE), b"a LOGIN x \n\r\n" + NOOP)
    assert bad(events)
    assert events[1:] == [c.Noop("z")]


def test_an_announcement_inside_a_quoted_string_is_one_all_the_same() -> None:
    """The end of the line alone decides (RFC 7888 §3)."""
    events = say(engine(), b'a CREATE "x {5+}\r\nz NOP\r\n' + NOOP)
    assert bad(events)
    assert events[1:] == [c.Noop("z")]


# --- lines


def test_a_line_that_is_too_long() -> None:
    events = say(engine(limits=SMALL), b"a CREATE " + b"x" * 200 + b"\r\n" + NOOP)
    assert bad(events) == "a BAD [LIMIT] The line is too long\r\n"
    assert events[1:] == [c.Noop("z")]
    fits = b"a CREATE " + b"x" * (200 - 11) + b"\r\n"
    assert isinstance(say(engine(limits=SMALL), fits)[0], c.Create)


def test_a_literal_behind_a_line_that_is_too_long() -> None:
    events = say(
        engine(limits=SMALL), b"a CREATE " + b"x" * 200 + b"{10+}\r\nz LOGOUT\r\n\r\n" + NOOP
    )
    assert [type(event) for event in events] == [e.BadCommand, c.Noop]


def test_a_line_without_end() -> None:
    made = engine(limits=SMALL)
    events = []
    for _ in range(100):
        events += made.feed(b"x" * 10)
        assert made.pending < 300
    assert [type(event) for event in events] == [e.BadCommand, e.Bye]


def test_a_line_that_is_too_long_behind_a_literal() -> None:
    events = say(engine(limits=SMALL), b"a CREATE {2+}\r\nxy" + b" " * 300 + b"\r\n" + NOOP)
    assert bad(events) == "a BAD [LIMIT] The line is too long\r\n"
    assert events[1:] == [c.Noop("z")]


def test_a_gate_holds_no_more_than_its_bound() -> None:
    made = engine(AFTER, limits=SMALL)
    made.feed(b"a SELECT x\r\n")
    for _ in range(100):
        assert made.feed(b"z NOOP\r\n" * 10) == []
    assert made.pending <= 600
    made.done()
    assert isinstance(made.resume()[-1], e.Bye)


# --- gates


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def test_authenticate_with_challenges() -> None:
    made = engine(BEFORE)
    assert made.feed(b"a AUTHENTICATE plain\r\n") == [c.Authenticate("a", "PLAIN", None)]
    assert made.challenge(b"") == b"+ \r\n"
    assert made.feed(b64(b"\0ann\0pencil") + b"\r\n") == [e.AuthResponse("a", b"\0ann\0pencil")]
    assert made.gated
    assert made.challenge(b"more") == b"+ bW9yZQ==\r\n"
    assert made.feed(b"\r\n") == [e.AuthResponse("a", b"")]
    made.state = AFTER
    made.done()
    assert made.feed(NOOP) == [c.Noop("z")]


def test_authenticate_with_an_initial_response() -> None:
    made = engine(BEFORE)
    assert made.feed(b"a AUTHENTICATE PLAIN AGFubgBwZW5jaWw=\r\n" + NOOP) == [
        c.Authenticate("a", "PLAIN", b"\0ann\0pencil")
    ]
    made.done()
    assert made.resume() == [c.Noop("z")]
    assert made.feed(b"a AUTHENTICATE EXTERNAL =\r\n") == [c.Authenticate("a", "EXTERNAL", b"")]
    made.done()
    assert "base64" in bad(made.feed(b"a AUTHENTICATE PLAIN AGF\r\n"))
    assert not made.gated


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (b"*\r\n", e.AuthCancelled("a")),
        (b"a b c\r\n", e.BadCommand("a", "The response is not base64")),
        (b"YQ\r\n", e.BadCommand("a", "The response is not base64")),
        (b"x" * 20_000 + b"\r\n", e.BadCommand("a", "The line is too long", "LIMIT")),
    ],
)
def test_an_exchange_that_fails_goes_back_to_commands(line: bytes, outcome: object) -> None:
    made = engine(BEFORE)
    made.feed(b"a AUTHENTICATE PLAIN\r\n")
    made.challenge(b"")
    assert made.feed(line + NOOP) == [outcome, c.Noop("z")]


def test_starttls_throws_away_what_was_said_in_clear() -> None:
    made = engine(BEFORE)
    assert made.feed(b"a STARTTLS\r\nb LOGIN x y\r\nc SEL") == [c.StartTls("a", True)]
    made.feed(b"ECT z\r\n")
    assert made.accept() == b""
    assert made.pending == 0
    assert made.resume() == []
    assert made.feed(NOOP) == [c.Noop("z")]


def test_starttls_refused_goes_on_in_clear() -> None:
    made = engine(BEFORE)
    assert made.feed(b"a STARTTLS\r\n") == [c.StartTls("a", False)]
    made.feed(NOOP)
    made.refuse()
    assert made.resume() == [c.Noop("z")]


def test_idle() -> None:
    made = engine()
    assert made.feed(b"a IDLE\r\nDONE\r\n" + NOOP) == [c.Idle("a")]
    assert made.accept() == b"+ idling\r\n"
    assert made.resume() == [e.IdleDone("a"), c.Noop("z")]


def test_idle_refused() -> None:
    made = engine()
    made.feed(b"a IDLE\r\n" + NOOP)
    made.refuse()
    assert made.resume() == [c.Noop("z")]


@pytest.mark.parametrize("line", [b"b NOOP", b"", b"DONE ", b"DONE x"])
def test_idle_ended_by_something_else(line: bytes) -> None:
    made = engine()
    made.feed(b"a IDLE\r\n")
    made.accept()
    events = made.feed(line + b"\r\n" + NOOP)
    assert events == [e.BadCommand("a", "Expected DONE"), c.Noop("z")]


def test_a_literal_inside_idle_is_not_read_as_commands() -> None:
    made = engine()
    made.feed(b"a IDLE\r\n")
    made.accept()
    events = made.feed(b"b APPEND x {10+}\r\nc LOGOUT\r\n\r\n" + NOOP)
    assert [type(event) for event in events] == [e.BadCommand, c.Noop]


def test_done_where_nothing_waits_changes_nothing() -> None:
    made = engine()
    made.feed(b"a CREATE {5+}\r\nhe")
    made.done()
    made.refuse()
    assert made.feed(b"llo\r\n") == [c.Create("a", "hello")]


def test_the_end_names_what_was_left_half_said() -> None:
    for data, tag in (
        (b"", ""),
        (b"a NOOP\r\n", ""),
        (b"a NO", ""),
        (b"a CREATE {5+}\r\nhe", "a"),
        (b"a SELECT x\r\n", "a"),
        (b"a APPEND x {5+}\r\nhe", "a"),
    ):
        made = engine()
        made.feed(data)
        if made.gated and b"APPEND" in data:
            made.accept()
            made.resume()
        assert made.eof() == [e.Disconnected(tag)], data
        assert made.feed(NOOP) == []


def test_utf8_names() -> None:
    assert "modified UTF-7" in bad(say(engine(), "a CREATE {3+}\r\nä!\r\n".encode()))
    assert "modified UTF-7" in bad(say(engine(), b'a CREATE "R&D"\r\n'))
    made = engine(utf8=True)
    assert say(made, 'a CREATE "ä&"\r\n'.encode()) == [c.Create("a", "ä&")]
    assert say(made, 'a LIST "" "ä%"\r\n'.encode()) == [c.List("a", "", ("ä%",))]
    assert bad(say(made, b'a CREATE "\xff"\r\n'))


def test_a_burst_is_many_events() -> None:
    assert len(say(engine(), NOOP * 1000)) == 1000


def test_chunks_are_what_came() -> None:
    made = engine()
    made.feed(b"a APPEND x {10}\r\n")
    made.accept()
    assert made.feed(b"hello") == [e.LiteralChunk(b"hello")]
    assert merged(say(made, b"world\r\n", bytewise=True)) == [
        e.LiteralChunk(b"world"),
        c.AppendEnd("a"),
    ]
