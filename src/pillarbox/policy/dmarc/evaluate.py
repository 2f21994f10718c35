"""DMARC for one message (RFC 9989 §5.3): its author's domain against what was authenticated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pillarbox.dns.answers import Answer, Kind, Resolver, Status
from pillarbox.model.address import normal_domain
from pillarbox.policy.dmarc import tree
from pillarbox.policy.dmarc.record import MILDER, Policy, Record, read_record
from pillarbox.policy.dmarc.tree import Found

MOST_IDENTIFIERS = 20
"""Domains looked at for one message: a sender may put any number of signatures on it."""
LONGEST = 253


class Verdict(Enum):
    NONE = "none"
    """No policy: DMARC does not apply."""
    PASS = "pass"  # noqa: S105  the word of the RFC
    FAIL = "fail"
    TEMPERROR = "temperror"


class Method(Enum):
    SPF = "spf"
    """MAIL FROM only, never HELO (§4.4.2)."""
    DKIM = "dkim"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that SPF or DKIM vouched for: their result was pass."""

    method: Method
    domain: str


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """``found`` is the record that applied. ``policy`` is what it asks for, ``applied`` what is
    left of that while its owner tests (the t tag); both count only for a fail. ``aligned`` are
    the identifiers that bear the author out."""

    verdict: Verdict
    author: str
    found: Found | None = None
    policy: Policy = Policy.NONE
    applied: Policy = Policy.NONE
    aligned: tuple[Identifier, ...] = ()
    problem: str = ""


class _NoAnswer(Exception):
    """The DNS would not say (§5.3.6: neither pass nor fail)."""


async def evaluate(
    author: str,
    identifiers: Sequence[Identifier],
    resolver: Resolver,
    unknown: Sequence[Identifier] = (),
) -> DmarcResult:
    """``author``: the one domain in the From field. Never raises.

    ``unknown``: those whose own result the DNS would not give. They make a fail uncertain only
    where they would have borne the author out: whoever forges has a domain whose DNS is silent.
    """
    author = normal_domain(author)
    walker = _Walker(resolver)
    try:
        found, policy = await _discover(author, walker)
    except _NoAnswer as error:
        return DmarcResult(Verdict.TEMPERROR, author, problem=str(error))
    if found is None or policy is None:
        return DmarcResult(Verdict.NONE, author, found)
    aligned, problem = [], ""
    for identifier in identifiers[:MOST_IDENTIFIERS]:
        try:
            if await _aligns(author, identifier, found.record, walker):
                aligned.append(identifier)
        except _NoAnswer as error:
            problem = str(error)
    if not aligned and not problem:
        problem = await _open(author, unknown[:MOST_IDENTIFIERS], found.record, walker)
    verdict = Verdict.PASS if aligned else Verdict.TEMPERROR if problem else Verdict.FAIL
    applied = MILDER[policy] if found.record.testing else policy
    return DmarcResult(verdict, author, found, policy, applied, tuple(aligned), problem)


async def organization(domain: str, resolver: Resolver) -> str | None:
    """Whose domain it is (§4.10.2); None when the DNS would not say."""
    domain = normal_domain(domain)
    try:
        return tree.organizational(domain, await _Walker(resolver).walk(domain))
    except _NoAnswer:
        return None


async def _discover(author: str, walker: _Walker) -> tuple[Found | None, Policy | None]:
    """The record for ``author`` and what it wants (§4.10.1)."""
    own = await walker.record(author)
    if own is not None:
        return Found(author, own), own.wanted(below=False)
    found = tree.applicable(author, await walker.walk(author))
    if found is None:
        return None, None
    exists = found.record.np is None or await walker.exists(author)
    return found, found.record.wanted(below=True, exists=exists)


async def _open(author: str, unknown: Sequence[Identifier], record: Record, walker: _Walker) -> str:
    """Why it may be a pass after all, '' when it cannot."""
    for identifier in unknown:
        try:
            if await _aligns(author, identifier, record, walker):
                return f"no answer about {identifier.method.value} of {identifier.domain}"
        except _NoAnswer as error:
            return str(error)
    return ""


async def _aligns(author: str, identifier: Identifier, record: Record, walker: _Walker) -> bool:
    """§4.4, §4.10.2."""
    domain = normal_domain(identifier.domain)
    if domain == author:
        return True
    strict = {Method.DKIM: record.strict_dkim, Method.SPF: record.strict_spf}
    if strict[identifier.method] or domain.rpartition(".")[2] != author.rpartition(".")[2]:
        return False  # an organization's domain ends both names, so they end alike
    ours = tree.organizational(author, await walker.walk(author))
    if not f".{domain}".endswith(f".{ours}"):
        return False  # whose DNS is not asked: a stranger's silence must not spare the author
    return tree.organizational(domain, await walker.walk(domain)) == ours


class _Walker:
    """Asks each name once for one message."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._records: dict[str, Record | None] = {}

    async def walk(self, domain: str) -> list[Found]:
        walked = []
        for name in tree.steps(domain):
            record = await self.record(name)
            if record is not None:
                walked.append(Found(name, record))
                if tree.ends(record):
                    break
        return walked

    async def record(self, domain: str) -> Record | None:
        if domain not in self._records:
            answer = await self._ask(f"_dmarc.{domain}", Kind.TXT)
            self._records[domain] = read_record(answer.octets)
        return self._records[domain]

    async def exists(self, domain: str) -> bool:
        """RFC 9989 §3.2.13: anything but NXDOMAIN."""
        return (await self._ask(domain, Kind.A)).status is not Status.NO_NAME

    async def _ask(self, name: str, kind: Kind) -> Answer:
        labels = name.split(".")
        if len(name) > LONGEST or not all(0 < len(label) <= 63 for label in labels):
            return Answer(Status.NO_NAME)  # what cannot be a name does not exist
        answer = await self._resolver.ask(name, kind)
        if answer.status is Status.FAILED:
            raise _NoAnswer(f"no answer about {name}")
        return answer
