"""QUOTA (RFC 9208) by dialogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from support.doors import Rooms
from support.imaptalk import Talk, house_talk

ANN, BOB = "ann@example.test", "bob@example.test"
MESSAGE = b"Subject: x\r\n\r\n" + b"x" * 1000 + b"\r\n"


async def limit(house: Rooms, name: str, **limits: int) -> None:
    """Change fields of an account."""
    account = await house.store.account_by_address(f"{name}@example.test")
    assert account is not None
    assert await house.store.change_account(replace(account, **limits)) is None


@asynccontextmanager
async def limited(tmp_path: Path, **limits: int) -> AsyncIterator[tuple[Rooms, Talk, Talk]]:
    """Ann under these limits, and Bob."""
    async with house_talk(tmp_path, "ann", "bob") as (house, (ann, bob)):
        await limit(house, "ann", **limits)
        yield house, ann, bob


async def test_capabilities(tmp_path: Path) -> None:
    async with limited(tmp_path) as (_, ann, _):
        (line,) = await ann.ok("CAPABILITY")
        wanted = {
            "QUOTA",
            "QUOTASET",
            *(f"QUOTA=RES-{r}" for r in ("STORAGE", "MESSAGE", "MAILBOX")),
        }
        assert wanted <= set(line.split())


async def test_what_is_used_and_allowed(tmp_path: Path) -> None:
    async with limited(tmp_path, quota=10240, max_messages=7, max_mailboxes=9) as (_, ann, _):
        await ann.append("INBOX", MESSAGE)
        await ann.append("Sent", MESSAGE)
        quota = f'* QUOTA "{ANN}" (STORAGE 2 10 MESSAGE 2 7 MAILBOX 6 9)'
        assert await ann.ok(f"GETQUOTA {ANN}") == [quota]
        assert await ann.ok("GETQUOTAROOT inbox") == [f'* QUOTAROOT INBOX "{ANN}"', quota]
        assert await ann.ok("GETQUOTAROOT to/be/made") == [
            f'* QUOTAROOT "to/be/made" "{ANN}"',
            quota,
        ]
        await ann.ok("SELECT INBOX")
        await ann.ok("STORE 1 +FLAGS (\\Deleted)")
        (status,) = await ann.ok("STATUS INBOX (DELETED DELETED-STORAGE)")
        assert status == f"* STATUS INBOX (DELETED 1 DELETED-STORAGE {len(MESSAGE)})"
        await ann.ok("EXPUNGE")
        assert await ann.ok(f"GETQUOTA {ANN}") == [
            f'* QUOTA "{ANN}" (STORAGE 1 10 MESSAGE 1 7 MAILBOX 6 9)'
        ]


async def test_without_limits(tmp_path: Path) -> None:
    async with limited(tmp_path) as (_, ann, _):
        assert await ann.ok(f"GETQUOTA {ANN}") == [f'* QUOTA "{ANN}" ()']
        # An empty list would make Thunderbird hang up (test_client_thunderbird.py).
        assert await ann.ok("GETQUOTAROOT INBOX") == ["* QUOTAROOT INBOX"]
        assert await ann.no("GETQUOTA nothing") == "NONEXISTENT"
        assert await ann.no('GETQUOTA ""') == "NONEXISTENT"


async def test_what_does_not_fit(tmp_path: Path) -> None:
    async with limited(tmp_path, max_messages=2, max_mailboxes=7) as (_, ann, _):
        await ann.append("INBOX", MESSAGE)
        await ann.append("INBOX", MESSAGE)
        assert (await ann.append("INBOX", MESSAGE))[-1].startswith("NO [OVERQUOTA]")
        await ann.ok("SELECT INBOX")
        assert await ann.no("COPY 1:2 Sent") == "OVERQUOTA"
        await ann.ok("MOVE 2 Sent")  # that takes no more room
        await ann.ok("CREATE one")
        assert await ann.no("CREATE two") == "OVERQUOTA"


async def test_others_see_it_where_they_may_read(tmp_path: Path) -> None:
    async with limited(tmp_path, max_messages=5) as (_, ann, bob):
        assert await bob.no(f"GETQUOTA {ANN}") == "NONEXISTENT"
        await ann.ok(f"SETACL Sent {BOB} l")
        assert await bob.no(f"GETQUOTA {ANN}") == "NONEXISTENT"
        assert await bob.no(f'GETQUOTAROOT "Other Users/{ANN}/Sent"') == "NOPERM"
        await ann.ok(f"SETACL Sent {BOB} lri")
        shared = f'"Other Users/{ANN}/Sent"'
        quota = f'* QUOTA "{ANN}" (MESSAGE 0 5)'
        assert await bob.ok(f"GETQUOTAROOT {shared}") == [f'* QUOTAROOT {shared} "{ANN}"', quota]
        assert await bob.ok(f"GETQUOTA {ANN}") == [quota]
        for _ in range(5):
            assert (await bob.append(shared))[-1].startswith("OK")
        assert (await bob.append(shared))[-1].startswith("NO [OVERQUOTA]")  # the owner's


async def test_an_administrator_sets_it(tmp_path: Path) -> None:
    async with limited(tmp_path, max_messages=5, max_mailboxes=9) as (house, ann, bob):
        assert await ann.no(f"SETQUOTA {ANN} (STORAGE 100)") == "NOPERM"
        await limit(house, "bob", admin=True)
        assert await bob.ok(f"SETQUOTA {ANN} (STORAGE 100 MAILBOX 20)") == [
            f'* QUOTA "{ANN}" (STORAGE 0 100 MAILBOX 6 20)'
        ]
        assert await ann.ok(f"GETQUOTA {ANN}") == [f'* QUOTA "{ANN}" (STORAGE 0 100 MAILBOX 6 20)']
        assert await bob.ok(f"GETQUOTA {ANN}") == [f'* QUOTA "{ANN}" (STORAGE 0 100 MAILBOX 6 20)']
        assert await bob.no(f"SETQUOTA {ANN} (ANNOTATION-STORAGE 1)") == "CANNOT"
        assert await bob.no("SETQUOTA nobody@example.test ()") == "NONEXISTENT"
        await bob.bad(f"SETQUOTA {ANN} (STORAGE -1)")
        # A limit of 0 lets nothing in (§3.1.2).
        assert await bob.ok(f"SETQUOTA {ANN} (MESSAGE 0)") == [f'* QUOTA "{ANN}" (MESSAGE 0 0)']
        assert (await ann.append("INBOX"))[-1].startswith("NO [OVERQUOTA]")
        assert await bob.ok(f"SETQUOTA {ANN} (STORAGE {(1 << 63) - 1})")
        assert (await ann.append("INBOX"))[-1].startswith("OK")
        assert await bob.ok(f"SETQUOTA {ANN} ()") == [f'* QUOTA "{ANN}" ()']
