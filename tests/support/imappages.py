"""The pages about IMAP that are drawn from the engine's tables."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

from pillarbox.serve.imap import quirks as serve_quirks
from pillarbox.wire.imap import capability, quirks
from pillarbox.wire.imap.state import TABLE, Gate, State
from support.tree import ROOT

ROWS = ROOT / "tests" / "transcripts" / "imap-rows"
QUIRKS = ROOT / "tests" / "transcripts" / "imap-quirks"
CLIENTS = "docs/imap-clients.md"
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
planned is neither announced nor understood yet. Each row has a dialogue of its name in
`tests/transcripts/imap-rows`: what it is for, what UIDs and expunges do to it, what is refused; the
dialogues that the RFCs print are played too (`tests/transcripts/rfc-examples.txt`).

## Masks

All but IMAP4rev1 can be hidden: from everybody or at one door (`imap.mask`), from a program by the
name it gives with ID (`imap.mask_clients`), from an account (`pillarbox account set ADDRESS
--imap-mask "UIDONLY QRESYNC"`). UIDONLY is hidden from programs known to show no mail with it.

"""
_CLIENTS_HEAD = """\
# IMAP: what clients are known to trip over

Drawn by `scripts/imap_pages.py --write` from `pillarbox.wire.imap.quirks`,
`pillarbox.serve.imap.quirks` and the dialogues in `tests/transcripts/imap-quirks`.

What is understood although it is wrong, and spelt as clients want it:
"""
_CLIENTS_HIDDEN = """\
What is hidden from programs that break on it, by the name they give with ID:
"""
_CLIENTS_KEPT = """\
What other servers got wrong for a client, played here:
"""
_TEXTS = """\
## Built without the whole text

THREAD=REFS (a draft that was given up), UIDBATCHES, UIDONLY, INPROGRESS, LIST-METADATA, JMAPACCESS
and URL-PARTIAL were built from abstracts, grammar and what other programs say and expect, not held
to the whole text of their documents. OBJECTID+ follows draft -06 but for one rule of its §6.1:
messages with one EMAILID have flags of their own in each mailbox here. FILTER=SIEVE follows
draft -00, which says two things of a changed message that is kept (§4.1, §4.6): here it is filed
anew and the old one marked; and two of a fileinto the mailbox where it lies (§3.2, §4.2): here it
counts as a keep.
"""
FIELD = (
    "IMAP4rev1", "IMAP4rev2", "IDLE", "NAMESPACE", "ID", "CHILDREN", "MULTIAPPEND", "BINARY",
    "UNSELECT", "ACL", "RIGHTS=", "UIDPLUS", "URLAUTH", "CATENATE", "ESEARCH", "SASL-IR",
    "COMPRESS=DEFLATE", "WITHIN", "ENABLE", "SEARCHRES", "LANGUAGE", "I18NLEVEL=1", "SORT",
    "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "THREAD=REFS", "ANNOTATE", "LIST-EXTENDED",
    "CONVERT", "ESORT", "CONTEXT=SEARCH", "CONTEXT=SORT", "METADATA", "NOTIFY", "FILTERS",
    "URL-PARTIAL", "LIST-STATUS", "SORT=DISPLAY", "SPECIAL-USE", "CREATE-SPECIAL-USE",
    "SEARCH=FUZZY", "IMAPSIEVE=", "FILTER=SIEVE", "MOVE", "UTF8=ACCEPT", "CONDSTORE", "QRESYNC",
    "MULTISEARCH", "LITERAL+", "APPENDLIMIT", "UNAUTHENTICATE", "STATUS=SIZE", "LIST-MYRIGHTS",
    "OBJECTID", "OBJECTID+", "REPLACE", "SAVEDATE", "PREVIEW", "QUOTA", "QUOTA=RES-STORAGE",
    "QUOTASET", "PARTIAL", "INPROGRESS", "UIDONLY", "LIST-METADATA", "JMAPACCESS", "MESSAGELIMIT",
    "SAVELIMIT", "UIDBATCHES", "LOGIN-REFERRALS", "MAILBOX-REFERRALS",
)  # fmt: skip
"""What any of nine other servers has of IMAP: the rows that servers are compared by."""
PEERS = (
    ("Cyrus 3.13", 58), ("Dovecot 2.4", 51), ("Stalwart 0.16", 42), ("mox 0.0.17", 37),
    ("James 3.9", 32), ("WildDuck 1.50", 17), ("Maddy 0.9", 14), ("pymap", 11), ("GreenMail", 8),
)  # fmt: skip
"""How many of them, read from their sources."""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def dialogue_of(name: str) -> Path:
    """The dialogue that shows a capability at work."""
    return ROWS / f"{name.lower()}.txt"


def clients() -> str:
    """What is done for clients, and on whose word."""
    tolerated = [[one.name, one.client, one.seen, one.source] for one in quirks.TABLE]
    hidden = [
        [mask.name.pattern, " ".join(sorted(mask.hides)), mask.why, mask.source]
        for mask in serve_quirks.TABLE
    ]
    kept = []
    for path in sorted(QUIRKS.glob("*.txt")):
        lines = path.read_text("utf-8").splitlines()
        said = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
        kept.append([path.stem, " ".join(said[:-1]), said[-1]])
    return "\n".join(
        (
            _CLIENTS_HEAD,
            _table(["in the parser", "client", "seen", "where"], tolerated),
            _CLIENTS_HIDDEN,
            _table(["name has", "hidden", "why", "where"], hidden),
            _CLIENTS_KEPT,
            _table(["dialogue", "what", "where"], kept),
        )
    )


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
    table = "## The table\n\n" + _table(head, rows)
    return "\n".join(
        (_CAPABILITIES_HEAD.rstrip("\n") + "\n", _announced(), _count(), _TEXTS, table)
    )


def _announced() -> str:
    """What CAPABILITY says, by the same function that answers it."""
    facts = capability.Facts(
        mechanisms=("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"),
        append_limit=52_428_800,
        conditions=frozenset({"compress", "filter"}),
    )
    clear = replace(facts, starttls=True, login=False, mechanisms=())
    lines = ["## What is announced", ""]
    for when, state, what in (
        ("Before the login, without TLS", State.NOT_AUTHENTICATED, clear),
        ("Before the login, with TLS", State.NOT_AUTHENTICATED, facts),
        ("After the login", State.AUTHENTICATED, facts),
    ):
        said = " ".join(("* CAPABILITY", *capability.names(state, what)))
        lines += [
            f"{when}:",
            "",
            "```",
            *textwrap.wrap(said, 96, break_on_hyphens=False),
            "```",
            "",
        ]
    more = (
        "MESSAGELIMIT, SAVELIMIT, JMAPACCESS and LITERAL- appear where the configuration says so."
    )
    return "\n".join([*lines, more, ""])


def _count() -> str:
    """How many rows of the field there are, and how many others have."""
    there = {row.name for row in capability.TABLE if row.done}
    missing = [name for name in FIELD if name not in there]
    counts = [("**Pillarbox**", len(FIELD) - len(missing)), *PEERS]
    rows = [[name, str(number)] for name, number in counts]
    return (
        f"## Beside others\n\nOf {len(FIELD)} rows, which are all that any of nine servers has:\n\n"
        + _table(["server", "rows"], rows)
        + f"\nMissing here: {', '.join(missing)}.\n"
    )
