"""A house where people log in: memory store, cheap passwords, a clock to move, a log to read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pillarbox.auth.cache import SuccessCache
from pillarbox.auth.context import Context
from pillarbox.auth.lockout import Lockout
from pillarbox.auth.lockout import Options as LockoutOptions
from pillarbox.auth.login import Authenticator, Options
from pillarbox.auth.passwords import CHEAP, Checked, Passwords
from pillarbox.auth.presence import Presence
from pillarbox.base.ids import SeededRng
from pillarbox.base.lanes import Lane
from pillarbox.base.log import LogfmtFormatter
from pillarbox.model.account import Account, Credentials, Domain
from pillarbox.store.memory import MemoryStore
from pillarbox.testing.clock import FakeClock
from support import people

PASSWORD = "sesame"
TLS = Context("imap", "192.0.2.7", secure=True, conn="c1")
CLEAR = replace(TLS, secure=False)
LOCAL = replace(CLEAR, ip="127.0.0.1")


class CountingPasswords(Passwords):
    """Counts the checks that reach Argon2."""

    checks = 0

    async def check(self, credentials: Credentials | None, password: str) -> Checked:
        self.checks += 1
        return await super().check(credentials, password)


class BrokenStore(MemoryStore):
    """A memory store whose directory can be made to fail."""

    broken: Exception | None = None

    async def account_by_address(self, address: str) -> Account | None:
        if self.broken is not None:
            raise self.broken
        return await super().account_by_address(address)


class Lines(logging.Handler):
    """The log as lines, without time stamps."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LogfmtFormatter(stamped=False))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@dataclass
class House:
    """`auth` is what the tests ask; the rest is behind it."""

    auth: Authenticator
    store: BrokenStore
    passwords: CountingPasswords
    clock: FakeClock
    lane: Lane
    log: Lines
    presence: Presence

    def connection(self, name: str = "c1") -> list[str]:
        """A connection, by default that of ``TLS``; the list has its name once it is cut."""
        cut: list[str] = []
        self.presence.came(name, lambda: cut.append(name))
        return cut

    @property
    def outcomes(self) -> list[str]:
        """The auth lines so far."""
        return [line for line in self.log.lines if " auth result=" in line]

    async def close(self) -> None:
        logging.getLogger("pillarbox").removeHandler(self.log)
        await self.lane.close()


async def open_house(
    options: Options | None = None,
    lockout: LockoutOptions | None = None,
    bindings: Mapping[str, bytes] | None = None,
) -> House:
    """With ann@example.test and bob@example.test, whose password is PASSWORD."""
    clock, rng, lane = FakeClock(), SeededRng(7), Lane("crypto")
    log = Lines()
    logger = logging.getLogger("pillarbox")
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    store = BrokenStore(clock=clock)
    await store.set_domain(Domain("example.test"))
    passwords = CountingPasswords(lane, rng, CHEAP)
    for name in ("ann", "bob"):
        kept = await passwords.make(PASSWORD)
        assert isinstance(kept, Credentials)
        await store.add_account(f"{name}@example.test", kept)
    presence = Presence()
    auth = Authenticator(
        store,
        passwords,
        clock=clock,
        rng=rng,
        secret=b"house secret",
        lockout=Lockout(clock, lockout),
        cache=SuccessCache(clock, rng),
        options=options,
        presence=presence,
    )
    return House(auth, store, passwords, clock, lane, log, presence)


async def ann(house: House) -> Account:
    return await people.account(house.store, "ann")
