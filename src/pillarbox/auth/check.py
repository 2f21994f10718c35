"""The steps of a login, in the order in which they count: who, may they try, is it right, may
they come in. `login` puts policy before them, `exchange` SASL around them.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from pillarbox.auth.cache import SuccessCache
from pillarbox.auth.context import Context
from pillarbox.auth.lockout import GO_AHEAD, Lockout
from pillarbox.auth.passwords import Passwords
from pillarbox.auth.presence import Presence
from pillarbox.auth.results import (
    Accepted,
    LoginResult,
    Reason,
    Rejected,
    TemporarilyUnavailable,
)
from pillarbox.auth.turns import Turns
from pillarbox.base import log as logs
from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.base.limits import address_key
from pillarbox.model.account import Account, Credentials
from pillarbox.model.address import normal_local, parse_address
from pillarbox.store.api import Directory
from pillarbox.wire.sasl.prep import saslprep

log = logs.Logger("auth")

T = TypeVar("T")

NO_CREDENTIALS = Credentials("")
_USUAL = 256
"""Characters of a name that is remembered."""


@lru_cache(4096)
def _read_name(user: str) -> tuple[str, bool]:
    """A login name in normal form, '' for what can be none, and whether it is a whole address."""
    prepared = saslprep(user)
    if not prepared:
        return "", False
    address = parse_address(prepared)
    return (address.normal(), True) if address is not None else (normal_local(prepared), False)


@dataclass(frozen=True, slots=True)
class Person:
    """Who a login name means: ``name`` is its normal form, whether anybody is there or not."""

    name: str
    account: Account | None
    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login under way, for counting and for the log. ``user`` is as the client sent it."""

    user: str
    mech: str
    ctx: Context


class Checks:
    """What `Authenticator` and its exchanges share."""

    def __init__(
        self,
        directory: Directory,
        passwords: Passwords,
        lockout: Lockout,
        cache: SuccessCache,
        clock: Clock,
        presence: Presence,
    ) -> None:
        self._presence = presence
        self._directory = directory
        self._passwords = passwords
        self._lockout = lockout
        self._cache = cache
        self._clock = clock
        self._turns = Turns()

    async def guarded(self, work: Awaitable[T]) -> T | TemporarilyUnavailable:
        """The result of ``work``; a hand that broke says nothing about the password."""
        try:
            return await work
        except Temporary as error:
            log.warning("auth.unavailable", reason=str(error))
            return TemporarilyUnavailable(str(error))
        except Exception as error:
            log.error("auth.broken", exc=error)
            return TemporarilyUnavailable(str(error))

    async def find(self, user: str) -> Person | None:
        """Who is meant: an address, or its local part where one domain is served.

        None for what no name can be. Aliases are not login names.
        """
        name, whole = _read_name(user) if len(user) <= _USUAL else _read_name.__wrapped__(user)
        if not name:
            return None
        if not whole:
            domains = await self._directory.domains()
            if len(domains) == 1 and "@" not in name:
                name = f"{name}@{domains[0].name}"
        return await self._look(name)

    async def _look(self, name: str) -> Person:
        """Who has the name now."""
        account = await self._directory.account_by_address(name)
        kept = await self._directory.credentials(account.id) if account else None
        return Person(name, account, kept)

    async def by_password(self, attempt: Attempt, password: str, authzid: str) -> LoginResult:
        """Log in with a password."""
        person = await self.find(attempt.user)
        if person is None:
            return self.refuse(attempt, Rejected(Reason.CREDENTIALS, "not a name"))
        if self._remembered(person, password):
            verdict = self._lockout.verdict(person.name, attempt.ctx.ip)
            if verdict is GO_AHEAD:  # no guess, so no turn
                return await self.admit(person, authzid, attempt)
        async with self._turns.turn(f"{address_key(attempt.ctx.ip)} {person.name}"):
            locked = await self.wait(person, attempt)
            if locked is not None:
                return locked
            # Whoever had the turn before may have renewed what is kept.
            proved = await self._is_right(await self._look(person.name), password)
            if proved is None:
                guess = self._cache.digest(0, password, NO_CREDENTIALS)
                return self.wrong(person, attempt, "password", guess)
            return await self.admit(proved, authzid, attempt)

    async def wait(self, person: Person, attempt: Attempt) -> Rejected | None:
        """Take the delay that is due; or refuse because of too many failures."""
        locked = self.locked(person, attempt)
        if locked is None:
            delay = self._lockout.verdict(person.name, attempt.ctx.ip).delay
            if delay:
                await self._clock.sleep(delay)
        return locked

    def locked(self, person: Person, attempt: Attempt) -> Rejected | None:
        """Refuse because of too many failures; None when one may try."""
        verdict = self._lockout.verdict(person.name, attempt.ctx.ip)
        if not verdict.retry_after:
            return None
        why = f"locked: {verdict.why}"
        return self.refuse(attempt, Rejected(Reason.LOCKED, why, verdict.retry_after))

    def _remembered(self, person: Person, password: str) -> bool:
        """Whether this password was right a moment ago."""
        account, kept = person.account, person.credentials
        if account is None or kept is None:
            return False
        return self._cache.holds(self._cache.digest(account.id, password, kept))

    async def _is_right(self, person: Person, password: str) -> Person | None:
        """The person, with what is kept of the password from now on; None when it is wrong."""
        account, kept = person.account, person.credentials
        if account is None or kept is None:
            await self._passwords.check(None, password)  # wrong, in the same time
            return None
        if self._remembered(person, password):  # by somebody whose turn came before
            return person
        checked = await self._passwords.check(kept, password)
        if not checked.right:
            return None
        if checked.renewed is not None:
            kept = await self._renew(account, kept, checked.renewed)
        self._cache.add(self._cache.digest(account.id, password, kept))
        return Person(person.name, account, kept)

    async def _renew(self, account: Account, old: Credentials, new: Credentials) -> Credentials:
        """Keep the password at today's costs, unless it was changed meanwhile."""
        if await self._directory.credentials(account.id) != old:
            return old
        await self._directory.set_credentials(account.id, new)
        log.info("auth.renewed", user=account.address)
        return new

    async def admit(self, person: Person, authzid: str, attempt: Attempt) -> LoginResult:
        """They are who they say, by what was kept when they began. Is that enough?

        A client takes as long as it likes to prove it, and a change of the password ends only the
        connections that are in. So what is kept is looked up again, and from then on nothing is
        waited for until they are.
        """
        own = await self._is_own(authzid, person)
        now = await self._look(person.name)
        account = now.account
        if account is None or now.credentials != person.credentials:
            log.info("auth.changed", user=person.name)
            return TemporarilyUnavailable("the account was changed during the login")
        self._lockout.succeeded(account.address, attempt.ctx.ip)
        if not account.enabled:
            return self.refuse(attempt, Rejected(Reason.CREDENTIALS, "disabled"))
        if not own:
            return self.refuse(attempt, Rejected(Reason.AUTHORIZATION, "authzid"))
        self._presence.entered(attempt.ctx.conn, account.id)
        self._log(attempt, ok=True)
        return Accepted(account, attempt.mech)

    async def _is_own(self, authzid: str, person: Person) -> bool:
        """One may act as oneself, in any spelling, and as nobody else (RFC 4422 §3.4.1)."""
        if not authzid:
            return True
        other = await self.find(authzid)
        return other is not None and other.name == person.name

    def wrong(self, person: Person, attempt: Attempt, detail: str, guess: bytes = b"") -> Rejected:
        """Count and refuse what was not right. ``guess`` stands for the password if known."""
        self._lockout.failed(person.name, attempt.ctx.ip, guess)
        return self.refuse(attempt, Rejected(Reason.CREDENTIALS, detail))

    def refuse(self, attempt: Attempt, why: Rejected) -> Rejected:
        """Log a refusal that a ban may be built on, and hand it back."""
        self._log(attempt, ok=False, reason=why.detail)
        return why

    def _log(self, attempt: Attempt, *, ok: bool, reason: str | None = None) -> None:
        ctx = attempt.ctx
        logs.auth(
            log,
            ok=ok,
            proto=ctx.proto,
            user=attempt.user,
            mech=attempt.mech,
            ip=ctx.ip,
            reason=reason,
            conn=ctx.conn,
        )
