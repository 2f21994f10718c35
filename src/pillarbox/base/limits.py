"""Counters that several doors share: connections at once, and attempts over time.

Pure bookkeeping; whoever asks acts on the answer. For both, an IPv6 address counts as its /64:
that is what one customer gets, and counting single addresses would count nothing.
"""

from __future__ import annotations

import enum
import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pillarbox.base.clock import Clock


def address_key(ip: str) -> str:
    """What an address counts as: IPv4 itself, IPv6 its /64, anything else itself.

    An IPv4-mapped IPv6 address counts as the IPv4 address; a zone (``%eth0``) is ignored.
    """
    if ":" not in ip:
        return ip
    try:
        address = ipaddress.IPv6Address(ip.partition("%")[0])
    except ValueError:
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    prefix = int(address) >> 64 << 64
    return f"{ipaddress.IPv6Address(prefix)}/64"


class Refusal(enum.Enum):
    """Why one more connection is too many."""

    TOTAL = "too many connections"
    ADDRESS = "too many connections from this address"


@dataclass(frozen=True, slots=True)
class Held:
    """How many connections a process has now, by ``address_key``; of those that changed."""

    by_address: Mapping[str, int]


def _unheard() -> None:
    """Nobody else counts."""


class ConnectionLimits:
    """Connections at once, in total and an address. One may serve several listeners.

    Other processes may count with it: ``changed`` is called when there is something to tell them,
    ``told`` says what, and ``heard`` takes what they tell.

    ``total``, ``per_address``: 0 for no limit. ``exempt``: addresses (as ``address_key`` gives
    them) that only the total binds, such as the webmail's or a monitor's. Unix sockets have no
    address (``""``), so only the total binds them either.
    """

    def __init__(
        self, total: int = 0, per_address: int = 0, *, exempt: frozenset[str] = frozenset()
    ) -> None:
        self.total = total
        self.per_address = per_address
        self._exempt = exempt
        self._open = 0
        self._by_address: dict[str, int] = {}
        self.changed: Callable[[], None] = _unheard
        self._untold: set[str] = set()
        self._elsewhere: dict[int, dict[str, int]] = {}
        self._open_elsewhere = 0
        self._by_address_elsewhere: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """Connections counted now, in this process."""
        return self._open

    def acquire(self, ip: str) -> Refusal | None:
        """Count one more from ``ip``, or say why not. After None, ``release`` it once."""
        if self.total and self._open + self._open_elsewhere >= self.total:
            return Refusal.TOTAL
        key = address_key(ip)
        held = self._by_address.get(key, 0)
        most = self.per_address
        if most and held + self._by_address_elsewhere[key] >= most and self._counts(key):
            return Refusal.ADDRESS
        self._open += 1
        self._set(key, held + 1)
        return None

    def _counts(self, key: str) -> bool:
        """Whether there is a limit for an address."""
        return bool(key) and key not in self._exempt

    def _set(self, key: str, held: int) -> None:
        if held:
            self._by_address[key] = held
        else:
            del self._by_address[key]
        if self.changed is not _unheard:
            self._untold.add(key)
            self.changed()

    def release(self, ip: str) -> None:
        """One connection from ``ip`` is gone."""
        key = address_key(ip)
        held = self._by_address.get(key, 0)
        if held == 0:
            raise RuntimeError(f"connection limits: {ip} released more often than acquired")
        self._open -= 1
        self._set(key, held - 1)

    # Of several processes.

    @property
    def held(self) -> Mapping[str, int]:
        """Connections of this process, by ``address_key``."""
        return dict(self._by_address)

    @property
    def elsewhere(self) -> Mapping[int, Mapping[str, int]]:
        """Those of other processes, by their numbers."""
        return {process: dict(held) for process, held in self._elsewhere.items()}

    def told(self) -> Held:
        """What changed since the last time."""
        untold, self._untold = self._untold, set()
        return Held({key: self._by_address.get(key, 0) for key in untold})

    def heard(self, process: int, news: Held) -> None:
        """What another process has now."""
        known = self._elsewhere.setdefault(process, {})
        for key, held in news.by_address.items():
            more = held - known.pop(key, 0)
            if held:
                known[key] = held
            self._open_elsewhere += more
            self._by_address_elsewhere[key] += more
            if not self._by_address_elsewhere[key]:
                del self._by_address_elsewhere[key]

    def forget(self, process: int) -> None:
        """Another process has gone, with all it had."""
        self.heard(process, Held(dict.fromkeys(self._elsewhere.get(process, ()), 0)))
        self._elsewhere.pop(process, None)


Levels = OrderedDict[str, tuple[float, float]]
"""Key to tokens left and the monotonic time when that was; least recently used first."""


class TokenBuckets:
    """A rate a key: ``burst`` at once, ``rate`` a second in the long run.

    Keys are addresses, accounts, whatever the caller counts by. Memory is bounded by
    ``max_keys``: the key that was quiet longest is forgotten first, which forgives it at most one
    burst, so choose ``max_keys`` above the attackers expected at once.
    """

    def __init__(self, rate: float, burst: float, clock: Clock, *, max_keys: int = 65536) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: Levels = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def __contains__(self, key: object) -> bool:
        return key in self._buckets

    def take(self, key: str, n: float = 1.0) -> float:
        """Take ``n`` tokens; 0.0 if they were there, else the seconds until they will be.

        A refusal takes nothing, so asking again does not put the time off. ``n`` above the
        burst can never be had and gives infinity.
        """
        if n > self._burst:
            return float("inf")
        now = self._clock.monotonic()
        tokens = self._level(key, now)
        if tokens < n:
            return (n - tokens) / self._rate if self._rate > 0 else float("inf")
        self._buckets[key] = (tokens - n, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return 0.0

    def wait(self, key: str, n: float = 1.0) -> float:
        """Like ``take``, but takes nothing: the seconds until ``take`` would succeed."""
        if n > self._burst:
            return float("inf")
        missing = n - self._level(key, self._clock.monotonic())
        if missing <= 0:
            return 0.0
        return missing / self._rate if self._rate > 0 else float("inf")

    def forget(self, key: str) -> None:
        """Fill the bucket again, as after a successful login."""
        self._buckets.pop(key, None)

    def picture(self) -> Levels:
        """All that is known now."""
        return OrderedDict(self._buckets)

    def begin_with(self, levels: Levels) -> None:
        """Go on from what another process knew."""
        self._buckets = levels

    def _level(self, key: str, now: float) -> float:
        held = self._buckets.get(key)
        if held is None:
            return self._burst
        tokens, since = held
        return min(self._burst, tokens + (now - since) * self._rate)
