"""How a login went, as values that every door turns into its own words by a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.model.account import Account


class Reason(Enum):
    """Why a login was refused, as far as the client may know."""

    CREDENTIALS = "credentials"
    """Unknown user, wrong password, or an account that is switched off: nobody is told which.
    535 5.7.8, NO [AUTHENTICATIONFAILED], -ERR [AUTH]."""
    LOCKED = "locked"
    """Too many failures: not tried at all. Nothing follows about the password.
    454 4.7.0, NO [UNAVAILABLE], -ERR [SYS/TEMP]."""
    NEEDS_TLS = "needs tls"
    """538 5.7.11, NO [PRIVACYREQUIRED], -ERR [AUTH]."""
    MECHANISM = "mechanism"
    """Unknown or not offered here: 504 5.5.4, NO, -ERR."""
    MALFORMED = "malformed"
    """Not what the mechanism says: 501 5.5.2, BAD, -ERR."""
    AUTHORIZATION = "authorization"
    """The password is right, acting as that other identity is not allowed.
    535 5.7.8, NO [AUTHORIZATIONFAILED], -ERR [AUTH]."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Come in. ``mechanism`` as in the log."""

    account: Account
    mechanism: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """No. ``detail`` is for the operator's log and never for the client."""

    reason: Reason
    detail: str = ""
    retry_after: float = 0.0
    """Seconds until trying again can help; 0 when that is not the question."""

    @property
    def guess(self) -> bool:
        """True when this was a wrong password: doors count these to hang up."""
        return self.reason is Reason.CREDENTIALS


@dataclass(frozen=True, slots=True)
class TemporarilyUnavailable:
    """The directory or the password lane cannot answer now, or the account was changed during the
    login; says nothing about the password.

    454 4.7.0, NO [UNAVAILABLE], -ERR [SYS/TEMP].
    """

    detail: str


LoginResult = Accepted | Rejected | TemporarilyUnavailable
