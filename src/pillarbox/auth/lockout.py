"""How many wrong passwords are too many, and for whom.

The trap is to lock the account: then anybody who knows an address locks its owner out. So:

=================  ==============================  ============================================
counted            by                              when there are too many
=================  ==============================  ============================================
account + network  wrong passwords for the account  that network waits, for that account only
network            wrong passwords for any account  that network waits, for accounts that never
                                                    logged in from it
account            wrong passwords from networks    logins from such networks take longer,
                   that never logged in to it       up to ``max_delay``; nobody is refused
=================  ==============================  ============================================

A network is an IPv4 address or an IPv6 /64. The same wrong password again from the same network
is counted once: that is a telephone with an old password, not a guess. A success forgives the
pair, never the network, or an attacker would log in to an account of his own now and then.

Pure bookkeeping in memory, bounded; what was quiet longest is forgotten first. Several processes
of one house keep it together: each tells what happens in it, and hears what happens elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pillarbox.base.clock import Clock
from pillarbox.base.limits import Levels, TokenBuckets, address_key

_AGAIN: Final = 1 / 720
"""Of ``Options.known_seconds``: an hour of thirty days."""


@dataclass(frozen=True, slots=True)
class Options:
    """Failures allowed at once, and seconds until one more is allowed after that."""

    pair_failures: int = 10
    pair_seconds: float = 900.0
    network_failures: int = 50
    network_seconds: float = 120.0
    account_failures: int = 20
    account_seconds: float = 60.0
    max_delay: float = 8.0
    """Seconds that a login from a strange network takes at most on top."""
    known_seconds: float = 30 * 86_400.0
    """How long a network stays known to an account after a success."""
    exempt: frozenset[str] = frozenset({"127.0.0.1", "::/64", ""})
    """Networks not counted as a whole: everybody's webmail comes from this machine."""
    max_keys: int = 65_536


@dataclass(frozen=True, slots=True)
class Verdict:
    """May a password be tried? After ``delay`` seconds; or not for ``retry_after`` seconds."""

    retry_after: float = 0.0
    delay: float = 0.0
    why: str = ""
    """'pair' or 'network' when refused, 'account' when delayed; for the log."""


GO_AHEAD = Verdict()


@dataclass(frozen=True, slots=True)
class Failed:
    """A wrong password, for whoever counts with us. ``attempt``: see ``Lockout.failed``."""

    account: str
    ip: str
    attempt: bytes


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A right one that made a difference."""

    account: str
    ip: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a ``Lockout`` knows. Times are monotonic."""

    pairs: Levels
    networks: Levels
    accounts: Levels
    known: OrderedDict[str, float]
    last: OrderedDict[str, bytes]


def _untold(event: Failed | Succeeded) -> None:
    """Nobody else counts."""


@dataclass(slots=True)
class _Known:
    """Keys with the time of their last success, oldest first. A success is noted again after
    ``_AGAIN`` of the time, so that most change nothing."""

    seconds: float
    max_keys: int
    since: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def add(self, key: str, now: float) -> bool:
        """Whether that is new."""
        since = self.since.get(key)
        if since is not None and now - since < self.seconds * _AGAIN:
            return False
        self.since.pop(key, None)
        self.since[key] = now
        if len(self.since) > self.max_keys:
            self.since.popitem(last=False)
        return True

    def has(self, key: str, now: float) -> bool:
        since = self.since.get(key)
        return since is not None and now - since < self.seconds


class Lockout:
    """Ask ``verdict`` before a password is tried, then tell how it went.

    ``account`` is the login name in normal form, whether it exists or not: nothing here tells.
    """

    def __init__(self, clock: Clock, options: Options | None = None) -> None:
        self._clock = clock
        self._options = o = options or Options()
        self._pairs = _buckets(o.pair_failures, o.pair_seconds, clock, o.max_keys)
        self._networks = _buckets(o.network_failures, o.network_seconds, clock, o.max_keys)
        self._accounts = _buckets(o.account_failures, o.account_seconds, clock, o.max_keys)
        self._known = _Known(o.known_seconds, o.max_keys)
        self._last: OrderedDict[str, bytes] = OrderedDict()
        self.tell: Callable[[Failed | Succeeded], None] = _untold

    def verdict(self, account: str, ip: str) -> Verdict:
        """What to do with an attempt; counts nothing."""
        network = address_key(ip)
        pair = _pair(account, network)
        wait = self._pairs.wait(pair)
        if wait > 0:
            return Verdict(retry_after=wait, why="pair")
        if self._known.has(pair, self._clock.monotonic()):
            return GO_AHEAD
        wait = 0.0 if network in self._options.exempt else self._networks.wait(network)
        if wait > 0:
            return Verdict(retry_after=wait, why="network")
        delay = min(self._options.max_delay, self._accounts.wait(account))
        return Verdict(delay=delay, why="account") if delay else GO_AHEAD

    def failed(self, account: str, ip: str, attempt: bytes = b"") -> None:
        """A wrong password. ``attempt`` stands for it (a keyed hash), empty when unknown."""
        if self._fail(account, ip, attempt):
            self.tell(Failed(account, ip, attempt))

    def succeeded(self, account: str, ip: str) -> None:
        """A right password: the pair starts afresh and is known."""
        if self._succeed(account, ip):
            self.tell(Succeeded(account, ip))

    def heard(self, event: Failed | Succeeded) -> None:
        """What another process told."""
        if isinstance(event, Failed):
            self._fail(event.account, event.ip, event.attempt)
        else:
            self._succeed(event.account, event.ip)

    def picture(self) -> Picture:
        """All that is counted, for a process that begins."""
        return Picture(
            self._pairs.picture(),
            self._networks.picture(),
            self._accounts.picture(),
            OrderedDict(self._known.since),
            OrderedDict(self._last),
        )

    def begin_with(self, picture: Picture) -> None:
        """Take over what another process has counted so far."""
        self._pairs.begin_with(picture.pairs)
        self._networks.begin_with(picture.networks)
        self._accounts.begin_with(picture.accounts)
        self._known.since = picture.known
        self._last = picture.last

    def _fail(self, account: str, ip: str, attempt: bytes) -> bool:
        """Count it; whether it counts."""
        network = address_key(ip)
        pair = _pair(account, network)
        if attempt and self._last.get(pair) == attempt:
            return False
        if attempt:
            self._last.pop(pair, None)
            self._last[pair] = attempt
            if len(self._last) > self._options.max_keys:
                self._last.popitem(last=False)
        self._pairs.take(pair)
        if network not in self._options.exempt:
            self._networks.take(network)
        if not self._known.has(pair, self._clock.monotonic()):
            self._accounts.take(account)
        return True

    def _succeed(self, account: str, ip: str) -> bool:
        """Note it; whether it makes a difference."""
        pair = _pair(account, address_key(ip))
        forgiven = pair in self._pairs
        self._pairs.forget(pair)
        self._last.pop(pair, None)
        return self._known.add(pair, self._clock.monotonic()) or forgiven


def _pair(account: str, network: str) -> str:
    return f"{network} {account}"  # a network has no space in it


def _buckets(failures: int, seconds: float, clock: Clock, max_keys: int) -> TokenBuckets:
    return TokenBuckets(1.0 / seconds, failures, clock, max_keys=max_keys)
