"""SASL machines under random responses: every one gives a value, and none lets anybody in."""

from __future__ import annotations

from hypothesis import strategies as st

from pillarbox.wire.sasl.machine import (
    Challenge,
    CheckPassword,
    Done,
    Failed,
    NeedCredentials,
    ServerContext,
)
from pillarbox.wire.sasl.mechanisms import MECHANISMS
from support.fuzz import fuzz

CONTEXT = ServerContext(b"secret", lambda: "nonce", {"tls-exporter": b"x" * 32})
PIECES = st.sampled_from(
    [b"n,,", b"y,,", b"p=tls-exporter,,", b"n=ann,", b"r=abc", b"r=abcnonce", b"c=biws,", b",",
     b"p=" + b"A" * 43 + b"=", b"a=x,", b"m=1,", b"\0", b"ann", b"\xc3\xa9", b"\xff", b"=2C"]
)  # fmt: skip
RESPONSES = st.one_of(st.none(), st.binary(max_size=60), st.lists(PIECES, max_size=8).map(b"".join))
EXAMPLES = st.tuples(st.sampled_from(MECHANISMS), st.lists(RESPONSES, max_size=5))


def test_server_machines() -> None:
    def check(example: tuple[object, list[bytes | None]]) -> None:
        row, responses = example
        machine = row.server(CONTEXT)
        for number, response in enumerate(responses):
            step = machine.step(response if number == 0 else response or b"")
            if isinstance(step, NeedCredentials):
                step = step.answer(None)
            assert isinstance(step, Challenge | CheckPassword | Failed)
            assert not isinstance(step, Done)
            if not isinstance(step, Challenge):
                break

    assert fuzz(check, EXAMPLES) > 0
