"""SCRAM: the RFC's own exchange, binding and its downgrade, unknown users, tampering."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pillarbox.model.account import Credentials
from pillarbox.wire.sasl import b64, scramkeys, scramtext
from pillarbox.wire.sasl.machine import (
    Abort,
    Challenge,
    ClientContext,
    Done,
    Failed,
    Fault,
    NeedCredentials,
    Respond,
    ServerContext,
    Step,
)
from pillarbox.wire.sasl.prep import saslprep
from pillarbox.wire.sasl.scram import ScramClient, ScramServer

CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"  # RFC 7677 §3, the whole exchange
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = b64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==") or b""
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
CHALLENGE = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
VERIFIER = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

TLS = {"tls-exporter": b"E" * 32, "tls-server-end-point": b"P" * 32, "tls-unique": b"U" * 12}


def credentials(password: str = "pencil", iterations: int = 4096) -> Credentials:
    keys = scramkeys.derive(password, SALT, iterations)
    return Credentials("", keys.salt, keys.iterations, keys.stored_key, keys.server_key)


CREDENTIALS = credentials()
QUICK = credentials("p\u00e4ss", 2)


def server(bindings: dict[str, bytes] | None = None, **kwargs: bool) -> ScramServer:
    context = ServerContext(b"secret", lambda: SERVER_NONCE, bindings or {})
    return ScramServer(context, **kwargs)


def client(
    user: str = "user",
    password: str = "pencil",
    bindings: dict[str, bytes] | None = None,
    *,
    plus: bool = False,
    authzid: str = "",
) -> ScramClient:
    context = ClientContext(
        user,
        password,
        lambda: CLIENT_NONCE,
        private=False,
        authzid=authzid,
        bindings=bindings or {},
    )
    return ScramClient(context, plus_seen=plus)


def question(step: Step) -> NeedCredentials:
    assert isinstance(step, NeedCredentials)
    return step


def sent(step: Step) -> bytes:
    assert isinstance(step, Challenge)
    return step.data


def fault(step: Step) -> Fault:
    assert isinstance(step, Failed), step
    return step.fault


def said(step: Respond | Abort) -> bytes:
    assert isinstance(step, Respond), step
    return step.data


def play(ours: ScramServer, theirs: ScramClient, kept: Credentials | None) -> Step:
    """A whole exchange up to the server's outcome; a success is shown to the client."""
    step = question(ours.step(theirs.start())).answer(kept)
    if isinstance(step, Challenge):
        step = ours.step(said(theirs.step(step.data)))
    if isinstance(step, Done):
        assert said(theirs.step(step.server_final)) == b""
        assert theirs.satisfied
    return step


def test_the_exchange_of_rfc_7677_as_server() -> None:
    machine = server()
    asked = question(machine.step(FIRST))
    assert (asked.user, asked.authzid) == ("user", "")
    assert asked.answer(CREDENTIALS) == Challenge(CHALLENGE)
    assert machine.step(FINAL) == Done("user", "", VERIFIER)


def test_the_exchange_of_rfc_7677_as_client() -> None:
    machine = client()
    assert machine.name == "SCRAM-SHA-256"
    assert machine.start() == FIRST
    assert machine.step(CHALLENGE) == Respond(FINAL)
    assert not machine.satisfied
    assert machine.step(VERIFIER) == Respond(b"")
    assert machine.satisfied


def test_without_initial_response() -> None:
    ours, theirs = server(), client()
    assert ours.step(None) == Challenge(b"")
    assert said(theirs.step(b"")) == FIRST
    assert isinstance(play(ours, theirs, CREDENTIALS), Done)


@pytest.mark.parametrize("kind", sorted(TLS))
def test_bound_to_the_channel(kind: str) -> None:
    bindings = {kind: TLS[kind]}
    theirs = client(bindings=bindings, plus=True)
    assert theirs.name == "SCRAM-SHA-256-PLUS"
    assert theirs.start().startswith(f"p={kind},,".encode())
    assert isinstance(play(server(TLS, plus=True), theirs, CREDENTIALS), Done)


def test_a_client_binds_to_the_connection_rather_than_the_certificate() -> None:
    assert client(bindings=TLS, plus=True).start().startswith(b"p=tls-exporter,,")


def test_another_channel_is_noticed() -> None:
    theirs = client(bindings={"tls-exporter": b"X" * 32}, plus=True)
    assert fault(play(server(TLS, plus=True), theirs, CREDENTIALS)) is Fault.BINDING


def test_a_hidden_plus_is_noticed() -> None:
    """RFC 5802 §6: 'y' at a server that did offer binding means somebody edited the list."""
    theirs = client(bindings=TLS, plus=False)
    assert theirs.start().startswith(b"y,,")
    assert fault(server(TLS).step(theirs.start())) is Fault.BINDING


def test_y_is_right_where_the_server_cannot_bind() -> None:
    assert isinstance(play(server(), client(bindings=TLS), CREDENTIALS), Done)


def test_n_is_allowed_beside_plus() -> None:
    assert isinstance(play(server(TLS), client(), CREDENTIALS), Done)


@pytest.mark.parametrize(
    ("message", "plus", "why"),
    [
        (b"n,,n=user,r=abc", True, Fault.BINDING),
        (b"y,,n=user,r=abc", True, Fault.BINDING),
        (b"p=tls-unique,,n=user,r=abc", False, Fault.BINDING),
        (b"p=tls-unknown,,n=user,r=abc", True, Fault.UNSUPPORTED),
        (b"n,,m=x,n=user,r=abc", False, Fault.UNSUPPORTED),
        (b"n,,n=user,r=abc,m=x", False, Fault.UNSUPPORTED),
        (b"", False, Fault.MALFORMED),
        (b"n", False, Fault.MALFORMED),
        (b"x,,n=user,r=abc", False, Fault.MALFORMED),
        (b"F,n,,n=user,r=abc", False, Fault.MALFORMED),
        (b"n,,n=,r=abc", False, Fault.MALFORMED),
        (b"n,,n=user,r=", False, Fault.MALFORMED),
        (b"n,,n=user", False, Fault.MALFORMED),
        (b"n,,r=abc,n=user", False, Fault.MALFORMED),
        (b"n,,n=us=er,r=abc", False, Fault.MALFORMED),
        (b"n,,n=us=2cer,r=abc", False, Fault.MALFORMED),
        (b"n,user,n=user,r=abc", False, Fault.MALFORMED),
        (b"n,a=,n=user,r=abc", False, Fault.MALFORMED),
        (b"n,,n=us\0er,r=abc", False, Fault.MALFORMED),
        (b"n,,n=us\xffer,r=abc", False, Fault.MALFORMED),
        (b"n,,n=us\x07er,r=abc", False, Fault.MALFORMED),
        (b"n,,n=\xc2\xad,r=abc", False, Fault.MALFORMED),
        (b"n,,n=user,r=a c", False, Fault.MALFORMED),
        (b"n,,n=user,r=abc\n", False, Fault.MALFORMED),
        (b"n,,n=" + b"u" * 2000 + b",r=abc", False, Fault.MALFORMED),
        (b"n,,n=user,r=" + b"a" * 20_000, False, Fault.MALFORMED),
    ],
)
def test_first_messages_refused(message: bytes, plus: bool, why: Fault) -> None:
    assert fault(server(TLS if plus else None, plus=plus).step(message)) is why


def test_optional_extensions_are_ignored() -> None:
    machine = server()
    asked = question(machine.step(FIRST + b",z=whatever,y=a=b"))
    assert sent(asked.answer(CREDENTIALS)) == CHALLENGE


def test_names_with_commas_and_equals_signs() -> None:
    theirs = client("a=b,c", "p\u00e4ss", authzid="=2C,")
    assert theirs.start().startswith(b"n,a==3D2C=2C,n=a=3Db=2Cc,")
    done = play(server(), theirs, QUICK)
    assert isinstance(done, Done)
    assert (done.user, done.authzid) == ("a=b,c", "=2C,")


def test_passwords_are_prepared() -> None:
    assert isinstance(play(server(), client(password="pa\u0308ss"), QUICK), Done)


def test_a_wrong_password() -> None:
    assert fault(play(server(), client(password="pencils"), CREDENTIALS)) is Fault.CREDENTIALS


@pytest.mark.parametrize("kept", [None, Credentials("$argon2id$only")])
def test_nobody_there_looks_like_a_wrong_password(kept: Credentials | None) -> None:
    real, fake = server(), server()
    wrong = client(password="wrong")
    missing = client(password="wrong")
    shown = sent(question(real.step(wrong.start())).answer(CREDENTIALS))
    made_up = sent(question(fake.step(missing.start())).answer(kept))
    assert len(made_up) == len(shown)
    one = real.step(said(wrong.step(shown)))
    two = fake.step(said(missing.step(made_up)))
    assert one == two == Failed(Fault.CREDENTIALS, "invalid-proof")


def test_made_up_salts_are_steady_and_keyed() -> None:
    def salt(secret: bytes, user: bytes, identity: str = "") -> bytes:
        machine = ScramServer(ServerContext(secret, lambda: "n"))
        asked = question(machine.step(b"n,,n=" + user + b",r=abc"))
        first = scramtext.server_first(sent(asked.answer(None, identity)))
        assert first is not None
        return first.salt

    assert salt(b"k", b"ann") == salt(b"k", b"ann")
    assert salt(b"k", b"ann") == salt(b"k", b"Ann")
    assert salt(b"k", b"ann") != salt(b"k", b"bob")
    assert salt(b"k", b"ann") != salt(b"l", b"ann")
    assert salt(b"k", b"ann", "ann@x") == salt(b"k", b"Ann@X", "ann@x")
    assert len(salt(b"k", b"ann")) == scramkeys.SALT_OCTETS


@pytest.mark.parametrize(
    ("final", "why"),
    [
        (FINAL.replace(b"biws", b"eSws"), Fault.BINDING),  # y,, instead of n,,
        (FINAL.replace(b"biws", b"biwsYQ=="), Fault.BINDING),
        (FINAL.replace(b"%hv", b"%hw"), Fault.MALFORMED),
        (FINAL.replace(SERVER_NONCE.encode(), b""), Fault.MALFORMED),
        (FINAL.replace(b"dHzb", b"dHzc"), Fault.CREDENTIALS),
        (FINAL.replace(b",p=", b",x=1,p="), Fault.CREDENTIALS),
        (FINAL[:-4], Fault.MALFORMED),
        (FINAL + b",x=1", Fault.MALFORMED),
        (FINAL + b"\n", Fault.MALFORMED),
        (b"", Fault.MALFORMED),
        (b"p=dHzb", Fault.MALFORMED),
        (FINAL.replace(b"biws", b"bi ws"), Fault.MALFORMED),
        (FINAL.replace(b"biws", b"b==="), Fault.MALFORMED),
    ],
)
def test_final_messages_refused(final: bytes, why: Fault) -> None:
    machine = server()
    question(machine.step(FIRST)).answer(CREDENTIALS)
    assert fault(machine.step(final)) is why


def test_steps_out_of_turn_are_bugs() -> None:
    machine = server()
    machine.step(FIRST)
    with pytest.raises(RuntimeError):
        machine.step(FINAL)


@pytest.mark.parametrize(
    "challenge",
    [
        b"x",
        CHALLENGE.replace(CLIENT_NONCE.encode(), b"another"),
        CHALLENGE.replace(SERVER_NONCE.encode(), b""),
        CHALLENGE.replace(b"i=4096", b"i=4096000000"),
        CHALLENGE.replace(b"i=4096", b"i=1000001"),
        CHALLENGE.replace(b"i=4096", b"i=0"),
        CHALLENGE.replace(b"s=W22ZaJ0SNY7soEsUEjb6gQ==", b"s=W22ZaJ0SNY7soEsUEjb6gR=="),
        b"m=x," + CHALLENGE,
        CHALLENGE + b"\xff",
    ],
)
def test_a_client_refuses_bad_servers(challenge: bytes) -> None:
    assert isinstance(client().step(challenge), Abort)


@pytest.mark.parametrize("final", [b"", b"v=AAAA", b"e=invalid-proof", b"v=", VERIFIER[:-3], b"?"])
def test_a_client_believes_only_a_server_that_knows_the_password(final: bytes) -> None:
    machine = client()
    machine.step(CHALLENGE)
    assert isinstance(machine.step(final), Abort)
    assert not machine.satisfied
    assert isinstance(machine.step(VERIFIER), Abort)


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=80), st.text("nyp=,arm2CD3\0\u00e9", max_size=40)))
def test_total_before_the_challenge(message: bytes | str) -> None:
    data = message.encode() if isinstance(message, str) else message
    assert isinstance(server(TLS).step(data), Failed | NeedCredentials)


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=80), st.text("c=biws,rpm+/\0", max_size=60)))
def test_total_after_the_challenge(message: bytes | str) -> None:
    data = message.encode() if isinstance(message, str) else message
    machine = server()
    question(machine.step(FIRST)).answer(QUICK)
    assert isinstance(machine.step(data), Failed)
    other = client()
    assert isinstance(other.step(data), Abort | Respond)


TYPED = st.text(st.characters(categories=("L", "N", "P", "S"), max_codepoint=0x24F), min_size=1)


@given(TYPED, TYPED)
def test_both_sides_agree_on_any_name_and_password(user: str, password: str) -> None:
    name, secret = saslprep(user), saslprep(password)
    assume(name and secret)
    done = play(server(), client(user, password), credentials(secret or "", 1))
    assert isinstance(done, Done)
    assert done.user == name
