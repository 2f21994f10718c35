"""Making and checking passwords, and renewing what is kept of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from argon2 import PasswordHasher, extract_parameters

from pillarbox.auth.passwords import CHEAP, Defect, Options, Passwords, prepare
from pillarbox.base.ids import SeededRng
from pillarbox.base.lanes import Lane, LaneFull
from pillarbox.model.account import Credentials
from pillarbox.wire.sasl import scramkeys


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("crypto")
    yield lane
    await lane.close()


def passwords(lane: Lane, options: Options = CHEAP) -> Passwords:
    return Passwords(lane, SeededRng(1), options)


async def made(room: Passwords, password: str = "sesame") -> Credentials:
    credentials = await room.make(password)
    assert isinstance(credentials, Credentials)
    return credentials


async def test_made_and_checked(lane: Lane) -> None:
    room = passwords(lane)
    kept = await made(room)
    assert (await room.check(kept, "sesame")).right
    for wrong in ("Sesame", "sesame ", "", "sesam", "x" * 2000, "\x00"):
        assert not (await room.check(kept, wrong)).right
    assert not (await room.check(None, "sesame")).right
    assert "sesame" not in repr(kept)


async def test_what_is_kept_has_the_costs_of_the_options(lane: Lane) -> None:
    kept = await made(passwords(lane, Options(scram_iterations=5000)))
    found = extract_parameters(kept.argon2)
    assert (found.memory_cost, found.time_cost, found.parallelism) == (19_456, 2, 1)
    assert kept.argon2.startswith("$argon2id$")
    assert kept.scram_iterations == 5000
    assert len(kept.scram_salt) == scramkeys.SALT_OCTETS


async def test_scram_keys_come_from_the_same_password(lane: Lane) -> None:
    kept = await made(passwords(lane))
    expected = scramkeys.derive("sesame", kept.scram_salt, kept.scram_iterations)
    assert scramkeys.keys_of(kept) == expected


async def test_no_scram_keys_if_so_wished(lane: Lane) -> None:
    kept = await made(passwords(lane, replace(CHEAP, scram_iterations=0)))
    assert scramkeys.keys_of(kept) is None


async def test_salts_differ(lane: Lane) -> None:
    room = passwords(lane)
    one, two = await made(room), await made(room)
    assert one.argon2 != two.argon2
    assert one.scram_salt != two.scram_salt


@pytest.mark.parametrize(
    ("password", "defect"),
    [
        ("", Defect.EMPTY),
        ("\u00ad", Defect.EMPTY),
        ("x" * 1025, Defect.TOO_LONG),
        ("\u00e9" * 513, Defect.TOO_LONG),
        ("bell\x07", Defect.NOT_ALLOWED),
        ("\ud800", Defect.NOT_ALLOWED),
        ("\U0001f680", Defect.NOT_ALLOWED),
    ],
)
async def test_refused(lane: Lane, password: str, defect: Defect) -> None:
    assert await passwords(lane).make(password) is defect


async def test_passwords_are_prepared(lane: Lane) -> None:
    room = passwords(lane)
    kept = await made(room, "cafe\u0301")
    assert (await room.check(kept, "caf\u00e9")).right
    assert prepare("\U0001f680") == "\U0001f680"  # may be asked for, not kept


@pytest.mark.parametrize(
    "old",
    [
        replace(CHEAP, memory=16),
        replace(CHEAP, passes=2),
        replace(CHEAP, scram_iterations=0),
        replace(CHEAP, scram_iterations=2),
    ],
)
async def test_old_costs_are_renewed_by_a_right_password_only(lane: Lane, old: Options) -> None:
    kept = await made(passwords(lane, old))
    room = passwords(lane)
    assert room.outdated(kept)
    assert (await room.check(kept, "wrong")).renewed is None
    checked = await room.check(kept, "sesame")
    assert checked.right
    assert checked.renewed is not None
    assert not room.outdated(checked.renewed)
    again = await room.check(checked.renewed, "sesame")
    assert (again.right, again.renewed) == (True, None)


@pytest.mark.parametrize("argon2", ["", "nonsense", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_what_is_no_hash_matches_nothing(lane: Lane, argon2: str) -> None:
    room = passwords(lane)
    for password in ("sesame", "", "nonsense"):
        assert not (await room.check(Credentials(argon2), password)).right
    assert room.outdated(Credentials(argon2))


async def test_nobody_costs_what_somebody_costs(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same work is done, whoever is asked for: one Argon2 with the house's costs."""
    verified: list[int] = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, kept: str, password: str) -> bool:
        verified.append(extract_parameters(kept).memory_cost)
        return verify(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    room = passwords(lane)
    kept = await made(room)
    for credentials in (kept, None, Credentials("")):
        assert not (await room.check(credentials, "wrong")).right
    assert verified == [8, 8, 8]


async def test_a_full_lane_is_temporary() -> None:
    lane = Lane("crypto", bound=1)
    room = passwords(lane)
    kept = await made(room)
    gate = threading.Event()
    blocked = asyncio.ensure_future(lane.run(gate.wait))
    await asyncio.sleep(0)
    with pytest.raises(LaneFull):
        await room.check(kept, "sesame")
    gate.set()
    await blocked
    await lane.close()
