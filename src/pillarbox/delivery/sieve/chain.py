"""Running an account's scripts over a message: the site's before, its own, the site's after.

The next script runs as long as the one before left the message a keep, and sees it as that one
changed it. What they decide adds up; the keep of the last one files the message.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pillarbox.base.clock import Clock
from pillarbox.base.lanes import Lane
from pillarbox.base.log import Logger
from pillarbox.delivery.sieve.answers import Known, answer
from pillarbox.delivery.sieve.site import Named, Site
from pillarbox.message.octets import Readable
from pillarbox.sieve.actions import Action, Keep, Outcome, Reject
from pillarbox.sieve.ask import Asks, Question
from pillarbox.sieve.context import Context
from pillarbox.sieve.problem import Invalid
from pillarbox.sieve.run import Script, compile_script, run

log = Logger("sieve")

Offered = frozenset[str] | None
"""Capabilities that scripts may require; None for all."""

_ON_LOOP = 256 * 1024
"""Octets of a message up to which a script runs on the loop."""
TOO_MUCH = "the script works too much between its questions"
_COMPILED = 2000
"""Scripts kept compiled."""
_COMPILED_OCTETS = 16 << 20
"""What they have in all: people can send ever new ones."""


@dataclass(slots=True)
class Verdict:
    """``actions``: all that was decided. ``told``: what to say of it in the message's story."""

    actions: list[Action] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What the scripts wanted and was passed over."""


class Chain:
    """Compiles scripts once and runs them. One for a house."""

    def __init__(self, store: Known, clock: Clock, lane: Lane | None = None) -> None:
        """``lane``: where scripts run over large messages; without one, on the loop."""
        self._store = store
        self._clock = clock
        self._lane = lane
        self._compiled: OrderedDict[tuple[bytes, Offered], Script | Invalid] = OrderedDict()
        self._octets = 0

    async def scripts(self, account: int, site: Site) -> Sequence[Named]:
        """What runs for an account's mail, none for most accounts."""
        if not site.enabled:
            return ()
        own = await self._store.active_script(account)
        if own is None:
            return (*site.before, *site.after)
        return (*site.before, Named(*own), *site.after)

    def problems(self, source: bytes, site: Site, offered: Offered) -> list[str]:
        """What is wrong with a script that may require what is ``offered``."""
        script = self._script(source, site, offered)
        return list(map(str, script.problems)) if isinstance(script, Invalid) else []

    async def run(
        self,
        scripts: Sequence[Named],
        data: Readable,
        context: Context,
        account: int,
        site: Site,
        *,
        offered: Offered = None,
        aside: bool = False,
    ) -> Verdict:
        """Run them all. ``offered``: what they may require. ``aside``: on the lane however small
        the message, since there are many."""
        verdict = Verdict()
        keep = Keep(implicit=True)
        for named in scripts:
            script = self._script(named.source, site, offered)
            outcome = await self._one(script, data, context, account, site, aside)
            verdict.warnings += outcome.warnings
            if outcome.error:
                where = f" (line {outcome.where.line})" if outcome.where else ""
                text = f'the script "{named.name}" failed{where}: {outcome.error}'
                verdict.told.append(text)
                log.warning("sieve.failed", account=account, script=named.name, error=text)
            verdict.actions += [one for one in outcome.actions if not isinstance(one, Keep)]
            keeps = [one for one in outcome.actions if isinstance(one, Keep)]
            if not keeps or any(isinstance(one, Reject) for one in outcome.actions):
                return verdict
            # A failed script changed nothing; what those before it changed stays.
            flags = keep.flags if keeps[0].flags is None else keeps[0].flags
            keep = replace(keeps[0], message=keeps[0].message or keep.message, flags=flags)
            data = keep.message if keep.message is not None else data
            context = replace(context, flags=keep.flags or ())
        verdict.actions.append(keep)
        return verdict

    async def _one(
        self,
        script: Script | Invalid,
        data: Readable,
        context: Context,
        account: int,
        site: Site,
        aside: bool,
    ) -> Outcome:
        if isinstance(script, Invalid):
            text = str(script.problems[0])
            return Outcome((Keep(context.flags or None, implicit=True),), text)
        answers: dict[Question, object] = {}
        cost = 0
        while True:
            ended = await self._run(script, data, context, answers, site, aside)
            if not isinstance(ended, Asks):
                return ended
            cost += ended.steps
            if cost > site.limits.again * site.limits.steps:
                return Outcome((Keep(context.flags or None, implicit=True),), TOO_MUCH, None, cost)
            for question in ended.questions:
                answers[question] = await answer(
                    *(question, account, self._store, site, self._clock)
                )

    async def _run(
        self,
        script: Script,
        data: Readable,
        context: Context,
        answers: dict[Question, object],
        site: Site,
        aside: bool,
    ) -> Outcome | Asks:
        def work() -> Outcome | Asks:
            return run(script, data, context, answers=answers, limits=site.limits)

        if self._lane is None or (len(data) <= _ON_LOOP and not aside):
            return work()
        return await self._lane.run(work)

    def _script(self, source: bytes, site: Site, offered: Offered) -> Script | Invalid:
        """A script by its octets, or what is wrong with it."""
        held = self._compiled.get((source, offered))
        if held is None:
            try:
                held = compile_script(source, site.limits, offered)
            except Invalid as invalid:
                held = invalid.with_traceback(None)
            self._compiled[source, offered] = held
            self._octets += len(source)
            while len(self._compiled) > _COMPILED or self._octets > _COMPILED_OCTETS:
                (oldest, _), _ = self._compiled.popitem(last=False)
                self._octets -= len(oldest)
        else:
            self._compiled.move_to_end((source, offered))
        return held
