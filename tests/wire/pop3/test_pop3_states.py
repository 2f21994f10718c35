"""The table of states: every state × every command, and the README that draws it."""

from __future__ import annotations

from pathlib import Path

import pytest

import pillarbox.wire.pop3 as room
from pillarbox.wire.pop3.commands import COMMANDS, Rule, State, state_table
from pillarbox.wire.pop3.events import Event, Fault, FaultKind, Quit
from pillarbox.wire.pop3.server import Engine
from support.pop3streams import COMMAND_LINES as LINES


def engine_in(state: State) -> Engine:
    engine = Engine(stls_offered=True)
    if state is State.IDENTIFIED:
        engine.feed(b"USER ann\r\n")
        engine.accept()
    if state is State.TRANSACTION:
        engine.feed(b"AUTH PLAIN\r\n")
        engine.accept()
    if state is State.UPDATE:
        engine.feed(b"QUIT\r\n")
    assert engine.state is state
    return engine


def only(events: list[Event]) -> Event:
    assert len(events) == 1
    return events[0]


def test_the_lines_here_cover_the_table() -> None:
    assert set(LINES) == set(COMMANDS)


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("state", State)
def test_every_state_and_command(state: State, verb: str) -> None:
    engine = engine_in(state)
    found = engine.feed(LINES[verb] + b"\r\n")
    rule = COMMANDS[verb].rules[state]
    if state is State.UPDATE:  # nothing is read after QUIT
        assert rule is Rule.NO
        assert found == []
        return
    event = only(found)
    refused = {Rule.NO: FaultKind.STATE, Rule.OFF: FaultKind.NOT_OFFERED}
    if rule in refused:
        assert isinstance(event, Fault)
        early = verb == "PASS" and state is State.AUTHORIZATION
        assert event.kind is (FaultKind.USER_FIRST if early else refused[rule])
        assert engine.state is state
        return
    assert type(event).__name__.upper() == verb
    assert engine.gated is (rule is Rule.GATE)
    assert engine.over is (rule is Rule.LAST)


@pytest.mark.parametrize(
    ("state", "verb"),
    [(s, v) for v, c in COMMANDS.items() for s, r in c.rules.items() if r is Rule.GATE],
)
def test_both_ways_through_every_gate(state: State, verb: str) -> None:
    accepted, refused = engine_in(state), engine_in(state)
    for engine in (accepted, refused):
        engine.feed(LINES[verb] + b"\r\nSTAT\r\n")
        assert engine.gated
        assert engine.feed(b"NOOP\r\n") == engine.resume() == []
    if verb == "STLS":
        assert accepted.start_tls() == len(b"STAT\r\nNOOP\r\n")
        assert accepted.secure
        assert accepted.resume() == []
    else:
        accepted.accept()
        assert len(accepted.resume()) == 2
    assert accepted.state is COMMANDS[verb].then
    refused.refuse()
    assert refused.state is (state if verb == "STLS" else State.AUTHORIZATION)
    assert [type(event) for event in refused.resume()] == [Fault, Fault]


@pytest.mark.parametrize("state", [State.AUTHORIZATION, State.IDENTIFIED, State.TRANSACTION])
def test_only_quit_in_transaction_updates(state: State) -> None:
    event = only(engine_in(state).feed(b"QUIT\r\n"))
    assert isinstance(event, Quit)
    assert event.update is (state is State.TRANSACTION)


def test_answers_without_a_gate_are_bugs() -> None:
    engine = engine_in(State.AUTHORIZATION)
    for call in (engine.accept, engine.refuse, engine.start_tls, lambda: engine.challenge(b"")):
        with pytest.raises(RuntimeError):
            call()
    engine.feed(b"STLS\r\n")
    with pytest.raises(RuntimeError):
        engine.accept()


def test_the_readme_draws_this_table() -> None:
    readme = Path(room.__file__).with_name("README.md").read_text("utf-8")
    assert state_table() in readme
    assert len(readme.splitlines()) <= 40
