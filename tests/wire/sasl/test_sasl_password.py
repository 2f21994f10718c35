"""PLAIN and LOGIN: what they accept, what they refuse, and that the two sides fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.wire.sasl.login import LoginClient, LoginServer
from pillarbox.wire.sasl.machine import (
    Abort,
    Challenge,
    CheckPassword,
    ClientContext,
    Done,
    Failed,
    Fault,
    Respond,
    ServerContext,
    Step,
)
from pillarbox.wire.sasl.plain import PlainClient, PlainServer

CONTEXT = ServerContext(secret=b"s", nonce=lambda: "n")


def client(
    user: str = "tim", password: str = "tanstaaftanstaaf", authzid: str = ""
) -> ClientContext:
    return ClientContext(user, password, lambda: "n", private=True, authzid=authzid)


def asked(step: Step) -> CheckPassword:
    assert isinstance(step, CheckPassword)
    return step


def fault(step: Step) -> Fault:
    assert isinstance(step, Failed)
    return step.fault


def test_plain_with_initial_response() -> None:
    question = asked(PlainServer(CONTEXT).step(b"\0tim\0tanstaaftanstaaf"))  # RFC 4616 §4
    assert (question.user, question.password, question.authzid) == ("tim", "tanstaaftanstaaf", "")
    assert question.answer(True) == Done("tim")
    assert fault(question.answer(False)) is Fault.CREDENTIALS
    assert "tanstaaf" not in repr(question)


def test_plain_asks_for_the_response_that_did_not_come() -> None:
    machine = PlainServer(CONTEXT)
    assert machine.step(None) == Challenge(b"")
    question = asked(machine.step(b"Ursel\0Kurt\0xipj3plmq"))
    assert question.answer(True) == Done("Kurt", "Ursel")


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\0", b"\0\0", b"\0tim\0", b"\0\0secret", b"tim\0secret", b"\0tim\0secret\0",
        b"a\0b\0c\0d", b"\0t\xff\0secret", b"\0tim\0\xed\xa0\x80", b"\xc0\x80\0tim\0secret",
        b"\0tim\0sec\x07ret", b"\0tim\0\xc2\xad", b"\0" + b"u" * 1025 + b"\0p",
        b"\0tim\0" + b"p" * 1025, b"\0tim\0" + b"p" * 1_000_000, b"\0tim\nroot\0p",
    ],
)  # fmt: skip
def test_plain_refuses(message: bytes) -> None:
    assert fault(PlainServer(CONTEXT).step(message)) is Fault.MALFORMED


def test_plain_takes_fields_of_255_octets() -> None:
    name = b"n" * 255
    assert asked(PlainServer(CONTEXT).step(b"\0".join((name, name, name)))).user == "n" * 255


def test_plain_prepares_names_and_passwords() -> None:
    message = b"\0" + "I\u00adX".encode() + b"\0" + "e\u0301".encode()
    question = asked(PlainServer(CONTEXT).step(message))
    assert (question.user, question.password) == ("IX", "\u00e9")


def test_a_machine_is_used_once() -> None:
    machine = PlainServer(CONTEXT)
    machine.step(b"\0tim\0secret")
    with pytest.raises(RuntimeError):
        machine.step(b"\0tim\0secret")


@given(st.binary(max_size=60))
def test_plain_is_total(message: bytes) -> None:
    assert isinstance(PlainServer(CONTEXT).step(message), CheckPassword | Failed)


def test_login_asks_for_name_and_password() -> None:
    machine = LoginServer(CONTEXT)
    assert machine.step(None) == Challenge(b"Username:")
    assert machine.step(b"tim") == Challenge(b"Password:")
    question = asked(machine.step(b"pass word"))
    assert (question.user, question.password, question.authzid) == ("tim", "pass word", "")
    assert question.answer(True) == Done("tim")


def test_login_takes_the_name_as_initial_response() -> None:
    machine = LoginServer(CONTEXT)
    assert machine.step(b"tim") == Challenge(b"Password:")
    assert asked(machine.step(b"secret")).user == "tim"


@pytest.mark.parametrize("name", [b"\xff", b"a" * 1025, b"a\0b"])
def test_login_refuses_names_at_once(name: bytes) -> None:
    machine = LoginServer(CONTEXT)
    assert fault(machine.step(name)) is Fault.MALFORMED
    with pytest.raises(RuntimeError):
        machine.step(b"secret")


@pytest.mark.parametrize(("name", "password"), [(b"", b"x"), (b"x", b""), (b"x", b"\x01")])
def test_login_refuses_what_cannot_be_prepared(name: bytes, password: bytes) -> None:
    machine = LoginServer(CONTEXT)
    machine.step(None)
    machine.step(name)
    assert fault(machine.step(password)) is Fault.MALFORMED


def test_the_two_sides_of_plain_fit() -> None:
    question = asked(PlainServer(CONTEXT).step(PlainClient(client(authzid="kurt")).start()))
    assert (question.user, question.authzid) == ("tim", "kurt")
    again = PlainClient(client())
    assert again.step(b"") == Respond(again.start())
    assert isinstance(again.step(b"what?"), Abort)


def test_the_two_sides_of_login_fit() -> None:
    ours, theirs = LoginServer(CONTEXT), LoginClient(client())
    assert theirs.start() is None
    step: Step = ours.step(None)
    while isinstance(step, Challenge):
        answer = theirs.step(step.data)
        assert isinstance(answer, Respond)
        step = ours.step(answer.data)
    assert asked(step).password == "tanstaaftanstaaf"
    assert isinstance(theirs.step(b"Anything else:"), Abort)
