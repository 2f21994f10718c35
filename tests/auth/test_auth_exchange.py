"""SASL exchanges against a whole house, with the client machines at the other end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pillarbox.auth.context import Context
from pillarbox.auth.exchange import Exchange
from pillarbox.auth.login import Options
from pillarbox.auth.results import (
    Accepted,
    LoginResult,
    Reason,
    Rejected,
    TemporarilyUnavailable,
)
from pillarbox.base.errors import Temporary
from pillarbox.model.account import Credentials
from pillarbox.wire.sasl import scramtext
from pillarbox.wire.sasl.machine import Abort, Challenge, ClientContext, ClientMachine
from pillarbox.wire.sasl.mechanisms import choose
from support.loginhouse import CLEAR, PASSWORD, TLS, House, ann, open_house

SCRAM, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
UNIQUE = {"tls-unique": b"u" * 12}
BOUND = replace(TLS, bindings=UNIQUE)


def client(
    mech: str,
    user: str = "ann",
    password: str = PASSWORD,
    authzid: str = "",
    bindings: Mapping[str, bytes] | None = None,
) -> ClientMachine:
    context = ClientContext(user, password, lambda: "clientnonce", True, authzid, bindings or {})
    machine = choose([mech], context)
    assert machine is not None
    return machine


def begun(house: House, mech: str, ctx: Context = TLS) -> Exchange:
    exchange = house.auth.begin(mech, ctx)
    assert isinstance(exchange, Exchange)
    return exchange


async def log_in(house: House, theirs: ClientMachine, ctx: Context = TLS) -> LoginResult:
    """A whole exchange with initial response."""
    exchange = begun(house, theirs.name, ctx)
    outcome = await exchange.step(theirs.start())
    while isinstance(outcome, Challenge):
        answer = theirs.step(outcome.data)
        assert not isinstance(answer, Abort), answer
        outcome = await exchange.step(answer.data)
    if isinstance(outcome, Accepted):
        assert theirs.satisfied
    return outcome


def reason(result: object) -> Reason:
    assert isinstance(result, Rejected), result
    return result.reason


@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN", SCRAM])
async def test_in(house: House, mech: str) -> None:
    assert await log_in(house, client(mech)) == Accepted(await ann(house), mech)
    assert f"mech={mech} " in house.outcomes[-1]


@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN", SCRAM])
@pytest.mark.parametrize(("user", "password"), [("ann", "wrong"), ("nobody", PASSWORD)])
async def test_not_in(house: House, mech: str, user: str, password: str) -> None:
    result = await log_in(house, client(mech, user, password))
    assert reason(result) is Reason.CREDENTIALS
    assert f'result=fail proto=imap user="{user}" mech={mech}' in house.outcomes[-1]


async def test_bound_to_the_channel(house: House) -> None:
    result = await log_in(house, client(PLUS, bindings=UNIQUE), BOUND)
    assert result == Accepted(await ann(house), PLUS)
    other = client(PLUS, bindings={"tls-unique": b"x" * 12})
    assert reason(await log_in(house, other, BOUND)) is Reason.CREDENTIALS


async def test_a_client_that_was_not_shown_plus(house: House) -> None:
    """It says so; whether that is an attack depends on what it was shown."""
    hidden = client(SCRAM, bindings=UNIQUE)
    assert reason(await log_in(house, hidden, BOUND)) is Reason.CREDENTIALS
    honest = client(SCRAM, bindings=UNIQUE)
    exchange = house.auth.begin(SCRAM, BOUND, advertised=[SCRAM, "PLAIN"])
    assert isinstance(exchange, Exchange)
    assert isinstance(await exchange.step(honest.start()), Challenge)


@pytest.mark.parametrize(
    ("authzid", "fine"),
    [("", True), ("ann", True), ("ann@example.test", True), ("ANN@Example.TEST", True),
     ("bob", False), ("root", False), ("ann@other.test", False)],
)  # fmt: skip
@pytest.mark.parametrize("mech", ["PLAIN", SCRAM])
async def test_acting_as(house: House, mech: str, authzid: str, fine: bool) -> None:
    result = await log_in(house, client(mech, authzid=authzid))
    if fine:
        assert isinstance(result, Accepted)
    else:
        assert reason(result) is Reason.AUTHORIZATION
        assert "reason=authzid" in house.outcomes[-1]


@pytest.mark.parametrize("mech", ["PLAIN", SCRAM])
async def test_disabled(house: House, mech: str) -> None:
    await house.store.change_account(replace(await ann(house), enabled=False))
    assert reason(await log_in(house, client(mech))) is Reason.CREDENTIALS


async def test_scram_failures_count(house: House) -> None:
    for _ in range(10):
        assert reason(await log_in(house, client(SCRAM, "ann", "wrong"))) is Reason.CREDENTIALS
    assert reason(await log_in(house, client(SCRAM))) is Reason.LOCKED
    assert reason(await log_in(house, client("PLAIN"))) is Reason.LOCKED
    elsewhere = replace(TLS, ip="198.51.100.1")
    assert isinstance(await log_in(house, client(SCRAM), elsewhere), Accepted)


async def test_exchanges_begun_at_once_are_no_more_guesses(house: House) -> None:
    """All are let in before the first fails; the proof is where it counts."""
    theirs = [client(SCRAM, "ann", f"wrong{n}") for n in range(14)] + [client(SCRAM)]
    ours = [begun(house, SCRAM) for _ in theirs]
    asked = [await mine.step(one.start()) for mine, one in zip(ours, theirs, strict=True)]
    outcomes = []
    for mine, one, challenge in zip(ours, theirs, asked, strict=True):
        assert isinstance(challenge, Challenge)
        answer = one.step(challenge.data)
        assert not isinstance(answer, Abort)
        outcomes.append(reason(await mine.step(answer.data)))
    assert outcomes == [Reason.CREDENTIALS] * 10 + [Reason.LOCKED] * 5


async def test_scram_costs_no_argon2(house: House) -> None:
    await log_in(house, client(SCRAM))
    assert house.passwords.checks == 0


async def test_scram_shows_the_same_for_those_who_are_not_there(house: House) -> None:
    async def shown(user: str) -> tuple[int, int]:
        outcome = await begun(house, SCRAM).step(client(SCRAM, user).start())
        assert isinstance(outcome, Challenge)
        first = scramtext.server_first(outcome.data)
        assert first is not None
        return len(first.salt), first.iterations

    async def salt(user: str) -> bytes:
        outcome = await begun(house, SCRAM).step(client(SCRAM, user).start())
        assert isinstance(outcome, Challenge)
        first = scramtext.server_first(outcome.data)
        return first.salt if first else b""

    assert await shown("ann") == await shown("nobody")
    for name in ("ann", "nobody"):  # every spelling of a name shows one salt
        salts = {await salt(s) for s in (name, name.upper(), f"{name}@example.test")}
        assert len(salts) == 1


async def test_without_scram_keys_an_account_is_not_there_for_scram(house: House) -> None:
    account = await ann(house)
    kept = await house.store.credentials(account.id)
    assert kept is not None
    await house.store.set_credentials(account.id, Credentials(kept.argon2))
    assert reason(await log_in(house, client(SCRAM))) is Reason.CREDENTIALS
    # Once the password is shown the keys are made, and SCRAM works.
    assert isinstance(await log_in(house, client("PLAIN")), Accepted)
    assert isinstance(await log_in(house, client(SCRAM)), Accepted)


@pytest.mark.parametrize(
    ("mech", "responses"),
    [
        ("PLAIN", [b"", b"no nul"]),
        ("PLAIN", [b"\0\xff\0x"]),
        ("LOGIN", [b"\xff"]),
        (SCRAM, [b"n,,n=ann"]),
        (SCRAM, [b"n,,m=x,n=ann,r=abc"]),
        (SCRAM, [b"n,,n=ann,r=abc", b"nonsense"]),
    ],
)
async def test_malformed(house: House, mech: str, responses: list[bytes]) -> None:
    exchange = begun(house, mech)
    outcome: object = None
    for response in responses:
        outcome = await exchange.step(response)
        if isinstance(outcome, Rejected):
            break
    assert reason(outcome) is Reason.MALFORMED
    with pytest.raises(RuntimeError):
        await exchange.step(b"")
    assert isinstance(await log_in(house, client("PLAIN")), Accepted)  # it counted against nobody


async def test_the_servers_proof_is_answered_with_nothing(house: House) -> None:
    theirs, exchange = client(SCRAM), begun(house, SCRAM)
    outcome = await exchange.step(theirs.start())
    assert isinstance(outcome, Challenge)
    answer = theirs.step(outcome.data)
    assert not isinstance(answer, Abort)
    outcome = await exchange.step(answer.data)
    assert isinstance(outcome, Challenge)
    assert outcome.data.startswith(b"v=")
    assert house.outcomes == []  # nobody is in before the last word
    assert reason(await exchange.step(b"more")) is Reason.MALFORMED


async def test_a_directory_that_breaks_in_the_middle(house: House) -> None:
    exchange = begun(house, SCRAM)
    house.store.broken = Temporary("gone")
    outcome = await exchange.step(client(SCRAM).start())
    assert isinstance(outcome, TemporarilyUnavailable)
    assert house.outcomes == []


async def test_scram_in_the_clear_only_if_so_wished(house: House) -> None:
    assert reason(house.auth.begin(SCRAM, CLEAR)) is Reason.NEEDS_TLS
    other = await open_house(Options(scram_in_the_clear=True))
    assert isinstance(await log_in(other, client(SCRAM), CLEAR), Accepted)
    assert reason(other.auth.begin("PLAIN", CLEAR)) is Reason.NEEDS_TLS
    await other.close()
