"""The two questions a receiver asks: may this host say this HELO, may it use this MAIL FROM."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

from pillarbox.base.clock import Clock
from pillarbox.dns.answers import Resolver
from pillarbox.model.address import Address, normal_domain
from pillarbox.policy.spf import names
from pillarbox.policy.spf.evaluate import Evaluation, Limits, Outcome, Question
from pillarbox.policy.spf.result import Identity, SpfResult, Verdict

T = TypeVar("T")
LIMITS = Limits()


async def check(
    ip: str,
    helo: str,
    sender: Address | None,
    resolver: Resolver,
    clock: Clock,
    *,
    receiver: str = "unknown",
    limits: Limits = LIMITS,
) -> SpfResult:
    """The MAIL FROM identity (RFC 7208 §2.4); ``sender`` is None for the null reverse-path.

    ``ip`` is the client's address, ``helo`` what it said, ``receiver`` this host's name, which
    the domain may want in its explanation. Never raises.
    """
    if sender is None:
        sender = Address("postmaster", helo)
    asked = _Asked(ip, helo, sender, Identity.MAIL_FROM)
    return await asked.answer(resolver, clock, receiver, limits)


async def check_helo(
    ip: str,
    helo: str,
    resolver: Resolver,
    clock: Clock,
    *,
    receiver: str = "unknown",
    limits: Limits = LIMITS,
) -> SpfResult:
    """The HELO identity (RFC 7208 §2.3); none where ``helo`` is not a domain name."""
    asked = _Asked(ip, helo, Address("postmaster", helo), Identity.HELO)
    return await asked.answer(resolver, clock, receiver, limits)


class _Asked:
    """One identity of one client."""

    def __init__(self, ip: str, helo: str, sender: Address, identity: Identity) -> None:
        self.ip = ip
        self.helo = _name(helo)
        self.local = _encodable(sender.local) or "postmaster"  # RFC 7208 §4.3
        self.domain = _name(sender.domain)
        self.identity = identity

    async def answer(
        self, resolver: Resolver, clock: Clock, receiver: str, limits: Limits
    ) -> SpfResult:
        client = names.client(self.ip)
        if client is None:
            return self._result(Outcome(Verdict.NONE, problem="the client has no IP address"))
        question = Question(client, self.local, self.domain, self.helo, receiver)
        evaluation = Evaluation(question, resolver, clock, limits)
        end = clock.monotonic() + limits.seconds
        late = Outcome(Verdict.TEMPERROR, problem="no answer in time")  # RFC 7208 §4.6.4
        outcome = await _until(end, clock, evaluation.verdict(), late)
        explanation = ""
        if outcome.explanation is not None and outcome.verdict is Verdict.FAIL:
            explanation = await _until(end, clock, evaluation.explanation(outcome), "")
        return self._result(outcome, explanation, evaluation.lookups)

    def _result(self, outcome: Outcome, explanation: str = "", lookups: int = 0) -> SpfResult:
        return SpfResult(
            outcome.verdict,
            self.identity,
            self.ip,
            self.domain,
            str(Address(self.local, self.domain)),
            self.helo,
            outcome.mechanism,
            outcome.problem,
            explanation,
            lookups,
        )


def _encodable(text: str) -> str:
    """Octets that were no UTF-8 become U+FFFD: no name has them, and URL escaping needs text."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _name(domain: str) -> str:
    """A-labels (RFC 8616 §4), otherwise as the client wrote it, without the final dot."""
    domain = _encodable(domain)
    return (domain if domain.isascii() else normal_domain(domain)).removesuffix(".")


async def _until(end: float, clock: Clock, work: Coroutine[Any, Any, T], late: T) -> T:
    """What ``work`` says, ``late`` when it has said nothing by ``end`` (monotonic seconds)."""
    if math.isinf(end):  # whoever asks has a deadline of his own
        return await work
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(clock.sleep(end - clock.monotonic()))
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else late
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
