"""Between the door and hooks: what they are asked about a message, and what follows. Pure."""

from __future__ import annotations

from dataclasses import replace

from pillarbox.hooks.crew import Answer
from pillarbox.hooks.letter import Message
from pillarbox.hooks.values import Data
from pillarbox.message import compose
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope
from pillarbox.model.verdict import Action, Verdict

_ORDER = list(Action)


def value(envelope: Envelope, content: memoryview, verdict: Verdict) -> Data:
    """The message for hooks. Copied: a hook that overruns may hold it longer than we do."""
    return Data(
        envelope.role.value,
        envelope.peer,
        str(envelope.sender.address or ""),
        tuple(str(one.address) for one in envelope.recipients),
        Message(bytes(content)),
        verdict,
        envelope.id,
    )


def weighed(verdict: Verdict, answer: Answer) -> Verdict:
    """The verdict with what hooks say, which can add to what speaks against a message only."""
    decision = answer.decision
    findings = (*verdict.findings, *(one.finding for one in answer.said))
    verdict = replace(verdict, findings=findings, tags=(*verdict.tags, *decision.tags))
    if _ORDER.index(decision.action) <= _ORDER.index(verdict.action):
        return verdict
    by = next(
        one.hook for one in answer.said if one.decision and one.decision.action is decision.action
    )
    reason = f"{decision.reason or 'no reason given'} (the hook {by})"
    return replace(verdict, action=decision.action, reason=reason, reply=decision.reply)


def fields(answer: Answer) -> bytes:
    """Header lines for the front of the message."""
    return b"".join(compose.field(name, text) for name, text in answer.decision.fields)


def no(answer: Answer) -> Reply | None:
    """The reply to whom hooks do not want; None where they do."""
    return answer.decision.reply if not answer.decision.action.taken else None
