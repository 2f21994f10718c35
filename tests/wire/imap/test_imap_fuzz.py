"""Random streams: the same events whole and octet by octet, and nothing ever raised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.imap.state import State
from support.imapsay import engine
from support.imapstreams import EXAMPLES, check, names, pieces, run


@given(EXAMPLES)
def test_the_cut_of_the_stream_means_nothing(example: tuple[bytes, list[int], State]) -> None:
    check(example)


@given(names, st.binary(max_size=60))
def test_any_arguments(name: str, rest: bytes) -> None:
    for utf8 in (False, True):
        made = engine(utf8=utf8)
        events = made.feed(b"a " + name.encode() + b" " + rest + b"\r\n")
        assert all(isinstance(event, object) for event in events)


@given(pieces, names)
def test_nearly_right_commands(rest: str, name: str) -> None:
    for state in State:
        run(f"a {name} {rest}\r\n".encode(), [1], state, bytewise=False)
