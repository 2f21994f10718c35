"""Asks the DNS, through the resolvers that the machine or the configuration names.

A stub: it sends one question to a recursive resolver and believes it. ``secure`` is therefore only
said of answers with the AD bit from a resolver on this very machine; over any other path the bit
could be anybody's (RFC 7672 §2.2, RFC 4035 §4.9.3).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from pillarbox.base.clock import Clock
from pillarbox.dns.answers import Answer, Kind, Status
from pillarbox.net.dnsrecords import record_of

PORT: Final = 53
PAYLOAD: Final = 1232
"""Octets of a UDP answer that pass every network unfragmented (DNS flag day 2020)."""
MAX_ALIASES: Final = 8


class Server(NamedTuple):
    """A recursive resolver: its IP address and port."""

    ip: str
    port: int = PORT

    @property
    def trusted(self) -> bool:
        """Nobody stands between it and us."""
        return ipaddress.ip_address(self.ip.partition("%")[0]).is_loopback


@dataclass(frozen=True, slots=True)
class Options:
    """How to ask. Times in seconds."""

    servers: tuple[Server, ...] = ()
    """Asked in order; empty asks a resolver on this machine, as resolv.conf(5) does."""
    attempt: float = 3.0
    """Until the next server is tried."""
    rounds: int = 2
    """How often the list of servers is gone through."""
    deadline: float = 15.0
    """For one question, whatever happens."""
    cache: int = 20_000
    """Answers kept; the one that was used longest ago goes first."""
    longest_ttl: int = 86_400
    longest_negative_ttl: int = 900
    """That a name is missing may be about to change (RFC 2308 §5 suggests hours)."""
    failure_ttl: int = 5
    """So that a thousand messages for one broken domain do not ask a thousand times at once."""


def system_servers(path: Path = Path("/etc/resolv.conf")) -> tuple[Server, ...]:
    """The ``nameserver`` lines of resolv.conf(5); empty when there is no such file."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return ()
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            found.append(Server(words[1]))
    return tuple(found)


class DnsClient:
    """Implements ``dns.answers.Resolver``; one for a process, so that the cache serves all."""

    def __init__(self, clock: Clock, options: Options | None = None) -> None:
        self._clock = clock
        self._options = options or Options()
        self._servers = self._options.servers or (Server("127.0.0.1"),)
        self._cache: OrderedDict[tuple[str, Kind], tuple[float, Answer]] = OrderedDict()
        self._asking: dict[tuple[str, Kind], asyncio.Task[Answer]] = {}

    async def ask(self, name: str, kind: Kind) -> Answer:
        """See ``dns.answers.Resolver``. Equal questions at one time become one packet."""
        key = (name.rstrip(".").lower(), kind)
        kept = self._kept(key)
        if kept is not None:
            return kept
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._find(key))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)  # others may wait for the same

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    def _kept(self, key: tuple[str, Kind]) -> Answer | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        left = entry[0] - self._clock.monotonic()
        if left <= 0:
            del self._cache[key]
            return None
        self._cache.move_to_end(key)
        return replace(entry[1], ttl=int(left))

    async def _find(self, key: tuple[str, Kind]) -> Answer:
        """Ask, follow, and keep what came of it."""
        try:
            async with asyncio.timeout(self._options.deadline):
                answer = await self._follow(*key)
        except TimeoutError:
            answer = _failed("no answer in time")
        lifetime = self._lifetime(answer)
        if lifetime > 0:
            self._cache[key] = (self._clock.monotonic() + lifetime, answer)
            while len(self._cache) > self._options.cache:
                self._cache.popitem(last=False)
        return answer

    def _lifetime(self, answer: Answer) -> int:
        if answer.status is Status.FAILED:
            return self._options.failure_ttl
        if answer.status is Status.FOUND:
            return min(answer.ttl, self._options.longest_ttl)
        return min(answer.ttl, self._options.longest_negative_ttl)

    async def _follow(self, name: str, kind: Kind) -> Answer:
        """One answer, through aliases that the resolver did not follow itself."""
        secure, ttl = True, self._options.longest_ttl
        for _ in range(MAX_ALIASES):
            answer = await self._query(name, kind)
            secure = secure and answer.secure
            ttl = min(ttl, answer.ttl)
            if answer.status is not Status.NO_DATA or answer.name in {"", name}:
                return replace(answer, secure=secure, ttl=ttl)
            name = answer.name
        return _failed("too many aliases")

    async def _query(self, name: str, kind: Kind) -> Answer:
        """Ask one server after the other until one knows."""
        try:
            asked = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError, ValueError):
            # What cannot be written as a name cannot exist.
            return Answer(Status.NO_NAME, ttl=self._options.longest_negative_ttl, name=name)
        answer = _failed("no name servers")
        for _ in range(self._options.rounds):
            for server in self._servers:
                answer = await self._exchange(server, asked, kind)
                if answer.status is not Status.FAILED:
                    return answer
        return answer

    async def _exchange(self, server: Server, name: dns.name.Name, kind: Kind) -> Answer:
        query = dns.message.make_query(name, kind.value, use_edns=0, payload=PAYLOAD)
        query.flags |= dns.flags.AD  # RFC 6840 §5.7: asks for the AD bit without all signatures
        try:
            response, _ = await dns.asyncquery.udp_with_fallback(
                query, server.ip, timeout=self._options.attempt, port=server.port
            )
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            return _failed(f"{server.ip}: {str(error) or type(error).__name__}")
        secure = server.trusted and bool(response.flags & dns.flags.AD)
        return read(response, secure=secure)


def read(response: dns.message.Message, *, secure: bool) -> Answer:
    """What a response means. With NO_DATA and another ``name`` than asked for, an alias led out
    of the response."""
    rcode = response.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return _failed(f"the resolver says {dns.rcode.to_text(rcode)}")
    if not isinstance(response, dns.message.QueryMessage):
        return _failed("the resolver answered something else")
    try:
        chain = response.resolve_chaining()
    except (dns.exception.DNSException, ValueError) as error:
        return _failed(f"the answer makes no sense: {error}")
    name = chain.canonical_name.to_text(omit_final_dot=True).lower()
    ttl = min(chain.minimum_ttl, 2**31)
    if chain.answer is None:
        # RFC 8020 §2: NXDOMAIN is about the name at the end of the aliases
        status = Status.NO_NAME if rcode == dns.rcode.NXDOMAIN else Status.NO_DATA
        return Answer(status, (), ttl, secure, name)
    records = tuple(record for rdata in chain.answer if (record := record_of(rdata)) is not None)
    status = Status.FOUND if records else Status.NO_DATA
    return Answer(status, records, ttl, secure, name)


def _failed(detail: str) -> Answer:
    return Answer(Status.FAILED, detail=detail)


def servers(texts: Sequence[str]) -> tuple[Server, ...]:
    """``192.0.2.1``, ``192.0.2.1:5353``, ``[2001:db8::1]:5353`` as servers; ValueError if not."""
    return tuple(map(_server, texts))


def _server(text: str) -> Server:
    ip, port = text, str(PORT)
    if text.startswith("["):
        ip, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        ip, _, port = text.partition(":")
    ipaddress.ip_address(ip.partition("%")[0])
    return Server(ip, int(port))
