"""What a domain says about TLS to its mail hosts (MTA-STS, RFC 8461).

Text to values, and a cache that keeps a policy as long as the domain asked for: an attacker who
suppresses DNS or HTTPS must not make us forget it (§5.1, §10.2), nor must a restart.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.dns.answers import Kind, Resolver

log = Logger("mtasts")

LONGEST = 31_557_600
"""Seconds; §3.2 allows no more."""
MAX_MX = 200
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}\Z")


class Mode(Enum):
    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """§3.2. ``max_age`` in seconds; ``mx`` lower-case patterns."""

    mode: Mode
    max_age: int
    mx: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """As RFC 8460 §4.5 wants it told."""
        mode, age = f"mode: {self.mode.value}", f"max_age: {self.max_age}"
        return ("version: STSv1", mode, *(f"mx: {one}" for one in self.mx), age)

    def lists(self, host: str) -> bool:
        """Whether ``host`` may take the domain's mail (§4.1): a ``*`` stands for one label."""
        host = host.lower().rstrip(".")
        return host in self.mx or "*." + host.partition(".")[2] in self.mx


def read_record(texts: list[bytes]) -> str | None:
    """The id in the TXT record (§3.1); None unless there is exactly one that is right."""
    ours = [text for text in texts if re.match(rb"v=STSv1[ \t]*(;|\Z)", text)]
    if len(ours) != 1:
        return None
    for field in ours[0].decode("ascii", "replace").split(";")[1:]:
        key, _, value = field.partition("=")
        if key.strip() == "id":
            return value.strip() if _ID.match(value.strip()) else None
    return None


def read_policy(data: bytes) -> Policy | None:
    """The body of the policy file (§3.2); None when it is not one."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    first: dict[str, str] = {}
    mx: list[str] = []
    for line in re.split(r"\r?\n", text):
        key, colon, value = line.partition(":")
        key, value = key.strip(" \t"), value.strip(" \t")
        if not colon and not line.strip():
            continue
        if not colon or not _KEY.match(key):
            return None
        if key == "mx":
            mx.append(value.lower().rstrip("."))
        else:
            first.setdefault(key, value)
    return _policy(first, mx)


def write_policy(policy: Policy) -> bytes:
    """The policy file (§3.2)."""
    lines = ["version: STSv1", f"mode: {policy.mode.value}"]
    lines += [f"mx: {pattern}" for pattern in policy.mx]
    lines.append(f"max_age: {policy.max_age}")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace")


def _policy(first: dict[str, str], mx: list[str]) -> Policy | None:
    age = first.get("max_age", "")
    known = {mode.value for mode in Mode}
    if first.get("version") != "STSv1" or first.get("mode") not in known:
        return None
    if not (age.isascii() and age.isdigit() and len(age) <= 10) or len(mx) > MAX_MX:
        return None
    mode = Mode(first["mode"])
    if mode is not Mode.NONE and not mx:
        return None
    return Policy(mode, min(int(age), LONGEST), tuple(mx))


Fetch = Callable[[str], Awaitable[bytes | None]]
"""The policy file of a domain over HTTPS as §3.3 demands it; None when there is none to be had."""


class Shelf(Protocol):
    """What lasts longer than a process: ``store.notes.Notes``, as far as it is needed."""

    async def remember(
        self, kind: str, values: Mapping[str, bytes | None], *, until: float, now: float
    ) -> None: ...

    async def recall(self, kind: str, *, prefix: str = "", now: float) -> Mapping[str, bytes]: ...


SHELF = "mta-sts"
"""The kind of our notes; the key is the domain."""


Trouble = Callable[[str, str], None]
"""Hears of a domain and a result type of RFC 8460 §4.3.2.2."""


@dataclass(slots=True)
class _Kept:
    id: str
    policy: Policy | None
    until: float
    """Seconds since 1970: the policy counts so long."""
    checked: float
    """When DNS or the web server was last asked."""

    def old(self, now: float) -> bool:
        """Past half of its life it is fetched anew, so that no attacker can wait for its end
        (§10.2)."""
        return self.policy is not None and now > self.until - self.policy.max_age / 2


def _freeze(ident: str, policy: Policy, until: float) -> bytes:
    return json.dumps([ident, policy.mode.value, policy.max_age, until, *policy.mx]).encode("ascii")


def _thaw(data: bytes) -> _Kept:
    """As never checked."""
    ident, mode, age, until, *mx = json.loads(data)
    return _Kept(ident, Policy(Mode(mode), age, tuple(mx)), until, 0.0)


class Policies:
    """The cache. One for a process."""

    def __init__(
        self,
        resolver: Resolver,
        fetch: Fetch,
        clock: Clock,
        shelf: Shelf | None = None,
        *,
        most: int = 10_000,
        pause: float = 300.0,
        trouble: Trouble = lambda domain, result: None,  # noqa: ARG005
    ) -> None:
        """``most``: domains kept. ``pause``: seconds until a domain is asked again (§3.3).
        ``trouble``: hears of records without a policy behind them."""
        self._resolver = resolver
        self._fetch = fetch
        self._clock = clock
        self._shelf = shelf
        self._most = most
        self._pause = pause
        self._trouble = trouble
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._asking: dict[str, asyncio.Lock] = {}

    async def of(self, domain: str) -> Policy | None:
        """The policy in force for ``domain`` (A-labels), None when it has none."""
        domain = domain.lower().rstrip(".")
        if domain.startswith("["):
            return None
        lock = self._asking.setdefault(domain, asyncio.Lock())
        try:
            async with lock:
                return await self._of(domain)
        finally:
            if not lock.locked():
                self._asking.pop(domain, None)

    async def _of(self, domain: str) -> Policy | None:
        now = self._clock.now()
        kept = self._kept.get(domain) or await self._recalled(domain, now)
        if kept is not None and now - kept.checked < self._pause:
            return kept.policy if now < kept.until else None
        answer = await self._resolver.ask(f"_mta-sts.{domain}", Kind.TXT)
        found = read_record(answer.octets) if answer else None
        if kept is not None and now < kept.until:
            kept.checked = now
            if found is None or (found == kept.id and not kept.old(now)):
                return kept.policy  # §5.1: a policy lives on without its record
        elif found is None:
            self._kept.pop(domain, None)
            return None
        data = await self._fetch(domain)
        policy = read_policy(data) if data is not None else None
        if policy is None:
            log.info("mtasts.no-policy", domain=domain, fetched=data is not None)
            self._trouble(
                domain, "sts-policy-fetch-error" if data is None else "sts-policy-invalid"
            )
            if kept is not None and now < kept.until:
                return kept.policy
        fresh = _Kept(found or "", policy, now + (policy.max_age if policy else 0), now)
        self._keep(domain, fresh)
        if self._shelf is not None and policy is not None:
            values = {domain: _freeze(fresh.id, policy, fresh.until)}
            await self._shelf.remember(SHELF, values, until=fresh.until, now=now)
        return policy

    async def _recalled(self, domain: str, now: float) -> _Kept | None:
        """From the time before a restart; its record in the DNS is asked for again."""
        if self._shelf is None:
            return None
        data = (await self._shelf.recall(SHELF, prefix=domain, now=now)).get(domain)
        if data is None:
            return None
        kept = _thaw(data)
        self._keep(domain, kept)
        return kept

    def _keep(self, domain: str, entry: _Kept) -> None:
        self._kept[domain] = entry
        self._kept.move_to_end(domain)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
