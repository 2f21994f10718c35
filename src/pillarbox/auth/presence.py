"""Who is logged in over which connection: a password that was changed, or an account that was shut,
ends what was begun with it."""

from __future__ import annotations

from collections.abc import Callable

from pillarbox.base import log as logs

log = logs.Logger("auth")


class Presence:
    """Of one process. As large as the number of its connections."""

    def __init__(self) -> None:
        self._cuts: dict[str, Callable[[], None]] = {}
        self._logged_in: dict[str, int] = {}

    def came(self, name: str, cut: Callable[[], None]) -> None:
        """A connection is served from now on. ``cut`` ends it at once."""
        self._cuts[name] = cut

    def left(self, name: str) -> None:
        """And no longer."""
        self._cuts.pop(name, None)
        self._logged_in.pop(name, None)

    def entered(self, name: str | None, account: int) -> None:
        """Somebody logged in over it."""
        if name in self._cuts:
            self._logged_in[name] = account

    def end(self, account: int) -> None:
        """Cut every connection that the account is logged in over."""
        names = [name for name, who in self._logged_in.items() if who == account]
        for name in names:
            self._cuts[name]()
        if names:
            log.info("auth.sessions-ended", account=account, count=len(names))
