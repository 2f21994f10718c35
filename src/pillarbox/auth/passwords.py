"""Passwords: made into what is kept, and checked against it, off the event loop.

Argon2id (RFC 9106) by default with 19 MiB and two passes, which takes 20 ms of a core; from the
same password the keys of SCRAM, because a client that knows SCRAM need never show it. Whoever
steals the directory attacks the weaker of the two: more ``scram_iterations`` cost clients time at
login and the thief much more; 0 keeps no keys and offers no SCRAM.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pillarbox.base.ids import Rng
from pillarbox.base.lanes import Lane
from pillarbox.base.log import Logger
from pillarbox.model.account import Credentials
from pillarbox.wire.sasl import scramkeys
from pillarbox.wire.sasl.machine import MAX_FIELD
from pillarbox.wire.sasl.prep import saslprep

log = Logger("auth")

SALT_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Options:
    """Costs. Changed ones apply to new passwords, and to old ones at their next login."""

    memory: int = 19_456
    """Argon2id memory in KiB, at least 8."""
    passes: int = 2
    lanes: int = 1
    scram_iterations: int = 4096
    """At least 4096 (RFC 7677 §4), or 0 for none."""


CHEAP = Options(memory=8, passes=1, scram_iterations=1)
"""For tests and demonstrations only: a password is checked in no time, a thief's guess too."""


class Defect(Enum):
    """Why something cannot be a password; the value is for whoever chose it."""

    EMPTY = "the password is empty"
    TOO_LONG = f"the password is longer than {MAX_FIELD} bytes"
    NOT_ALLOWED = "the password has characters that cannot be typed reliably (RFC 4013)"


def prepare(password: str, *, stored: bool = False) -> str | Defect:
    """The password in the form that is hashed; ``stored`` when it is a new one (RFC 4013 §2.5)."""
    if len(password) > MAX_FIELD or len(password.encode(errors="surrogatepass")) > MAX_FIELD:
        return Defect.TOO_LONG
    prepared = saslprep(password, stored=stored)
    if prepared is None:
        return Defect.NOT_ALLOWED
    return prepared or Defect.EMPTY


@dataclass(frozen=True, slots=True)
class Checked:
    """``renewed``: what should be kept from now on, None when what is kept will do."""

    right: bool
    renewed: Credentials | None = None


WRONG = Checked(False)


class Passwords:
    """Makes and checks credentials in a lane. Raises ``LaneFull`` when too many wait."""

    def __init__(self, lane: Lane, rng: Rng, options: Options | None = None) -> None:
        self.options = options or Options()
        self._lane = lane
        self._rng = rng
        self._hasher = PasswordHasher(
            time_cost=self.options.passes,
            memory_cost=self.options.memory,
            parallelism=self.options.lanes,
        )
        self._decoy = ""

    async def make(self, password: str) -> Credentials | Defect:
        """Credentials for a new password, or why it cannot be one."""
        prepared = prepare(password, stored=True)
        if isinstance(prepared, Defect):
            return prepared
        return await self._lane.run(self._make, prepared)

    async def check(self, credentials: Credentials | None, password: str) -> Checked:
        """Is this the password? With credentials None the answer is no, after the same work."""
        prepared = prepare(password)
        if isinstance(prepared, Defect):
            return WRONG
        return await self._lane.run(self._check, credentials, prepared)

    def outdated(self, credentials: Credentials) -> bool:
        """True when ``credentials`` were made with other costs than those of the options."""
        if credentials.scram_iterations != self.options.scram_iterations:
            return True
        try:
            return self._hasher.check_needs_rehash(credentials.argon2)
        except InvalidHashError:
            return False

    # ------------------------------------------------------------ in the lane's threads

    def _make(self, prepared: str) -> Credentials:
        argon2 = self._hasher.hash(prepared, salt=self._rng.bytes(SALT_OCTETS))
        iterations = self.options.scram_iterations
        if not iterations:
            return Credentials(argon2)
        salt = self._rng.bytes(scramkeys.SALT_OCTETS)
        keys = scramkeys.derive(prepared, salt, iterations)
        return Credentials(argon2, salt, iterations, keys.stored_key, keys.server_key)

    def _check(self, credentials: Credentials | None, prepared: str) -> Checked:
        known = credentials.argon2 if credentials else ""
        # An account without a password, or nobody, takes as long as a wrong password.
        right = self._verify(known or self._decoy_hash(), prepared) and known != ""
        if not right or credentials is None:
            return WRONG
        return Checked(True, self._make(prepared) if self.outdated(credentials) else None)

    def _verify(self, argon2: str, prepared: str) -> bool:
        try:
            return self._hasher.verify(argon2, prepared)
        except InvalidHashError:
            log.error("auth.credentials", reason="not an Argon2 hash")
            return False
        except VerificationError:
            return False

    def _decoy_hash(self) -> str:
        if not self._decoy:
            self._decoy = self._hasher.hash(self._rng.bytes(32))
        return self._decoy
