"""Hooks tried over messages that are here already: what would have been decided otherwise?

They run in the process of whoever asks, never in the server, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pillarbox.app.channel import Caller
from pillarbox.app.hooking import defaults
from pillarbox.app.reading import Messages
from pillarbox.base.clock import SystemClock
from pillarbox.base.errors import Misuse
from pillarbox.config.schema import Config
from pillarbox.hooks.crew import METHOD, Crew
from pillarbox.hooks.letter import Message
from pillarbox.hooks.load import load
from pillarbox.hooks.values import Data
from pillarbox.message import header
from pillarbox.model.transaction import Peer
from pillarbox.model.verdict import Action, Finding, Verdict
from pillarbox.policy.inbound.words import DECIDED

_ORDER = list(Action)
_ACTIONS = {words: action for action, words in DECIDED.items()}


@dataclass(slots=True)
class Replayed:
    """What came of it. ``changes``: one a message whose verdict would be another; ``said``: how
    often each hook said something; ``faults``: of hooks that failed, each with a message's id."""

    messages: int = 0
    gone: int = 0
    tagged: int = 0
    changes: list[dict[str, str]] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)
    faults: list[dict[str, str]] = field(default_factory=list)


async def replay(caller: Caller, config: Config, file: Path, last: int) -> Replayed:
    """Run the ``data`` hooks of ``file`` over the last messages. Raises Misuse."""
    hooks = [one for one in load([file], [], defaults(config)) if one.event is Data]
    if not hooks:
        raise Misuse(f"{file}: no hook there is for data", hint="others have nothing to replay")
    crew = Crew(SystemClock(), hooks)
    names = [one.name for one in hooks]
    taker = _Taker()
    messages = Messages(taker)
    done = Replayed()

    async def sink(data: bytes) -> None:
        await messages.feed(data)
        while taker.complete:
            note, octets = taker.complete.pop(0)
            await _one(crew, done, note, octets, names)

    doors = sorted({door for one in hooks for door in one.doors})
    try:
        value = await caller.call("replay.read", {"last": last, "doors": doors}, sink=sink)
    finally:
        await crew.close()
    done.gone = value["gone"]
    return done


async def _one(
    crew: Crew, done: Replayed, note: dict[str, Any], octets: bytes, names: Collection[str]
) -> None:
    before, without = _decided(note, names)
    message = Message(_as_it_came(octets))
    peer = Peer(note["ip"], 0, note["helo"], note["tls"], note["user"], note["protocol"])
    recipients = tuple(note["recipients"])
    data = Data(note["door"], peer, note["sender"], recipients, message, without, note["trace"])
    answer = await crew.ask(data)
    done.messages += 1
    done.tagged += bool(answer.decision.tags or answer.decision.fields)
    for one in answer.said:
        if one.fault:
            done.faults.append({"id": data.id, "hook": one.hook, "fault": one.fault})
        else:
            done.said[one.hook] = done.said.get(one.hook, 0) + 1
    after = max(without.action, answer.decision.action, key=_ORDER.index)
    if after is not before:
        who = [one for one in answer.said if one.decision and one.decision.action is after]
        done.changes.append(
            {
                "id": data.id,
                "message_id": note["message_id"],
                "from": message.author or data.sender,
                "subject": message.subject,
                "before": DECIDED[before],
                "after": DECIDED[after],
                "hook": who[0].hook if who else "",
                "reason": answer.decision.reason if who else "",
            }
        )


def _decided(note: dict[str, Any], names: Collection[str]) -> tuple[Action, Verdict]:
    """What was decided, and the verdict as it was before these hooks were asked, if they were in
    force then already."""
    before, own = Action.ACCEPT, False
    findings = []
    for what, result, detail in note["found"]:
        if what == "all":
            before = _ACTIONS.get(result, Action.ACCEPT)
            own = any(detail.endswith(f"(the hook {name})") for name in names)
        elif what != METHOD or not any(f"the hook {name} " in detail for name in names):
            findings.append(Finding(what, result, detail))
    return before, Verdict(Action.ACCEPT if own else before, findings=tuple(findings))


def _as_it_came(octets: bytes) -> bytes:
    """Without the results and fields that went in front of our own trace fields afterwards."""
    for one in header.fields(header.top(octets)):
        if one.name == b"return-path":
            return octets[one.start :]
    return octets


class _Taker:
    """Implements ``reading.Taker``."""

    def __init__(self) -> None:
        self.complete: list[tuple[dict[str, Any], bytes]] = []
        self._note: dict[str, Any] = {}
        self._octets = bytearray()

    def begin(self, note: dict[str, Any]) -> None:
        self._note, self._octets = note, bytearray()

    def write(self, data: bytes) -> None:
        self._octets += data

    def end(self) -> None:
        self.complete.append((self._note, bytes(self._octets)))
