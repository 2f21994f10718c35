"""The commands of POP3 as one table: arguments, and what each may do in each state.

The state machine of the protocol is this table and nothing else; the engine looks up, the README
draws it, a test walks all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from pillarbox.wire.pop3 import events, quirks
from pillarbox.wire.sasl import b64


class State(Enum):
    """Where a session is (RFC 1939 §3). IDENTIFIED is AUTHORIZATION after a +OK to USER."""

    AUTHORIZATION = "AUTHORIZATION"
    IDENTIFIED = "IDENTIFIED"
    TRANSACTION = "TRANSACTION"
    UPDATE = "UPDATE"

    __hash__ = object.__hash__  # an enum's own is a function in Python, and asked for each line


class Rule(Enum):
    """What happens to a well-formed command in a state."""

    GO = "goes on"
    GATE = "waits for the outcome"
    LAST = "ends the session"
    NO = "refused"
    OFF = "refused: not offered"


Parsed = events.Event | None
Parse = Callable[[str], Parsed]
"""Argument text to event; None when the argument is not right. PASS gets its user later."""


@dataclass(frozen=True, slots=True)
class Command:
    """One row. ``then``: the state after ``accept()`` (None: as before)."""

    verb: str
    usage: str
    parse: Parse
    rules: Mapping[State, Rule]
    then: State | None = None


_LINES = re.compile(r"[0-9]{1,10}\Z")
_MECHANISM = re.compile(r"[A-Za-z0-9_-]{1,20}\Z")  # RFC 4422 §3.1
_LANGUAGE = re.compile(r"(\*|[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*)\Z")  # RFC 4647 §2.1


def _number(text: str) -> int:
    """A message number, 0 when it is not one: numbering starts at 1 (RFC 1939 §4)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0


def _alone(event: Callable[[], events.Event]) -> Parse:
    return lambda text: None if quirks.trimmed(text) else event()


def _one(event: Callable[[int], events.Event]) -> Parse:
    def parse(text: str) -> Parsed:
        number = _number(quirks.trimmed(text))
        return event(number) if number else None

    return parse


def _one_or_all(event: Callable[[int | None], events.Event]) -> Parse:
    def parse(text: str) -> Parsed:
        text = quirks.trimmed(text)
        number = _number(text) if text else None
        return None if number == 0 else event(number)

    return parse


def _top(text: str) -> Parsed:
    first, _, lines = quirks.trimmed(text).partition(" ")
    number = _number(first)
    if not number or not _LINES.match(lines):
        return None
    return events.Top(number, int(lines))


def _user(text: str) -> Parsed:
    return events.User(text) if text.strip() else None


def _pass(text: str) -> Parsed:
    return events.Pass("", text) if text else None


def _auth(text: str) -> Parsed:
    if not text.strip():
        return quirks.bare_auth()
    mechanism, space, argument = quirks.trimmed(text).partition(" ")
    initial = b64.decode_initial(argument.encode()) if space else None
    if not _MECHANISM.match(mechanism) or (space and initial is None):  # RFC 5034 §4
        return None
    return events.Auth(mechanism.upper(), initial)


def _lang(text: str) -> Parsed:
    text = quirks.trimmed(text)
    return events.Lang(text) if not text or _LANGUAGE.match(text) else None


def _never(_text: str) -> Parsed:
    return None


_STATES = (State.AUTHORIZATION, State.IDENTIFIED, State.TRANSACTION, State.UPDATE)
_LETTERS = {"+": Rule.GO, "?": Rule.GATE, "!": Rule.LAST, "-": Rule.NO, "0": Rule.OFF}


def _row(verb: str, usage: str, parse: Parse, rules: str, then: State | None = None) -> Command:
    rule_of = dict(zip(_STATES, (_LETTERS[c] for c in rules), strict=True))
    return Command(verb, usage, parse, rule_of, then)


_ROWS = (  # one letter a state: AUTHORIZATION, IDENTIFIED, TRANSACTION, UPDATE
    _row("USER", "name", _user, "??--", State.IDENTIFIED),  # RFC 1939 §7
    _row("PASS", "password", _pass, "-?--", State.TRANSACTION),
    _row("APOP", "name digest", _never, "00--"),  # needs the password itself at the server
    _row("AUTH", "mechanism [initial-response]", _auth, "??--", State.TRANSACTION),  # RFC 5034 §4
    _row("STLS", "", _alone(events.Stls), "??--", State.AUTHORIZATION),  # RFC 2595 §4
    _row("UTF8", "", _alone(events.Utf8), "++--"),  # RFC 6856 §2
    _row("LANG", "[language-range]", _lang, "+++-"),  # RFC 6856 §3
    _row("CAPA", "", _alone(events.Capa), "+++-"),  # RFC 2449 §5
    _row("STAT", "", _alone(events.Stat), "--+-"),  # RFC 1939 §5
    _row("LIST", "[message]", _one_or_all(events.List), "--+-"),
    _row("UIDL", "[message]", _one_or_all(events.Uidl), "--+-"),
    _row("RETR", "message", _one(events.Retr), "--+-"),
    _row("TOP", "message lines", _top, "--+-"),
    _row("DELE", "message", _one(events.Dele), "--+-"),
    _row("RSET", "", _alone(events.Rset), "--+-"),
    _row("NOOP", "", _alone(events.Noop), "--+-"),
    _row("QUIT", "", _alone(lambda: events.Quit(False)), "!!!-"),  # §4, §6
)

COMMANDS: Mapping[str, Command] = {row.verb: row for row in _ROWS}


def state_table() -> str:
    """The table as Markdown, as the README shows it."""
    head = "| | " + " | ".join(state.value for state in _STATES) + " |"
    lines = [head, "|---" * (len(_STATES) + 1) + "|"]
    for row in _ROWS:
        cells = [_cell(row, state) for state in _STATES]
        lines.append(f"| {row.verb} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Command, state: State) -> str:
    rule = row.rules[state]
    if rule is Rule.GATE and row.then is not None:
        return f"gate → {row.then.value}"
    if rule is Rule.LAST:
        return "→ UPDATE, ends" if state is State.TRANSACTION else "ends"
    return {Rule.GO: "yes", Rule.OFF: "not offered"}.get(rule, "–")
