"""Actions in words, a line each, for people who try a script out."""

from __future__ import annotations

from pillarbox.sieve.actions import (
    Action,
    Discard,
    FileInto,
    Keep,
    Notify,
    Outcome,
    Redirect,
    Reject,
    Remember,
    Vacation,
)


def shown(outcome: Outcome) -> list[str]:
    """What a run decided, the error first if there was one."""
    lines = []
    if outcome.error:
        where = f"line {outcome.where.line}: " if outcome.where else ""
        lines.append(f"error: {where}{outcome.error}")
    lines += [_line(action) for action in outcome.actions]
    return lines + [f"note: {text}" for text in outcome.warnings]


def _line(action: Action) -> str:
    match action:
        case Keep():
            implicit = " (implicit)" if action.implicit else ""
            return f"keep{implicit}{_extras(action)}"
        case FileInto():
            return f"fileinto {_quoted(action.mailbox)}{_place(action)}{_extras(action)}"
        case Redirect():
            asked = [
                f" {name} {value}"
                for name, value in (
                    ("notify", action.notify),
                    ("ret", action.ret),
                    ("by", action.by),
                )
                if value
            ]
            return f"redirect {_quoted(action.address)}{''.join(asked)}{_extras(action)}"
        case Discard():
            return "discard"
        case Reject():
            return f"{'ereject' if action.early else 'reject'} {_quoted(action.reason)}"
        case Vacation():
            subject = f" subject {_quoted(action.subject)}" if action.subject else ""
            copy = f" copy to {_quoted(action.fcc.mailbox)}" if action.fcc else ""
            return (
                f"vacation {_quoted(action.reason)}{subject} once in {action.seconds} seconds{copy}"
            )
        case Notify():
            return f"notify {_quoted(action.method)} {_quoted(action.message)}"
        case Remember():
            return f"remember {_quoted(action.id)} for {action.seconds} seconds"


def _extras(action: Keep | FileInto | Redirect) -> str:
    flags = getattr(action, "flags", None)
    out = f" flags {' '.join(flags)}" if flags else ""
    if action.message is not None:
        out += f" changed ({len(action.message)} octets)"
    return out


def _place(action: FileInto) -> str:
    out = " create" if action.create else ""
    out += f" special-use {action.special_use}" if action.special_use else ""
    return out + (f" mailboxid {action.mailbox_id}" if action.mailbox_id else "")


def _quoted(text: str) -> str:
    short = text if len(text) <= 200 else text[:200] + "…"
    return '"' + "".join([c if c.isprintable() else repr(c)[1:-1] for c in short]) + '"'
