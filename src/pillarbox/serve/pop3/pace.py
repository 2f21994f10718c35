"""The least time between two logins of an account (RFC 2449 §6.5)."""

from __future__ import annotations

from pillarbox.base.clock import Clock
from pillarbox.base.limits import TokenBuckets


class Pace:
    """Shared by all sessions of a house; bounded, the account seen longest ago is forgotten."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """``seconds`` 0 lets everybody in at once."""
        self._logins = TokenBuckets(1.0 / seconds, 1, clock) if seconds > 0 else None

    def wait(self, account: int) -> float:
        """Seconds until the account may log in; counts nothing."""
        return 0.0 if self._logins is None else self._logins.wait(str(account))

    def entered(self, account: int) -> None:
        """The account has logged in: the time runs from now."""
        if self._logins is not None:
            self._logins.take(str(account))
