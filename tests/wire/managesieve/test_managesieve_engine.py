"""The engine of ManageSieve: any bytes, in any pieces (RFC 5804)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.wire.managesieve import events as e
from pillarbox.wire.managesieve import render
from pillarbox.wire.managesieve.commands import COMMANDS, State
from pillarbox.wire.managesieve.server import Engine, Limits


def drive(data: bytes, size: int = 0, *, inside: bool = True, **limits: int) -> list[e.Event]:
    """All events of a session; gates are refused."""
    engine = Engine(tls_offered=True, limits=Limits(**limits) if limits else None)
    if inside:
        engine.state = State.AUTHENTICATED
    found: list[e.Event] = []
    step = size or max(len(data), 1)
    for at in range(0, len(data), step):
        more = engine.feed(data[at : at + step])
        while more:
            found += more
            if engine.gated:
                engine.refuse()
            more = engine.resume()
    return found + engine.eof()


SAID = [
    (b"CAPABILITY\r\n", e.Capability()),
    (b"noop\r\n", e.Noop()),
    (b'NOOP "a\\"b"\r\n', e.Noop('a"b')),
    (b"LISTSCRIPTS\r\n", e.ListScripts()),
    (b'PUTSCRIPT "a" "keep;"\r\n', e.PutScript("a", b"keep;")),
    (b"PutScript {1+}\r\na {7+}\r\nkeep;\r\n\r\n", e.PutScript("a", b"keep;\r\n")),
    (b'PUTSCRIPT "a" {0+}\r\n\r\n', e.PutScript("a", b"")),
    (b"CHECKSCRIPT {3+}\r\n\x00\xff\n\r\n", e.CheckScript(b"\x00\xff\n")),
    (b'HAVESPACE "a" 123\r\n', e.HaveSpace("a", 123)),
    (b'SETACTIVE ""\r\n', e.SetActive("")),
    ('GETSCRIPT "é"\r\n'.encode(), e.GetScript("é")),
    (b'DELETESCRIPT "a"\r\n', e.DeleteScript("a")),
    (b'RENAMESCRIPT "a" {1+}\r\nb\r\n', e.RenameScript("a", "b")),
    (b"LOGOUT\r\n", e.Logout()),
]


@pytest.mark.parametrize(("line", "event"), SAID)
def test_commands(line: bytes, event: e.Event) -> None:
    assert drive(line)[0] == event
    assert drive(line, 1)[0] == event


WRONG = [
    b"\r\n", b"FOO\r\n", b'GETSCRIPT\r\n', b'GETSCRIPT "a" "b"\r\n', b"GETSCRIPT a\r\n",
    b'GETSCRIPT  "a"\r\n', b'GETSCRIPT "a\r\n', b'GETSCRIPT "\xff"\r\n', b"GETSCRIPT 5\r\n",
    b'HAVESPACE "a" "5"\r\n', b'HAVESPACE "a" 4294967296\r\n', b'HAVESPACE "a" -1\r\n',
    b"CAPABILITY x\r\n", b"GETSCRIPT {1}\r\n", b'STARTTLS\r\n', b'AUTHENTICATE "PLAIN"\r\n',
    b'GETSCRIPT "a\\b"\r\n', b'GETSCRIPT "a" \r\n',
]  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_what_is_no_command_is_told_and_the_session_goes_on(line: bytes) -> None:
    found = drive(line + b"NOOP\r\n")
    assert isinstance(found[0], e.Fault)
    assert found[-2:] == [e.Noop(), e.Eof()]


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_before_login_only_what_is_for_before_login(verb: bytes) -> None:
    allowed = State.NON_AUTHENTICATED in COMMANDS[verb].states
    (first, *_) = drive(verb + b' "a" "b"\r\n', inside=False)
    if not allowed:
        assert first == e.Fault("log in first")


def test_a_literal_behind_nonsense_is_not_read_as_commands() -> None:
    found = drive(b'FOO "a" {19+}\r\nDELETESCRIPT "a"\r\n\r\n\r\nNOOP\r\n')
    assert not any(isinstance(one, e.DeleteScript) for one in found)
    found = drive(b'GETSCRIPT "a" "b" {19+}\r\nDELETESCRIPT "a"\r\n\r\n\r\nNOOP\r\n')
    assert not any(isinstance(one, e.DeleteScript) for one in found)


def test_too_large_a_script_is_skipped() -> None:
    found = drive(b'PUTSCRIPT "a" {11+}\r\n' + b"x" * 11 + b"\r\nNOOP\r\n", script=10)
    assert found[0] == e.Fault("that is too large", "QUOTA/MAXSIZE")
    assert found[1] == e.Noop()
    assert isinstance(drive(b'PUTSCRIPT "a" {21+}\r\n', script=10, skip=20)[0], e.Fault)
    assert drive(b'PUTSCRIPT "a" {21+}\r\n', script=10, skip=20)[0].fatal  # type: ignore[union-attr]


def test_strangers_may_not_send_large_literals() -> None:
    (first, *_) = drive(b'AUTHENTICATE "PLAIN" {99999+}\r\n', inside=False)
    assert isinstance(first, e.Fault)
    assert first.fatal


def test_bounds() -> None:
    assert isinstance(drive(b"NOOP " + b"x" * 20_000)[0], e.Fault)
    assert drive(b"x" * 20_000 + b"\r\nNOOP\r\n")[1] == e.Noop()
    assert drive(b"X\r\n" * 30)[-1].fatal  # type: ignore[union-attr]


def test_the_login_gates() -> None:
    engine = Engine(tls_offered=True)
    assert engine.feed(b'AUTHENTICATE "plain" "AGE="\r\nNOOP\r\n') == [
        e.Authenticate("PLAIN", b"\0a")
    ]
    assert engine.gated
    assert engine.challenge(b"who?") == b'"d2hvPw=="\r\n'
    assert engine.resume() == [e.AuthFailed(cancelled=False)]
    assert engine.feed(b'AUTHENTICATE "X"\r\n') == [e.Authenticate("X")]
    engine.challenge(b"")
    assert engine.resume() == []
    assert engine.feed(b'"*"\r\n') == [e.AuthFailed(cancelled=True)]
    assert engine.feed(b'AUTHENTICATE "X" ""\r\n') == [e.Authenticate("X", b"")]
    engine.challenge(b"")
    assert engine.feed(b"{4+}\r\nAAAA\r\n") == [e.AuthResponse(b"\0\0\0")]
    engine.accept()
    assert engine.state is State.AUTHENTICATED
    assert engine.feed(b"STARTTLS\r\n") == [e.Fault("not after login")]
    assert engine.feed(b"UNAUTHENTICATE\r\nLISTSCRIPTS\r\n") == [
        e.Unauthenticate(),
        e.Fault("log in first"),
    ]


def test_starttls_throws_away_what_came_behind_it() -> None:
    engine = Engine(tls_offered=True)
    assert engine.feed(b'STARTTLS\r\nNOOP "x"\r\n') == [e.StartTls()]
    assert engine.start_tls() == len(b'NOOP "x"\r\n')
    assert engine.resume() == []
    assert engine.feed(b"STARTTLS\r\n") == [e.Fault("TLS is on already")]


_PIECES = st.sampled_from(
    [
        *(line for line, _ in SAID),
        *WRONG,
        b"{5+}\r\n",
        b"{99+}\r\n",
        b'"',
        b" ",
        b"\r\n",
        b"\n",
        b"\0",
        b"AUTHENTICATE",
        b'"PLAIN"',
        b"\xff\xfe",
        b"\\",
    ]
)


@settings(max_examples=150)
@given(st.lists(_PIECES, max_size=12), st.booleans(), st.integers(1, 7))
def test_pieces_make_no_difference(pieces: list[bytes], inside: bool, size: int) -> None:
    data = b"".join(pieces)
    assert drive(data, size, inside=inside) == drive(data, inside=inside)


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_any_bytes_give_events(data: bytes) -> None:
    assert isinstance(drive(data)[-1], e.Eof | e.Fault | e.Logout)


def test_strings_are_quoted_where_they_can_be() -> None:
    assert render.string('a"b\\') == b'"a\\"b\\\\"'
    assert render.string("a\r\nb") == b"{4}\r\na\r\nb"
    assert render.string("é") == '"é"'.encode()
    assert render.string(b"\xff") == b"{1}\r\n\xff"
    assert render.line("NO", "no", "QUOTA") == b'NO (QUOTA) "no"\r\n'
