"""Logging in with a password: names, policy, the cache, failures, broken hands, the log."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from pillarbox.auth.context import Context
from pillarbox.auth.lockout import Options as LockoutOptions
from pillarbox.auth.login import Options
from pillarbox.auth.passwords import CHEAP, Passwords
from pillarbox.auth.results import Accepted, Reason, Rejected, TemporarilyUnavailable
from pillarbox.base.errors import Permanent, Temporary
from pillarbox.base.ids import SeededRng
from pillarbox.model.account import Credentials, Domain
from support import people
from support.loginhouse import CLEAR, LOCAL, PASSWORD, TLS, House, ann, open_house

PLUS, SCRAM = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"
ALL = [SCRAM, "PLAIN", "LOGIN"]
UNIQUE = {"tls-unique": b"u" * 12}
END_POINT = {"tls-server-end-point": b"e" * 32}


def reason(result: object) -> Reason:
    assert isinstance(result, Rejected), result
    return result.reason


@pytest.mark.parametrize(
    "name",
    ["ann@example.test", "Ann@EXAMPLE.Test", "ann", "ANN", "ann@example.test.", "a\u00adnn"],
)
async def test_names_that_mean_ann(house: House, name: str) -> None:
    result = await house.auth.plain(name, PASSWORD, TLS)
    assert result == Accepted(await ann(house), "PLAIN")


@pytest.mark.parametrize(
    "name",
    ["", "nobody", "ann@", "@example.test", "ann@other.test", "ann+x@example.test", "info",
     "ann\x00", "ann bob", "\ud800", "ann@example.test\n", "a" * 5000, "ann@@example.test"],
)  # fmt: skip
async def test_names_that_mean_nobody(house: House, name: str) -> None:
    await people.alias(house.store, "info", "ann")
    assert reason(await house.auth.plain(name, PASSWORD, TLS)) is Reason.CREDENTIALS


async def test_a_bare_name_is_nobody_where_two_domains_are_served(house: House) -> None:
    await house.store.set_domain(Domain("other.test"))
    assert reason(await house.auth.plain("ann", PASSWORD, TLS)) is Reason.CREDENTIALS
    assert isinstance(await house.auth.plain("ann@example.test", PASSWORD, TLS), Accepted)


async def test_wrong_passwords_and_unknown_users_are_one(house: House) -> None:
    wrong = await house.auth.plain("ann", "wrong", TLS)
    nobody = await house.auth.plain("nobody", "wrong", TLS)
    assert wrong == nobody
    assert house.passwords.checks == 2


@pytest.mark.parametrize("password", ["", "x" * 5000, "\x07", "\ud800"])
async def test_passwords_that_cannot_be(house: House, password: str) -> None:
    assert reason(await house.auth.plain("ann", password, TLS)) is Reason.CREDENTIALS


async def test_a_disabled_account_looks_like_a_wrong_password(house: House) -> None:
    await house.store.change_account(replace(await ann(house), enabled=False))
    result = await house.auth.plain("ann", PASSWORD, TLS)
    assert result == Rejected(Reason.CREDENTIALS, "disabled")
    assert "reason=disabled" in house.outcomes[-1]


# ------------------------------------------------------------------------------ policy


@pytest.mark.parametrize(
    ("ctx", "options", "clear", "names"),
    [
        (CLEAR, Options(), False, []),
        (TLS, Options(), True, ALL),
        (LOCAL, Options(), True, ALL),
        (replace(CLEAR, ip="::1"), Options(), True, ALL),
        (replace(CLEAR, ip="::ffff:127.0.0.1"), Options(), True, ALL),
        (replace(CLEAR, ip=""), Options(), True, ALL),
        (replace(CLEAR, ip="garbage"), Options(), False, []),
        (LOCAL, Options(cleartext_on_loopback=False), False, []),
        (CLEAR, Options(scram_in_the_clear=True), False, [SCRAM]),
        (replace(TLS, bindings=UNIQUE), Options(), True, [PLUS, *ALL]),
        (replace(TLS, bindings=END_POINT), Options(), True, ALL),
        (replace(TLS, bindings=END_POINT), Options(plus_with=frozenset(END_POINT)), True,
         [PLUS, *ALL]),
        (TLS, Options(mechanisms=frozenset({"PLAIN"})), True, ["PLAIN"]),
    ],
)  # fmt: skip
async def test_what_is_offered(
    ctx: Context, options: Options, clear: bool, names: list[str]
) -> None:
    house = await open_house(options)
    assert house.auth.cleartext(ctx) is clear
    assert list(house.auth.mechanisms(ctx)) == names
    for name in (PLUS, SCRAM, "PLAIN", "LOGIN"):
        assert isinstance(house.auth.begin(name, ctx), Rejected) is (name not in names)
    await house.close()


async def test_no_scram_without_keys(house: House) -> None:
    house.passwords.options = replace(CHEAP, scram_iterations=0)
    assert house.auth.mechanisms(TLS) == ("PLAIN", "LOGIN")


async def test_nothing_is_tried_in_the_clear(house: House) -> None:
    assert reason(await house.auth.plain("ann", PASSWORD, CLEAR)) is Reason.NEEDS_TLS
    assert reason(house.auth.begin("plain", CLEAR)) is Reason.NEEDS_TLS
    assert reason(house.auth.begin("CRAM-MD5", TLS)) is Reason.MECHANISM
    assert reason(house.auth.begin(PLUS, TLS)) is Reason.MECHANISM
    assert house.passwords.checks == 0
    assert isinstance(await house.auth.plain("ann", PASSWORD, LOCAL), Accepted)


# ------------------------------------------------------------------------------ cache


async def test_ten_connections_cost_one_check(house: House) -> None:
    logins = [house.auth.plain("ann", PASSWORD, TLS) for _ in range(10)]
    results = await asyncio.gather(*logins)
    assert all(isinstance(result, Accepted) for result in results)
    assert house.passwords.checks == 1
    await house.clock.advance(61)
    await house.auth.plain("ann", PASSWORD, TLS)
    assert house.passwords.checks == 2


async def test_what_is_remembered_waits_for_no_guess(house: House) -> None:
    """A right password of a moment ago comes in while a wrong one is still being checked."""
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Accepted)
    guess = asyncio.ensure_future(house.auth.plain("ann", "guess", TLS))
    await asyncio.sleep(0)
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Accepted)
    assert not guess.done()
    assert reason(await guess) is Reason.CREDENTIALS
    assert house.passwords.checks == 2


async def test_an_old_password_is_out_at_once(house: House) -> None:
    account = await ann(house)
    await house.auth.plain("ann", PASSWORD, TLS)
    changed = await house.passwords.make("new")
    assert isinstance(changed, Credentials)
    await house.store.set_credentials(account.id, changed)
    assert reason(await house.auth.plain("ann", PASSWORD, TLS)) is Reason.CREDENTIALS
    assert isinstance(await house.auth.plain("ann", "new", TLS), Accepted)


async def test_the_cache_does_not_let_a_disabled_account_in(house: House) -> None:
    await house.auth.plain("ann", PASSWORD, TLS)
    await house.store.change_account(replace(await ann(house), enabled=False))
    assert reason(await house.auth.plain("ann", PASSWORD, TLS)) is Reason.CREDENTIALS


# ------------------------------------------------------------------------------ failures


async def test_guessing_is_locked_and_the_owner_is_not(house: House) -> None:
    evil = replace(TLS, ip="203.0.113.9")
    results = [await house.auth.plain("ann", f"guess {n}", evil) for n in range(12)]
    assert [reason(r) for r in results] == [Reason.CREDENTIALS] * 10 + [Reason.LOCKED] * 2
    assert isinstance(results[-1], Rejected)
    assert 0 < results[-1].retry_after <= 900
    assert house.passwords.checks == 10
    assert reason(await house.auth.plain("ann", PASSWORD, evil)) is Reason.LOCKED
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Accepted)
    await house.clock.advance(results[-1].retry_after + 1)
    assert isinstance(await house.auth.plain("ann", PASSWORD, evil), Accepted)


async def test_guessing_at_once_is_no_better_than_one_by_one(house: House) -> None:
    evil = replace(TLS, ip="203.0.113.9")
    guesses = [house.auth.plain("ann", f"guess {n}", evil) for n in range(200)]
    results = await asyncio.gather(*guesses)
    assert sum(reason(r) is Reason.CREDENTIALS for r in results) == 10
    assert house.passwords.checks == 10


async def test_an_old_telephone_is_not_locked(house: House) -> None:
    for _ in range(50):
        assert reason(await house.auth.plain("ann", "old", TLS)) is Reason.CREDENTIALS
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Accepted)


async def test_unknown_names_are_locked_like_known_ones(house: House) -> None:
    results = [await house.auth.plain("nobody", f"guess {n}", TLS) for n in range(11)]
    assert reason(results[-1]) is Reason.LOCKED


async def test_strangers_wait_when_an_account_is_under_attack() -> None:
    house = await open_house(lockout=LockoutOptions(account_failures=2, max_delay=8))
    for n in range(3):
        result = house.auth.plain("ann", f"x{n}", replace(TLS, ip=f"203.0.113.{n}"))
        task = asyncio.ensure_future(result)
        await house.clock.advance(10)
        await task
    task = asyncio.ensure_future(house.auth.plain("ann", PASSWORD, TLS))
    await house.clock.advance(7)
    assert not task.done()
    await house.clock.advance(2)
    assert isinstance(await task, Accepted)
    # Now the place is known, and nothing slows it.
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Accepted)
    await house.close()


# ------------------------------------------------------------------------------ broken hands


@pytest.mark.parametrize("error", [Temporary("locked"), Permanent("corrupt"), OSError("disk")])
async def test_a_broken_directory_is_nobodys_fault(house: House, error: Exception) -> None:
    house.store.broken = error
    for _ in range(30):
        result = await house.auth.plain("ann", PASSWORD, TLS)
        assert isinstance(result, TemporarilyUnavailable)
    assert house.outcomes == []  # nobody is banned for it
    house.store.broken = None
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Accepted)


# ------------------------------------------------------------------------------ renewal


async def test_costs_are_renewed_at_login(house: House) -> None:
    account = await ann(house)
    old = Passwords(house.lane, SeededRng(3), replace(CHEAP, passes=2))
    kept = await old.make(PASSWORD)
    assert isinstance(kept, Credentials)
    await house.store.set_credentials(account.id, kept)
    assert isinstance(await house.auth.plain("ann", PASSWORD, TLS), Accepted)
    renewed = await house.store.credentials(account.id)
    assert renewed is not None
    assert not house.passwords.outdated(renewed)
    await house.auth.plain("ann", PASSWORD, TLS)
    assert house.passwords.checks == 1  # what is cached goes with what is kept now


# ------------------------------------------------------------------------------ the log


async def test_the_line_that_bans_are_built_on(house: House) -> None:
    await house.auth.plain('x" result=ok ip=192.0.2.1', "wrong", TLS, "LOGIN")
    await house.auth.plain("ann", PASSWORD, TLS)
    failed, fine = house.outcomes
    assert failed.startswith(
        r'warning auth result=fail proto=imap user="x\" result=ok ip=192.0.2.1" '
        "mech=LOGIN ip=192.0.2.7"
    )
    assert fine == 'info auth result=ok proto=imap user="ann" mech=PLAIN ip=192.0.2.7 conn=c1'
    assert re.search(r"reason=\w+ conn=c1\Z", failed)


async def test_no_password_is_logged(house: House) -> None:
    await house.auth.plain("ann", "hunter2!", TLS)
    await house.auth.plain("ann", PASSWORD, TLS)
    assert house.log.lines
    assert not any("hunter2" in line or PASSWORD in line for line in house.log.lines)
