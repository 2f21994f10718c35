"""Running a program over a message: the whole of what other rooms call.

script = compile_script(source)
match run(script, data, context):
    case Outcome(actions=actions): …
    case Asks(questions=questions): …   # answer them, and run again
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from pillarbox.message.octets import Readable
from pillarbox.message.part import Scan
from pillarbox.model.mailbox import canonical_name
from pillarbox.sieve.actions import Action, FileInto, Keep, Notify, Outcome, Redirect
from pillarbox.sieve.ask import NO_ANSWERS, Answers, Asks, Unanswered
from pillarbox.sieve.check import check
from pillarbox.sieve.context import Context
from pillarbox.sieve.extensions.table import ALWAYS, CAN_ENABLE, DELIVERY_ONLY
from pillarbox.sieve.limits import DEFAULT, Limits
from pillarbox.sieve.mail import Mail
from pillarbox.sieve.problem import Failed, Place
from pillarbox.sieve.state import Frame, Return, State, Stop
from pillarbox.sieve.words import Program


@dataclass(frozen=True, slots=True)
class Script:
    """A script that may run; ``hash`` is of its octets. ``offered``: what it, and what it
    includes, may require; None for everything."""

    program: Program
    hash: bytes
    offered: frozenset[str] | None = None


def compile_script(
    source: bytes, limits: Limits = DEFAULT, offered: frozenset[str] | None = None
) -> Script:
    """Check a script. Raises ``Invalid`` with all that is wrong with it.

    ``offered``: the capabilities that may be required, all of them unless said.
    """
    return Script(check(source, limits, offered), hashlib.sha256(source).digest(), offered)


def run(
    script: Script,
    data: Readable,
    context: Context,
    *,
    scanned: Scan | None = None,
    answers: Answers = NO_ANSWERS,
    limits: Limits = DEFAULT,
) -> Outcome | Asks:
    """What the script decides about the message ``data``. Never raises for what a script does.

    ``scanned``: the scan of ``data``, if there is one. A run with the same arguments has the same
    result, but that ``:regex`` may run out of its time.
    """
    mail = Mail(data, scanned)
    frame = Frame(has=script.program.requires)

    def read(source: bytes) -> Program:
        return compile_script(source, limits, script.offered).program

    may = CAN_ENABLE if script.offered is None else CAN_ENABLE & (ALWAYS | script.offered)
    state = State(context, mail, limits, answers, frame, read, may)
    try:
        if context.envelope is None:
            _only_events(script.program)
        state.block(script.program.nodes)
    except (Stop, Return):
        pass
    except Unanswered as open_:
        if len(answers) >= limits.questions:
            return _failed(state, "the script asks for too much")
        regex = state.regex_spent / limits.regex_total if limits.regex_total else 0.0
        return Asks(open_.questions, state.steps + int(regex * limits.steps))
    except Failed as failed:
        return _failed(state, failed.text, failed.place)
    return _finished(state)


def _only_events(program: Program) -> None:
    """RFC 6785 §3.11: what is for new mail only is an error at an IMAP event."""
    for name in sorted(program.requires & DELIVERY_ONLY):
        raise Failed(f'"{name}" is for the delivery of new mail only')


def _failed(state: State, text: str, place: Place | None = None) -> Outcome:
    """RFC 5228 §2.10.6: an implicit keep; nothing else was done yet, so nothing else is."""
    keep = Keep(flags=state.context.flags or None, implicit=True)
    return Outcome((keep,), text, place, state.steps, warnings=tuple(state.warnings))


def _finished(state: State) -> Outcome:
    actions = _once_each(state.actions, state.context.home)
    if state.keeping and not any(isinstance(one, Keep) for one in actions):
        # RFC 5293 §7: the implicit keep is after all changes.
        actions.append(Keep(state.flags, state.message(), implicit=True))
    return Outcome(
        tuple(actions),
        steps=state.steps,
        changed=state.message(),
        warnings=tuple(state.warnings),
    )


def _once_each(actions: list[Action], home: str) -> list[Action]:
    """RFC 5228 §2.10.3: one copy a mailbox and address; of flags the last list wins (RFC 5232
    §3)."""
    found: dict[object, Action] = {}
    for number, action in enumerate(actions):
        key = _key(action, number, home)
        before = found.get(key)
        if isinstance(before, (Keep, FileInto)) and isinstance(action, (Keep, FileInto)):
            found[key] = replace(before, flags=action.flags)
        else:
            found.setdefault(key, action)
    return list(found.values())


def _key(action: Action, number: int, home: str) -> object:
    match action:
        case Keep():
            return ("mailbox", home)
        case FileInto(mailbox=name, special_use="", mailbox_id=""):
            return ("mailbox", canonical_name(name))
        case FileInto():
            return ("mailbox", action.mailbox, action.special_use.lower(), action.mailbox_id)
        case Redirect(address=address):
            local, at, domain = address.rpartition("@")
            return ("redirect", local + at + domain.lower())
        case Notify(method=method, message=text):
            return ("notify", method, text)
        case _:
            return number
