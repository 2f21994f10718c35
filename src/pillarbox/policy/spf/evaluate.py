"""The check itself: records asked for, terms tried one after the other (RFC 7208 §4 to §6).

One ``Evaluation`` serves one check: what it may still ask is counted over all records that
include and redirect lead to (§4.6.4).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pillarbox.base.clock import Clock
from pillarbox.dns.answers import Answer, Kind, Mx, Resolver, Status
from pillarbox.policy.spf import names
from pillarbox.policy.spf.macro import IN_EXPLANATIONS, Malformed, Template, read_template
from pillarbox.policy.spf.record import Directive, Record, choose, read_record
from pillarbox.policy.spf.result import Verdict


@dataclass(frozen=True, slots=True)
class Limits:
    """RFC 7208 §4.6.4. ``voids``: terms whose questions brought nothing. ``seconds`` in all."""

    lookups: int = 10
    voids: int = 2
    hosts: int = 10
    """Hosts asked about for one mx, ptr or %{p}."""
    seconds: float = 20.0
    explanation: int = 400
    """Characters: one reply line of RFC 5321 §4.5.3.1.5, with room for our own words."""


@dataclass(frozen=True, slots=True)
class Question:
    """What stays the same in all records of one check. ``sender`` has a local part (§4.3)."""

    ip: names.Ip
    local: str
    domain: str
    helo: str
    receiver: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """``domain`` and ``explanation`` belong to the record that decided (§6.2)."""

    verdict: Verdict
    mechanism: str = "default"
    problem: str = ""
    domain: str = ""
    explanation: Template | None = None


class _Stop(Exception):
    """The whole check ends here."""

    def __init__(self, verdict: Verdict, problem: str) -> None:
        super().__init__(problem)
        self.outcome = Outcome(verdict, problem=problem)


class Evaluation:
    """One check; ``lookups`` counts the terms that asked."""

    def __init__(
        self, question: Question, resolver: Resolver, clock: Clock, limits: Limits
    ) -> None:
        self.lookups = 0
        self._question = question
        self._resolver = resolver
        self._clock = clock
        self._limits = limits
        self._voids = 0
        self._void_counted = True
        """For the term at work; the first record's own lookup belongs to no term."""
        self._validated: tuple[str, ...] | None = None
        self._kind = Kind.A if question.ip.version == 4 else Kind.AAAA

    async def verdict(self) -> Outcome:
        """What the sender's domain says."""
        try:
            return await self._check_host(self._question.domain)
        except _Stop as stop:
            return stop.outcome

    async def explanation(self, outcome: Outcome) -> str:
        """What the domain says about its fail; '' when it says nothing fit to repeat (§6.2)."""
        if outcome.verdict is not Verdict.FAIL or outcome.explanation is None:
            return ""
        self._void_counted = True  # §4.6.4: exp is not subject to the limits
        values = await self._values(outcome.explanation, outcome.domain, counted=False)
        name = names.target(outcome.explanation.expand(values))
        if not names.is_askable(name):
            return ""
        answer = await self._resolver.ask(name, Kind.TXT)
        if not answer or len(answer.octets) != 1:
            return ""
        try:
            text = answer.octets[0].decode("ascii")
            template = read_template(text, IN_EXPLANATIONS, spaces=True)
        except (UnicodeDecodeError, Malformed):
            return ""
        said = template.expand(await self._values(template, outcome.domain, counted=False))
        return said[: self._limits.explanation] if said.isascii() and said.isprintable() else ""

    async def _check_host(self, domain: str) -> Outcome:
        if not names.is_domain(domain):
            return Outcome(Verdict.NONE, problem="not a domain name")  # §4.3
        answer = await self._ask(domain, Kind.TXT)
        found = choose(answer.octets)
        if not found:
            return Outcome(Verdict.NONE, problem="no SPF record")
        if len(found) > 1:
            return Outcome(Verdict.PERMERROR, problem="several SPF records")  # §4.5
        try:
            record = read_record(found[0])
        except Malformed as error:
            return Outcome(Verdict.PERMERROR, problem=f"{domain}: {error}")
        for directive in record.directives:
            if await _MATCHES[directive.mechanism](self, directive, domain):
                return Outcome(directive.verdict, directive.text, "", domain, record.explanation)
        return await self._redirect(record, domain)

    async def _redirect(self, record: Record, domain: str) -> Outcome:
        if record.redirect is None:
            return Outcome(Verdict.NEUTRAL)  # §4.7
        self._count()
        target = await self._target(record.redirect, domain)
        outcome = await self._check_host(target) if target else Outcome(Verdict.NONE)
        if outcome.verdict is Verdict.NONE:
            raise _Stop(Verdict.PERMERROR, "redirected to nowhere")  # §6.1
        return outcome

    # Mechanisms (§5): whether each matches.

    async def _all(self, directive: Directive, domain: str) -> bool:
        return True

    async def _include(self, directive: Directive, domain: str) -> bool:
        self._count()
        assert directive.domain is not None  # noqa: S101  the grammar has seen to it
        if self._unsayable(directive.domain):
            return False
        target = await self._target(directive.domain, domain)
        outcome = await self._check_host(target) if target else Outcome(Verdict.NONE)
        if outcome.verdict is Verdict.NONE:
            raise _Stop(Verdict.PERMERROR, f"{directive.text}: no policy there")
        if outcome.verdict in {Verdict.TEMPERROR, Verdict.PERMERROR}:
            raise _Stop(outcome.verdict, outcome.problem)
        return outcome.verdict is Verdict.PASS

    async def _a(self, directive: Directive, domain: str) -> bool:
        target = await self._counted_target(directive, domain)
        return bool(target) and await self._lives_at(target, directive)

    async def _mx(self, directive: Directive, domain: str) -> bool:
        target = await self._counted_target(directive, domain)
        if not target:
            return False
        answer = await self._ask(target, Kind.MX)
        hosts = [record.host for record in answer.records if isinstance(record, Mx)]
        if len(hosts) > self._limits.hosts:
            raise _Stop(Verdict.PERMERROR, f"{directive.text}: too many hosts")
        for host in hosts:
            if names.is_askable(host) and await self._lives_at(host, directive):
                return True
        return False

    async def _ptr(self, directive: Directive, domain: str) -> bool:
        target = await self._counted_target(directive, domain)
        if not target:
            return False
        return any(names.is_below(name, target) for name in await self._names_of_client())

    async def _exists(self, directive: Directive, domain: str) -> bool:
        target = await self._counted_target(directive, domain)
        return bool(target) and bool(await self._ask(target, Kind.A))  # §5.7: A, even for IPv6

    async def _network(self, directive: Directive, domain: str) -> bool:
        network = directive.network
        return network is not None and self._within(network, directive)

    # Names and addresses.

    def _within(self, address: names.Ip, directive: Directive) -> bool:
        prefix = directive.prefix4 if address.version == 4 else directive.prefix6
        return names.same_network(self._question.ip, address, prefix)

    async def _lives_at(self, host: str, directive: Directive) -> bool:
        answer = await self._ask(host, self._kind)
        found = (names.client(text) for text in answer.texts)
        return any(address is not None and self._within(address, directive) for address in found)

    async def _counted_target(self, directive: Directive, domain: str) -> str:
        """The name a mechanism is about; '' when no such name can be, so that it cannot match."""
        self._count()
        if directive.domain is None:
            return domain
        return await self._target(directive.domain, domain)

    async def _target(self, template: Template, domain: str) -> str:
        if self._unsayable(template):
            return ""
        name = names.target(template.expand(await self._values(template, domain, counted=True)))
        return name if names.is_askable(name) else ""  # §4.8 leaves it open: it does not match

    def _unsayable(self, template: Template) -> bool:
        """RFC 8616 §4: a local part beyond US-ASCII is in no domain name."""
        return bool(template.letters & {"s", "l"}) and not self._question.local.isascii()

    async def _values(self, template: Template, domain: str, *, counted: bool) -> dict[str, str]:
        """What the macro letters stand for (§7.2)."""
        question = self._question
        values = {
            "s": f"{question.local}@{question.domain}",
            "l": question.local,
            "o": question.domain,
            "d": domain,
            "i": names.dotted(question.ip),
            "v": "in-addr" if question.ip.version == 4 else "ip6",
            "h": question.helo,
            "c": str(question.ip),
            "r": question.receiver,
            "t": str(int(self._clock.now())),
        }
        if "p" in template.letters:
            if counted and self._validated is None:
                self._count()  # §4.6.4: %{p} costs what ptr costs
            values["p"] = _best(await self._names_of_client(), domain)
        return values

    async def _names_of_client(self) -> tuple[str, ...]:
        """The client's names that lead back to it (§5.5)."""
        if self._validated is None:
            answer = await self._ask(names.reverse(self._question.ip), Kind.PTR, certain=False)
            found = []
            for text in answer.texts[: self._limits.hosts]:
                host = text.removesuffix(".")
                if not names.is_askable(host):
                    continue
                back = await self._ask(host, self._kind, certain=False)
                if any(names.client(address) == self._question.ip for address in back.texts):
                    found.append(host)
            self._validated = tuple(found)
        return self._validated

    # Questions.

    def _count(self) -> None:
        """A term begins that asks the DNS."""
        self.lookups += 1
        if self.lookups > self._limits.lookups:
            raise _Stop(Verdict.PERMERROR, "too many DNS lookups")
        self._void_counted = False

    async def _ask(self, name: str, kind: Kind, *, certain: bool = True) -> Answer:
        """``certain``: the check ends where there is no answer (§5)."""
        answer = await self._resolver.ask(name, kind)
        if answer.status is Status.FAILED:
            if certain:
                raise _Stop(Verdict.TEMPERROR, f"no answer about {name}")
        elif not answer and not self._void_counted:
            self._void_counted = True  # §4.6.4 speaks of terms, not of questions
            self._voids += 1
            if self._voids > self._limits.voids:
                raise _Stop(Verdict.PERMERROR, "too many DNS lookups in vain")
        return answer


def _best(found: tuple[str, ...], domain: str) -> str:
    """``%{p}`` (§7.3): the domain itself, else a name below it, else any."""
    exact = [name for name in found if name.lower() == domain.lower()]
    below = [name for name in found if names.is_below(name, domain)]
    return next(iter((*exact, *below, *found)), "unknown")


_Matcher = Callable[[Evaluation, Directive, str], Coroutine[Any, Any, bool]]

# The table is of this module, the methods are its own.
_MATCHES: dict[str, _Matcher] = {
    "all": Evaluation._all,  # noqa: SLF001
    "include": Evaluation._include,  # noqa: SLF001
    "a": Evaluation._a,  # noqa: SLF001
    "mx": Evaluation._mx,  # noqa: SLF001
    "ptr": Evaluation._ptr,  # noqa: SLF001
    "ip4": Evaluation._network,  # noqa: SLF001
    "ip6": Evaluation._network,  # noqa: SLF001
    "exists": Evaluation._exists,  # noqa: SLF001
}
