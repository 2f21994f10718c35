"""Streams of octets for the POP3 engine, and what it must make of any of them."""

from __future__ import annotations

from hypothesis import strategies as st

from pillarbox.wire.pop3.events import Auth, AuthResponse, Eof, Event, Fault, Pass, Quit, Stls, User
from pillarbox.wire.pop3.server import Engine

LINES = st.sampled_from(
    [
        b"USER ann\r\n", b"PASS pen cil\r\n", b"AUTH PLAIN\r\n", b"AUTH PLAIN AGE=\r\n",
        b"AUTH\r\n", b"AGE=\r\n", b"*\r\n", b"\r\n", b"STLS\r\n", b"UTF8\r\n", b"LANG de\r\n",
        b"CAPA\r\n", b"STAT\r\n", b"LIST 1\r\n", b"RETR 1\r\n", b"TOP 1 2\r\n", b"DELE 1\r\n",
        b"NOOP\r\n", b"QUIT\r\n", b"NOOP", b"\r", b"\n", b"x" * 300 + b"\r\n", b"\x16", b"\x16\x03",
        b"=" * 13_000 + b"\r\n", b"GET / HTTP/1.1\r\n", b"\xff\xfe\r\n",
    ]
)  # fmt: skip
COMMAND_LINES = {
    "USER": b"USER ann",
    "PASS": b"PASS secret",
    "APOP": b"APOP ann 0123",
    "AUTH": b"AUTH PLAIN",
    "STLS": b"STLS",
    "UTF8": b"UTF8",
    "LANG": b"LANG",
    "CAPA": b"CAPA",
    "STAT": b"STAT",
    "LIST": b"LIST",
    "UIDL": b"UIDL",
    "RETR": b"RETR 1",
    "TOP": b"TOP 1 0",
    "DELE": b"DELE 1",
    "RSET": b"RSET",
    "NOOP": b"NOOP",
    "QUIT": b"QUIT",
}
"""One way to say each command."""

STREAMS = st.lists(st.one_of(LINES, st.binary(max_size=20)), max_size=25).map(b"".join)


def run(stream: bytes, cut: int, choices: list[bool]) -> list[Event]:
    """Feed a stream in pieces; open the gates that come up by the choices, in order."""
    engine = Engine(stls_offered=True)
    seen: list[Event] = []
    turns = iter(choices)

    def take(events: list[Event]) -> None:
        while events:
            assert not any(isinstance(e, (User, Pass, Stls)) for e in events[:-1])
            seen.extend(events)
            if engine.gated:
                open_gate(engine, events[-1], next(turns, True))
            events = engine.resume()

    for start in range(0, len(stream), cut):
        take(engine.feed(stream[start : start + cut]))
    take(engine.eof())
    assert engine.over or not engine.gated
    assert engine.feed(b"NOOP\r\n") == [] == engine.resume()
    return seen


def open_gate(engine: Engine, event: Event, yes: bool) -> None:
    if isinstance(event, Stls):
        # What start_tls drops depends on what has arrived: refused here, tested elsewhere.
        engine.refuse()
    elif isinstance(event, Auth | AuthResponse) and yes:
        assert engine.challenge(b"x") == b"+ eA==\r\n"
    elif yes or isinstance(event, Auth | AuthResponse):
        engine.accept()
    else:
        engine.refuse()


def check(example: tuple[bytes, list[bool]]) -> None:
    """The same events whole, in pieces and octet by octet; an end that is an end."""
    stream, choices = example
    whole = run(stream, max(1, len(stream)), choices)
    assert run(stream, 1, choices) == whole
    assert run(stream, 7, choices) == whole
    assert isinstance(whole[-1], Quit | Eof | Fault)


EXAMPLES = st.tuples(STREAMS, st.lists(st.booleans(), max_size=10))
