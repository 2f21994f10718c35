"""The pages about IMAP that are drawn from the engine's tables."""

from __future__ import annotations

from pathlib import Path

from pillarbox.wire.imap import capability
from pillarbox.wire.imap.state import TABLE, Gate, State
from support.tree import ROOT

ROWS = ROOT / "tests" / "transcripts" / "imap-rows"
STATES = "docs/imap-states.md"
CAPABILITIES = "docs/imap-capabilities.md"

_SHOWN = (State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED, State.LOGOUT)
_STATES_HEAD = """\
# IMAP: which command in which state

Drawn from `pillarbox.wire.imap.state.TABLE` by `scripts/imap_pages.py --write`; the tests hold the
two to each other. A command where there is no mark is answered BAD by the engine and never reaches
a handler. A gate makes the engine stand still until it is told the outcome. The last column names
the extension that brings a command; without it the command is unknown.

"""
_CAPABILITIES_HEAD = """\
# IMAP: capabilities

Drawn from `pillarbox.wire.imap.capability.TABLE` by `scripts/imap_pages.py --write`. What is
planned is neither announced nor understood yet. All but IMAP4rev1 can be masked for an account.

"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def dialogue_of(name: str) -> Path:
    """The dialogue that shows a capability at work."""
    return ROWS / f"{name.lower()}.txt"


def states() -> str:
    """Command by state."""
    rows = []
    for name, rule in TABLE.items():
        marks = ["yes" if state in rule.states else "" for state in _SHOWN]
        gate = "" if rule.gate is Gate.NONE else rule.gate.value
        rows.append([name, *marks, gate, rule.needs])
    head = ["command", *(state.value for state in _SHOWN), "gate", "extension"]
    return _STATES_HEAD + _table(head, rows)


def capabilities() -> str:
    """Every capability with its RFC and whether it is there."""
    rows = []
    for row in capability.TABLE:
        where = {
            capability.ALWAYS: "always",
            capability.BEFORE: "before log-in",
            capability.AFTER: "after log-in",
        }.get(row.states, "")
        state = "yes" if row.done else "planned"
        enable = "ENABLE" if row.enable else ""
        rows.append([row.name, row.rfc, where, enable, row.condition, state])
    head = ["capability", "RFC", "announced", "enabled by", "if", "there"]
    return _CAPABILITIES_HEAD + _table(head, rows)
