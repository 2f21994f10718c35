"""All filters asked at once about one message, and one verdict made of what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pillarbox.base.log import Logger
from pillarbox.filters.opinion import Filter, Opinion, Question, Trouble
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope
from pillarbox.model.verdict import Action, Finding, Verdict
from pillarbox.net.faults import NetFault

log = Logger("filters")

_ORDER = list(Action)
NOT_NOW = Reply(451, "4.7.1", "A filter is not there; try again later")


class OnFault(Enum):
    """What becomes of mail that a filter could not look at."""

    OPEN = "open"
    """It is taken."""
    CLOSED = "closed"
    """Its sender is asked to try again."""


@dataclass(frozen=True, slots=True)
class Link:
    """A filter, the seconds it has for a message, and what happens when it fails."""

    filter: Filter
    seconds: float = 30.0
    on_fault: OnFault = OnFault.OPEN


@dataclass(frozen=True, slots=True)
class Screened:
    """``fields``: header lines for the front of the message."""

    verdict: Verdict
    fields: bytes = b""


class Chain:
    """One for a house."""

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = links

    def __bool__(self) -> bool:
        return bool(self._links)

    async def screen(self, envelope: Envelope, content: memoryview, verdict: Verdict) -> Screened:
        """The verdict with what the filters say. Never raises."""
        question = Question(envelope, content)
        opinions = await asyncio.gather(*(self._ask(link, question) for link in self._links))
        for one in opinions:
            verdict = _harsher(verdict, one)
        return Screened(verdict, b"".join(one.fields for one in opinions))

    async def _ask(self, link: Link, question: Question) -> Opinion:
        name = link.filter.name
        try:
            async with asyncio.timeout(link.seconds):
                return await link.filter.ask(question)
        except TimeoutError:
            error = "no answer in time"
        except (Trouble, NetFault, OSError) as raised:
            error = str(raised) or type(raised).__name__
        except Exception as raised:
            log.error("filter.bug", exc=raised, filter=name)
            error = "a bug"
        log.warning("filter.failed", filter=name, id=question.envelope.id, error=error)
        finding = Finding(name, "temperror", error)
        if link.on_fault is OnFault.OPEN:
            return Opinion(finding=finding)
        return Opinion(Action.DEFER, f"the filter for {name} is not there", finding, NOT_NOW)


def _harsher(verdict: Verdict, opinion: Opinion) -> Verdict:
    """A filter can add to what speaks against a message, never take away."""
    if opinion.finding is not None:
        verdict = replace(verdict, findings=(*verdict.findings, opinion.finding))
    if _ORDER.index(opinion.action) <= _ORDER.index(verdict.action):
        return verdict
    return replace(verdict, action=opinion.action, reason=opinion.reason, reply=opinion.reply)
