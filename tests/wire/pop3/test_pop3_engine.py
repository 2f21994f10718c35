"""The engine: total, indifferent to packets, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.pop3.events import (
    Auth,
    AuthFailed,
    Fault,
    FaultKind,
    Pass,
    Quit,
    Stls,
    User,
)
from pillarbox.wire.pop3.server import Engine, Limits
from support.pop3streams import EXAMPLES, check, run


@given(EXAMPLES)
def test_the_same_events_whole_or_in_pieces(example: tuple[bytes, list[bool]]) -> None:
    check(example)


@given(st.binary(max_size=400))
def test_any_bytes_become_events(data: bytes) -> None:
    run(data, max(1, len(data)), [])


def test_a_password_is_not_shown() -> None:
    engine = Engine(secure=True)
    engine.feed(b"USER ann\r\n")
    engine.accept()
    (event,) = engine.feed(b"PASS sesame\r\n")
    assert event == Pass("ann", "sesame")
    assert "sesame" not in repr(event)
    (event,) = Engine().feed(b"AUTH PLAIN AGFubgBzZXNhbWU=\r\n")
    assert "sesame" not in repr(event)


def test_a_line_without_end_is_reported_once_and_not_kept() -> None:
    engine = Engine(limits=Limits(auth_line=1000))
    found = [event for _ in range(5000) for event in engine.feed(b"x" * 100)]
    assert found == [Fault(FaultKind.TOO_LONG)]
    assert len(engine._buffer) <= 1000
    assert engine.feed(b"\r\nCAPA\r\n") != []


def test_the_limit_of_a_line_counts_its_crlf() -> None:
    engine = Engine()
    (event,) = engine.feed(b"USER " + b"a" * 248 + b"\r\n")
    assert event == User("a" * 248)
    engine.refuse()
    (event,) = engine.feed(b"USER " + b"a" * 249 + b"\r\n")
    assert event == Fault(FaultKind.TOO_LONG, "USER", "name")


def test_what_waits_behind_a_gate_is_bounded() -> None:
    engine = Engine(limits=Limits(pending=1000))
    engine.feed(b"USER ann\r\n")
    for _ in range(1000):
        assert engine.feed(b"NOOP\r\n" * 100) == []
    assert len(engine._buffer) <= 2000
    engine.accept()
    assert engine.resume() == [Fault(FaultKind.FLOOD, fatal=True)]
    assert engine.over
    assert engine.feed(b"QUIT\r\n") == []


def test_injected_octets_are_counted_and_gone() -> None:
    engine = Engine(stls_offered=True)
    assert engine.feed(b"STLS\r\nDELE 1\r\n") == [Stls()]
    assert engine.feed(b"DELE 2\r\n") == []
    assert engine.start_tls() == len(b"DELE 1\r\nDELE 2\r\n")
    assert engine.resume() == []
    assert engine.feed(b"QUIT\r\n") == [Quit(update=False)]


def test_stls_where_it_is_not_offered() -> None:
    (event,) = Engine(stls_offered=False).feed(b"STLS\r\n")
    assert event == Fault(FaultKind.NOT_OFFERED, "STLS")


def test_a_name_given_before_stls_is_forgotten() -> None:
    engine = Engine(stls_offered=True)
    engine.feed(b"USER ann\r\n")
    engine.accept()
    engine.feed(b"STLS\r\n")
    engine.start_tls()
    (event,) = engine.feed(b"PASS x\r\n")
    assert event == Fault(FaultKind.USER_FIRST, "PASS", "password")


@pytest.mark.parametrize("faults", [1, 3])
def test_faults_are_counted(faults: int) -> None:
    engine = Engine(limits=Limits(faults=faults))
    found = engine.feed(b"FOO\r\n" * 10)
    assert len(found) == faults
    assert found[-1] == Fault(FaultKind.FLOOD, fatal=True)


def test_an_exchange_may_fail_and_be_tried_again() -> None:
    engine = Engine()
    for line in (b"*", b"!", b"A" * 13_000):
        engine.feed(b"AUTH PLAIN\r\n")
        engine.challenge(b"")
        (event,) = engine.feed(line + b"\r\n")
        assert isinstance(event, AuthFailed)
        assert not engine.gated
    assert engine.feed(b"AUTH plain AGE=\r\n") == [Auth("PLAIN", b"\0a")]


def test_challenges_are_never_bare() -> None:
    engine = Engine()
    engine.feed(b"AUTH LOGIN\r\n")
    assert engine.challenge(b"") == b"+ \r\n"  # RFC 5034 §4: a plus sign and a space
