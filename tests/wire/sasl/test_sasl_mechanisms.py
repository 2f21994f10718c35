"""The table: what is offered when, and what a client chooses."""

from __future__ import annotations

import pytest

from pillarbox.wire.sasl.machine import ClientContext, ServerContext
from pillarbox.wire.sasl.mechanisms import MECHANISMS, Need, choose, mechanism, offered

PLUS, SCRAM = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"


@pytest.mark.parametrize(
    ("has", "names"),
    [
        ((), []),
        ((Need.PRIVACY,), ["PLAIN", "LOGIN"]),
        ((Need.SCRAM_KEYS,), [SCRAM]),
        ((Need.BINDING,), []),
        ((Need.PRIVACY, Need.SCRAM_KEYS), [SCRAM, "PLAIN", "LOGIN"]),
        (tuple(Need), [PLUS, SCRAM, "PLAIN", "LOGIN"]),
    ],
)
def test_offered(has: tuple[Need, ...], names: list[str]) -> None:
    assert offered(has) == names


def test_names_are_found_in_any_case_and_make_machines() -> None:
    context = ServerContext(b"s", lambda: "n")
    for row in MECHANISMS:
        assert mechanism(row.name.lower()) is row
        assert len(row.name) <= 20  # RFC 4422 §3.1
        assert row.server(context) is not None
    assert mechanism("CRAM-MD5") is None
    assert mechanism("") is None


@pytest.mark.parametrize(
    ("there", "private", "bound", "chosen"),
    [
        ([PLUS, SCRAM, "PLAIN"], True, True, PLUS),
        ([PLUS, SCRAM, "PLAIN"], True, False, SCRAM),
        (["plain", "login"], True, False, "PLAIN"),
        (["LOGIN"], True, False, "LOGIN"),
        (["PLAIN", "LOGIN"], False, False, None),
        ([SCRAM], False, False, SCRAM),
        (["CRAM-MD5", "NTLM"], True, True, None),
        ([], True, True, None),
    ],
)
def test_a_client_takes_the_strongest(
    there: list[str], private: bool, bound: bool, chosen: str | None
) -> None:
    bindings = {"tls-exporter": b"x" * 32} if bound else {}
    context = ClientContext("u", "p", lambda: "n", private=private, bindings=bindings)
    machine = choose(there, context)
    assert (machine.name if machine else None) == chosen
