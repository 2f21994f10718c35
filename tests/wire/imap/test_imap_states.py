"""Every command in every state, and the pages drawn from the tables."""

from __future__ import annotations

import pytest

from pillarbox.wire.imap import events as e
from pillarbox.wire.imap.capability import ROWS
from pillarbox.wire.imap.parse.table import BARE, PARSERS, STREAMED
from pillarbox.wire.imap.state import TABLE, Gate, State, allows
from support import imappages
from support.imaplines import LINES, line
from support.imapsay import EVERYTHING, engine, say
from support.tree import ROOT


def test_every_command_can_be_parsed_and_said() -> None:
    assert set(PARSERS) == set(TABLE)
    assert set(LINES) | set(BARE) | {"STARTTLS", "LANGUAGE"} == set(TABLE)
    assert {name for name, rule in TABLE.items() if rule.gate is Gate.LITERAL} == STREAMED


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", TABLE)
def test_a_command_is_let_through_in_its_states_only(name: str, state: State) -> None:
    made = engine(state)
    events = made.feed(line(name))
    assert len(events) == 1
    if state in TABLE[name].states:
        assert not isinstance(events[0], e.BadCommand)
        assert made.gated is (TABLE[name].gate is not Gate.NONE)
    else:
        assert isinstance(events[0], e.BadCommand)
        assert events[0].text == f"{name} is not allowed now"
        assert not made.gated


@pytest.mark.parametrize("name", [name for name, rule in TABLE.items() if rule.needs])
def test_a_command_of_an_extension_that_is_not_offered_is_unknown(name: str) -> None:
    needs = TABLE[name].needs
    family = {row for row in ROWS if row == needs or (needs[-1] == "=" and row.startswith(needs))}
    assert family
    state = next(s for s in State if s in TABLE[name].states)
    events = engine(state, offers=EVERYTHING - family).feed(line(name))
    assert isinstance(events[0], e.BadCommand)
    assert events[0].text == "Unknown command"


@pytest.mark.parametrize("name", [n for n, r in TABLE.items() if r.gate is not Gate.NONE])
def test_nothing_behind_a_gate_is_read(name: str) -> None:
    state = next(s for s in State if s in TABLE[name].states)
    made = engine(state)
    assert len(made.feed(line(name) + b"abc\r\nt2 NOOP\r\n")) == 1
    assert made.gated
    assert made.feed(b"t3 NOOP\r\n") == []
    assert made.resume() == []


@pytest.mark.parametrize("name", [n for n, r in TABLE.items() if r.gate is Gate.OUTCOME])
def test_the_outcome_decides_about_the_next_line(name: str) -> None:
    for state in State:
        made = engine(next(s for s in State if s in TABLE[name].states))
        made.feed(line(name) + b"t2 SEARCH ALL\r\n")
        made.state = state
        made.done()
        (event,) = made.resume()
        allowed = allows(TABLE["SEARCH"], state, EVERYTHING)
        assert isinstance(event, e.BadCommand) is not allowed


def test_lower_case_names_are_names() -> None:
    for name in TABLE:
        state = next(s for s in State if s in TABLE[name].states)
        (event,) = engine(state).feed(line(name).replace(name.encode(), name.lower().encode()))
        assert not isinstance(event, e.BadCommand)


@pytest.mark.parametrize("text", ["", "t", "t ", " NOOP", "t  NOOP", "+ NOOP", "* NOOP", "(a) NOOP",
                                  'a"b NOOP', "a+b NOOP", "tä NOOP", "t NOOP x", "t NOOP2",
                                  "t UID", "t UID NOOP", "t UID  FETCH 1 UID", "t 1NOOP", "t\tNOOP",
                                  "t NOOP\n", "t XYZZY", "\x00", "t\x00 NOOP"])  # fmt: skip
def test_what_is_no_command(text: str) -> None:
    events = say(engine(), text.encode() + b"\r\nok NOOP\r\n")
    assert isinstance(events[0], e.BadCommand)
    assert len(events) == 2, events
    assert not isinstance(events[1], e.BadCommand)


def test_the_pages_are_current() -> None:
    """Refresh them with scripts/imap_pages.py --write."""
    for name, draw in (
        (imappages.STATES, imappages.states),
        (imappages.CAPABILITIES, imappages.capabilities),
        (imappages.CLIENTS, imappages.clients),
    ):
        assert (ROOT / name).read_text(encoding="utf-8") == draw(), name
