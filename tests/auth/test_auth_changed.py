"""An account that is changed while somebody logs in: the login is of what is kept at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from pillarbox.auth.exchange import Exchange, Outcome
from pillarbox.auth.lockout import Lockout
from pillarbox.auth.passwords import CHEAP, Checked, Passwords
from pillarbox.auth.results import Accepted, Reason, Rejected, TemporarilyUnavailable
from pillarbox.base.ids import SeededRng
from pillarbox.model.account import Credentials
from pillarbox.wire.sasl.machine import Abort, Challenge, ClientContext
from pillarbox.wire.sasl.mechanisms import choose
from support.loginhouse import PASSWORD, TLS, House, ann

SCRAM = "SCRAM-SHA-256"
Change = Callable[[House], Awaitable[None]]
CHANGED = TemporarilyUnavailable("the account was changed during the login")
SHUT = Rejected(Reason.CREDENTIALS, "disabled")


async def nothing(_house: House) -> None:
    """An account that stays as it is."""


async def new_password(house: House) -> None:
    made = await house.passwords.make("new")
    assert isinstance(made, Credentials)
    await house.store.set_credentials((await ann(house)).id, made)


async def shut(house: House) -> None:
    await house.store.change_account(replace(await ann(house), enabled=False))


async def removed(house: House) -> None:
    assert await house.store.remove_account((await ann(house)).id) is None


CHANGES = pytest.mark.parametrize(
    ("change", "outcome"), [(new_password, CHANGED), (shut, SHUT), (removed, CHANGED)]
)


async def scram(house: House, steps: int, change: Change) -> Outcome:
    """A whole exchange; the account is changed when the server has said so many words."""
    theirs = choose([SCRAM], ClientContext("ann", PASSWORD, lambda: "nonce", True, "", {}))
    assert theirs is not None
    exchange = house.auth.begin(SCRAM, TLS)
    assert isinstance(exchange, Exchange)
    outcome = await exchange.step(theirs.start())
    while isinstance(outcome, Challenge):
        steps -= 1
        if steps == 0:
            await change(house)
        answer = theirs.step(outcome.data)
        assert not isinstance(answer, Abort), answer
        outcome = await exchange.step(answer.data)
    assert steps <= 0
    return outcome


@CHANGES
@pytest.mark.parametrize("steps", [1, 2])
async def test_during_scram(house: House, steps: int, change: Change, outcome: Outcome) -> None:
    """Before the client's proof, and between that and its last word."""
    account, cut = await ann(house), house.connection()
    assert await scram(house, steps, change) == outcome
    house.presence.end(account.id)
    assert cut == []  # nobody came in
    assert not any("result=ok" in line for line in house.outcomes)


@CHANGES
async def test_while_a_password_is_checked(
    house: House, monkeypatch: pytest.MonkeyPatch, change: Change, outcome: Outcome
) -> None:
    account, cut = await ann(house), house.connection()
    check = house.passwords.check

    async def held(credentials: Credentials | None, password: str) -> Checked:
        checked = await check(credentials, password)
        await change(house)
        return checked

    monkeypatch.setattr(house.passwords, "check", held)
    assert await house.auth.plain("ann", PASSWORD, TLS) == outcome
    house.presence.end(account.id)
    assert cut == []
    assert not any("result=ok" in line for line in house.outcomes)


async def test_who_came_in_before_is_cut(house: House) -> None:
    account, cut = await ann(house), house.connection()
    assert isinstance(await scram(house, 1, nothing), Accepted)
    house.presence.end(account.id)
    assert cut == ["c1"]


async def test_the_next_login_is_by_the_new_password(house: House) -> None:
    assert await scram(house, 1, new_password) == CHANGED
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Rejected)
    assert isinstance(await house.auth.plain("ann", "new", TLS), Accepted)


async def test_who_lost_the_password_is_not_known_from_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief's network gets nothing for the password that was right a moment ago."""
    known: list[str] = []

    def succeeded(_self: Lockout, account: str, _ip: str) -> None:
        known.append(account)

    monkeypatch.setattr(Lockout, "succeeded", succeeded)
    assert await scram(house, 1, new_password) == CHANGED
    assert known == []
    assert isinstance(await house.auth.plain("ann", "new", TLS), Accepted)
    assert known == ["ann@example.test"]


async def test_a_renewal_is_no_change(house: House) -> None:
    """Many connections at once, when the costs of a password have changed: all of them get in."""
    old = Passwords(house.lane, SeededRng(3), replace(CHEAP, passes=2))
    kept = await old.make(PASSWORD)
    assert isinstance(kept, Credentials)
    await house.store.set_credentials((await ann(house)).id, kept)
    results = await asyncio.gather(*(house.auth.plain("ann", PASSWORD, TLS) for _ in range(5)))
    assert all(isinstance(result, Accepted) for result in results), results
    assert house.passwords.checks == 1
    renewed = await house.store.credentials((await ann(house)).id)
    assert renewed is not None
    assert renewed != kept
