"""Hooks at delivery, in front of the scripts: what the operator's rules say of an account's copy.

They decide in the words that scripts have, so that filing, refusing and remembering are done the
same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pillarbox.delivery.sieve.chain import Verdict
from pillarbox.delivery.sieve.hands import Hands
from pillarbox.delivery.sieve.making import Case, Making
from pillarbox.delivery.sieve.plan import Plan, Scripted
from pillarbox.hooks.crew import Answer, Crew
from pillarbox.hooks.letter import Message
from pillarbox.hooks.values import Deliver
from pillarbox.message import header
from pillarbox.model.address import parse_address
from pillarbox.model.mailbox import JUNK_USE, Mailbox
from pillarbox.model.story import Event, Noted
from pillarbox.model.transaction import Envelope, Local
from pillarbox.model.verdict import Action
from pillarbox.sieve.actions import Keep, Reject
from pillarbox.store.api import Mailboxes, NewMessage


@dataclass(frozen=True, slots=True)
class Hooked:
    """Implements ``Scripted``: hooks first, then ``scripts``."""

    crew: Crew
    scripts: Scripted
    hands: Hands
    store: Mailboxes

    async def plan(
        self, envelope: Envelope, n: int, route: Local, message: NewMessage, inbox: Mailbox | None
    ) -> Plan | None:
        """See ``Scripted``."""
        if not self.crew.wants(Deliver):
            return await self.scripts.plan(envelope, n, route, message, inbox)
        owner = parse_address(route.address)
        if owner is None:
            return await self.scripts.plan(envelope, n, route, message, inbox)
        octets = bytes(message.content.view())
        answer = await self.crew.ask(_value(envelope, n, route, octets))
        if not answer.said:
            return await self.scripts.plan(envelope, n, route, message, inbox)
        decision, verdict = answer.decision, envelope.verdict
        verdict = replace(verdict, tags=(*verdict.tags, *decision.tags))
        if decision.action is Action.JUNK and verdict.action is Action.ACCEPT:
            verdict = replace(verdict, action=Action.JUNK, reason=decision.reason)
            boxes = await self.store.mailboxes(route.account)
            inbox = next((one for one in boxes if one.special_use == JUNK_USE), inbox)
        envelope = replace(envelope, verdict=verdict)
        plan = None
        if decision.action is not Action.REFUSE:
            plan = await self.scripts.plan(envelope, n, route, message, inbox)
        if plan is None:
            case = Case(envelope, n, route, message, inbox, owner)
            action = (
                Reject(decision.reason, early=True) if decision.action is Action.REFUSE else Keep()
            )
            made = Making(self.hands, case, header.top(octets), Verdict([action]))
            plan = await made.run()
            plan.by = "a hook"
        plan.notes[:0] = _notes(answer, route.address)
        return plan


def _value(envelope: Envelope, n: int, route: Local, octets: bytes) -> Deliver:
    return Deliver(
        envelope.role.value,
        envelope.peer,
        str(envelope.sender.address or ""),
        str(envelope.recipients[n].address),
        route.address,
        route.detail,
        Message(octets),
        envelope.verdict,
        envelope.id,
    )


def _notes(answer: Answer, account: str) -> list[Event]:
    """For the story."""
    found: list[Event] = []
    for one in answer.said:
        words = f"the hook {one.hook} failed: {one.fault}"
        if one.decision is not None and not one.fault:
            tags = f", tagged {' '.join(one.decision.tags)}" if one.decision.tags else ""
            reason = f": {one.decision.reason}" if one.decision.reason else ""
            words = f"the hook {one.hook} says {one.decision.action.value}{tags}{reason}"
        found.append(Noted("hook", words, account))
    return found
