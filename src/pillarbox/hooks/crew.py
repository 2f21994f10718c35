"""Asks hooks: one after the other, each within its budget, none able to hurt more than itself.

A hook that raises, overruns its budget, or wants what its event does not allow has failed: it said
nothing, or, where it is to fail closed, not now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.hooks.decision import NOTHING, Decision, harsher
from pillarbox.hooks.load import Hook
from pillarbox.hooks.values import ALLOWED, Data, Deliver, QueueResult, Rcpt, Value
from pillarbox.hooks.watch import Steps, Watch
from pillarbox.model.reply import Reply
from pillarbox.model.verdict import Action, Finding

log = Logger("hooks")

METHOD = "hook"
"""Of findings that hooks make."""
NOT_NOW = Decision(
    Action.DEFER,
    "a check of this server failed",
    Reply(451, "4.7.1", "A check of this server failed; try again later"),
)
PENDING = 1000
"""Results of the queue that hooks have not heard yet; more are not told."""


@dataclass(frozen=True, slots=True)
class Said:
    """By one hook: ``fault`` says in words how it failed, '' if it did not."""

    hook: str
    decision: Decision | None = None
    fault: str = ""

    @property
    def finding(self) -> Finding:
        """For the verdict of the message, and so for its story."""
        by = (("policy.hook", self.hook),)
        if self.fault:
            return Finding(METHOD, "temperror", self.fault, by)
        decision = self.decision or NOTHING
        words = {Action.ACCEPT: "pass", Action.REFUSE: "fail"}
        result = words.get(decision.action, decision.action.value)
        return Finding(METHOD, result, decision.reason, by)


@dataclass(frozen=True, slots=True)
class Answer:
    """Of all hooks of an event. ``said``: by those that said something or failed."""

    decision: Decision = NOTHING
    said: Sequence[Said] = ()


SILENCE = Answer()


class Crew:
    """One for a house. ``adopt`` takes other hooks; what is under way ends with the old ones."""

    def __init__(
        self, clock: Clock, hooks: Sequence[Hook] = (), watch: Watch | None = None
    ) -> None:
        self._watch = watch or Watch(clock)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._telling: set[asyncio.Task[Any]] = set()
        self._lost = 0
        self._hooks: dict[type[Value], list[Hook]] = {}
        self.adopt(hooks)

    def adopt(self, hooks: Sequence[Hook]) -> None:
        """From now on these."""
        self._hooks = {kind: [one for one in hooks if one.event is kind] for kind in ALLOWED}

    def wants(self, kind: type[Value], door: str = "mx") -> bool:
        """Whether some hook is to be asked: a value costs something to make."""
        hooks = self._hooks[kind]
        if not hooks:
            return False
        return any(door in one.doors or kind not in {Rcpt, Data} for one in hooks)

    async def ask(self, value: Value) -> Answer:
        """What all hooks for it say; the first that refuses or defers ends it. Never raises but
        for being cancelled."""
        decision, said = NOTHING, []
        for hook in self._hooks[type(value)]:
            if isinstance(value, Rcpt | Data) and value.door not in hook.doors:
                continue
            one = await self._one(hook, value)
            if one.fault:
                log.error("hook.failed", hook=hook.name, error=one.fault, id=_id(value) or None)
            if one.decision is not None or one.fault:
                said.append(one)
            if one.decision is not None:
                decision = harsher(decision, one.decision)
            if not decision.action.taken:
                break
        return Answer(decision, said)

    def tell(self, value: QueueResult) -> None:
        """What nobody waits for. At most ``PENDING`` at a time."""
        if not self._hooks[QueueResult]:
            return
        if len(self._telling) >= PENDING:
            self._lost += 1
            if self._lost & (self._lost - 1) == 0:  # 1, 2, 4, 8 …: a flood is not logged whole
                log.warning("hook.results-not-told", count=self._lost)
            return
        task = asyncio.ensure_future(self.ask(value))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """End what is under way, and the watch."""
        tasks = {*self._tasks, *self._telling}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        self._watch.close()

    async def _one(self, hook: Hook, value: Value) -> Said:
        # A task of its own: a hook that does not let itself be cancelled keeps nobody waiting.
        task = asyncio.ensure_future(self._run(hook, value))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            done, _ = await asyncio.wait({task}, timeout=hook.seconds)
        finally:
            task.cancel()
        if not done:
            return _failed(hook, f"no answer within {hook.seconds:g} seconds")
        if task.cancelled():
            return _failed(hook, "it cancelled itself")
        decision, fault = task.result()
        return _failed(hook, fault) if fault else Said(hook.name, decision)

    async def _run(self, hook: Hook, value: Value) -> tuple[Decision | None, str]:
        """The decision, and how it failed."""
        try:
            work = cast("Coroutine[Any, Any, Any]", hook.run(value))
            decision = await Steps(work, self._watch, hook.name)
        except (Exception, SystemExit) as error:
            log.error("hook.raised", exc=error, hook=hook.name)
            return None, f"{type(error).__name__}: {error}"[:300]
        return (decision, "") if decision is None else _fit(hook, decision)


def _fit(hook: Hook, decision: object) -> tuple[Decision | None, str]:
    """What an event does not allow is a fault."""
    allowed = ALLOWED[hook.event]
    what = hook.event.__name__
    if not isinstance(decision, Decision):
        return None, f"it returned {type(decision).__name__}, not a decision"
    if decision.action not in allowed.actions:
        return None, f"{decision.action.value} is no answer to {what}"
    if decision.fields and not allowed.fields:
        return None, f"{what} takes no header fields"
    if decision.tags and not allowed.tags:
        return None, f"{what} takes no tags"
    return decision, ""


def _failed(hook: Hook, fault: str) -> Said:
    return Said(hook.name, NOT_NOW if hook.closed else None, fault)


def _id(value: Value) -> str:
    return value.id if isinstance(value, Data | Deliver | QueueResult) else ""
