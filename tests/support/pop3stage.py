"""The house of `pop3door`, with real rooms in it: see there who lives here."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from pillarbox.auth.login import Options as LoginOptions
from pillarbox.base.errors import Temporary
from pillarbox.base.ids import SystemRng
from pillarbox.mailbox.intake import whole
from pillarbox.mailbox.pop3 import Maildrop
from pillarbox.model.account import Account, Credentials, Pop3Mode
from pillarbox.store.api import Target
from pillarbox.store.memory import MemoryStore
from pillarbox.wire.sasl import scramkeys
from support import transcript
from support.doors import Rooms, rooms
from support.pop3door import DROPS, NONCE, PASSWORD, SALT
from support.stage import Stage
from support.wire import Wire

DOMAIN = "example.org"
PEOPLE = ("ann", "user", "void", "eai", "busy", "later", "late", "bob", "carol")


class Store(MemoryStore):
    """A store whose directory cannot be asked about one person."""

    async def credentials(self, account: int) -> Credentials | None:
        found = await self.account(account)
        if found is not None and found.address.startswith("later@"):
            raise Temporary("the directory is down")
        return await super().credentials(account)


class FixedNonce(SystemRng):
    """The nonce of RFC 7677 §3."""

    def token(self, n: int) -> str:
        return NONCE if n == 24 else super().token(n)


class Reader:
    """Bob, and later Carol, who have no mail and ask for it."""

    def __init__(self) -> None:
        self._names = iter(("bob", "carol"))

    async def arrive(self, wire: Wire) -> None:
        await wire.send(f"USER {next(self._names)}\r\nPASS {PASSWORD}\r\n".encode())
        await wire.until(b"+OK 0 messages")

    async def go_on(self, wire: Wire) -> None:
        await wire.send(b"STAT\r\n")
        assert await wire.line() == b"+OK 0 0"


@contextlib.asynccontextmanager
async def stage(path: Path, folder: Path) -> AsyncIterator[Stage]:
    """The house for a dialogue of tests/transcripts/pop3."""
    steps = transcript.read(path)
    secure = any(step.text == "secure" for step in steps)
    login = LoginOptions(
        cleartext_on_loopback=secure, scram_in_the_clear=True, plus_with=frozenset()
    )
    delay = 60.0 if any(step.text == "USER late" for step in steps) else 0.0
    store = Store()
    async with rooms(folder, store=store, domain=DOMAIN, rng=FixedNonce(), login=login) as house:
        people = {name: await house.account(name, PASSWORD) for name in PEOPLE}
        await _furnish(house, people)
        port = await house.pop3(
            tls=not secure,
            login_delay=delay,
            login_failures=10,
            implementation="Pillarbox-test",
            language="de",
        )
        if delay:
            await _logged_in_a_moment_ago(port)
        opened = await house.maildrops.open(people["busy"].id, Pop3Mode.DELETE)
        assert isinstance(opened, Maildrop)

        async def words(word: str) -> bool:
            verb, *rest = word.split()
            if verb == "removed":
                gone = {1, 2, 3} - set(await _uids(house, people["ann"]))
                assert gone == {int(number) for number in rest}
            return verb in {"removed", "secure", "injected"}

        yield Stage(
            house,
            port,
            Reader(),
            clear=secure,
            starttls=b"STLS",
            words=words,
        )


async def _furnish(house: Rooms, people: dict[str, Account]) -> None:
    keys = scramkeys.derive(PASSWORD, SALT, 4096)
    user = people["user"].id
    kept = await house.store.credentials(user)
    assert kept is not None
    await house.store.set_credentials(
        user,
        replace(
            kept,
            scram_salt=SALT,
            scram_iterations=4096,
            scram_stored_key=keys.stored_key,
            scram_server_key=keys.server_key,
        ),
    )
    for name, messages in DROPS.items():
        box = await house.store.mailbox_by_name(people[name].id, "INBOX")
        assert box is not None
        for data in messages:
            message = await whole(house.store, data)
            await house.store.accept(message, [Target(people[name].id, box.id)])


async def _uids(house: Rooms, account: Account) -> list[int]:
    box = await house.store.mailbox_by_name(account.id, "INBOX")
    assert box is not None
    snapshot = await house.store.load(account.id, box.id)
    assert snapshot is not None
    return snapshot.uids.tolist()


async def _logged_in_a_moment_ago(port: int) -> None:
    wire = await Wire.connect(port)
    await wire.send(f"USER late\r\nPASS {PASSWORD}\r\nQUIT\r\n".encode())
    assert (await wire.rest()).count(b"+OK") == 4
    wire.close()
