"""The table of states: every state × every command, and the README that draws it."""

from __future__ import annotations

from pathlib import Path

import pytest

import pillarbox.wire.smtp as room
from pillarbox.model.reply import OK, Reply
from pillarbox.model.transaction import Role
from pillarbox.wire.smtp import events
from pillarbox.wire.smtp.client_states import ClientState, client_diagram
from pillarbox.wire.smtp.options import DEFAULT_EXTENSIONS, Extension, Options
from pillarbox.wire.smtp.server import Engine
from pillarbox.wire.smtp.states import ENDS, TABLE, VERBS, State, diagram, table

NO = Reply(550, "5.7.1", "No")
OPTIONS = Options(
    "mx.example.org",
    extensions=DEFAULT_EXTENSIONS | {Extension.STARTTLS},
    auth_in_clear=("PLAIN",),
)
LMTP = Options("mx.example.org", role=Role.LMTP, auth_in_clear=("PLAIN",))

LINES: dict[str, tuple[bytes, type]] = {
    "HELO": (b"HELO there", events.Hello),
    "EHLO": (b"EHLO there", events.Hello),
    "LHLO": (b"LHLO there", events.Hello),
    "MAIL": (b"MAIL FROM:<a@example.com>", events.Mail),
    "RCPT": (b"RCPT TO:<b@example.org>", events.Rcpt),
    "DATA": (b"DATA", events.Data),
    "BDAT": (b"BDAT 3", events.Bdat),
    "RSET": (b"RSET", events.Rset),
    "NOOP": (b"NOOP", events.Noop),
    "QUIT": (b"QUIT", events.Quit),
    "VRFY": (b"VRFY ann", events.Vrfy),
    "EXPN": (b"EXPN list", events.Expn),
    "HELP": (b"HELP", events.Help),
    "AUTH": (b"AUTH PLAIN AGFubgBwZW5jaWw=", events.Auth),
    "STARTTLS": (b"STARTTLS", events.StartTls),
}
WAY = {
    State.GREETED: (),
    State.READY: ("EHLO",),
    State.MAIL: ("EHLO", "MAIL"),
    State.RCPT: ("EHLO", "MAIL", "RCPT"),
    State.CHUNKS: ("EHLO", "MAIL", "RCPT", "BDAT"),
    State.SPOILT: ("EHLO", "MAIL", "RCPT", "BDAT"),
}


def send(engine: Engine, line: bytes) -> events.Event:
    found = engine.feed(line + b"\r\n")
    assert len(found) == 1, found
    return found[0]


def engine_in(state: State, options: Options = OPTIONS) -> Engine:
    engine = Engine(options)
    engine.greet(NO if state is State.TURNED_AWAY else None)
    for verb in WAY.get(state, ()):
        if verb == "EHLO" and options.role is Role.LMTP:
            verb = "LHLO"
        send(engine, LINES[verb][0])
        engine.reply(OK)
    if state in (State.CHUNKS, State.SPOILT):
        assert isinstance(engine.feed(b"abc")[-1], events.ChunkEnd)
        engine.reply(OK if state is State.CHUNKS else NO)
    assert engine.state is state
    return engine


def test_the_lines_here_cover_the_table() -> None:
    assert set(LINES) == set(VERBS)
    for row in TABLE.values():
        assert set(row) == set(VERBS)
    assert set(WAY) | {State.TURNED_AWAY} == set(TABLE)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", TABLE)
def test_every_state_and_command(state: State, verb: str) -> None:
    options = LMTP if verb == "LHLO" else OPTIONS
    cell = TABLE[state][verb]
    line, kind = LINES[verb]

    engine = engine_in(state, options)
    found = engine.feed(line + b"\r\n")
    if isinstance(cell, Reply):
        if verb == "BDAT":
            assert found == []  # its octets come whatever we say
            found = engine.feed(b"MAI")
        assert [type(event) for event in found] == [events.Fault]
        assert isinstance(found[0], events.Fault)
        assert found[0].reply == cell
        engine.reply(found[0].reply)
        assert engine.state is state
        assert isinstance(send(engine, b"QUIT"), events.Quit)
        return

    assert [type(event) for event in found] == [kind]
    assert engine.gated
    assert engine.state is state, "only the answer commits"
    engine.reply(Reply(354, "", "go") if verb == "DATA" else OK)
    assert engine.state is (State.READY if verb == "AUTH" else cell)

    engine = engine_in(state, options)
    engine.feed(line + b"\r\n")
    engine.reply(NO)
    expected = state
    if verb == "BDAT":
        expected = State.CHUNK  # its octets still have to be read
    if verb == "QUIT":
        expected = State.CLOSED
    assert engine.state is expected, "a refusal changes nothing"


@pytest.mark.parametrize("good", [True, False])
def test_how_content_ends(good: bool) -> None:
    reply = OK if good else NO
    engine = engine_in(State.RCPT)
    send(engine, b"DATA")
    engine.accept_data()
    assert engine.state is State.CONTENT
    assert isinstance(engine.feed(b"x\r\n.\r\n")[-1], events.DataEnd)
    engine.reply(reply)
    assert engine.state is ENDS[State.CONTENT, good]
    assert engine.sender is None
    assert engine.recipients == []

    engine = engine_in(State.RCPT)
    send(engine, b"BDAT 3")
    engine.accept_data()
    assert isinstance(engine.feed(b"abc")[-1], events.ChunkEnd)
    engine.reply(reply)
    assert engine.state is ENDS[State.CHUNK, good]

    engine = engine_in(State.CHUNKS)
    send(engine, b"BDAT 3 LAST")
    engine.accept_data()
    assert engine.state is State.LAST_CHUNK
    assert isinstance(engine.feed(b"abc")[-1], events.DataEnd)
    engine.reply(reply)
    assert engine.state is ENDS[State.LAST_CHUNK, good]


@pytest.mark.parametrize("good", [True, False])
def test_how_an_exchange_ends(good: bool) -> None:
    engine = engine_in(State.READY)
    send(engine, b"AUTH PLAIN")
    assert engine.auth_challenge(b"") == b"334 \r\n"
    assert engine.state is State.SASL
    assert send(engine, b"eA==") == events.AuthLine(b"x")
    engine.auth_done(Reply(235, "2.7.0", "Yes") if good else Reply(535, "5.7.8", "No"))
    assert engine.state is ENDS[State.SASL, good]
    assert engine.session.authenticated is good


def test_a_handshake_starts_anew() -> None:
    engine = engine_in(State.READY)
    send(engine, b"STARTTLS")
    assert engine.accept_tls() == b"220 2.0.0 Ready to start TLS\r\n"
    assert engine.state is State.TLS
    assert engine.gated
    engine.tls_started()
    assert engine.state is ENDS[State.TLS, True]
    assert engine.session.helo == ""


ROOM = Path(room.__path__[0])


def test_the_papers_are_drawn_from_the_tables() -> None:
    assert f"\n\n{table()}\n" in (ROOM / "README.md").read_text("utf-8")
    drawn = (ROOM / "STATES.md").read_text("utf-8")
    assert f"```mermaid\n{diagram()}```\n" in drawn
    assert f"```mermaid\n{client_diagram()}```\n" in drawn


def test_every_state_is_drawn() -> None:
    for state in State:
        assert state.name in diagram()
    for client_state in ClientState:
        assert client_state.name in client_diagram()
