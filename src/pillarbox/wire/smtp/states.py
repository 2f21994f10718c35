"""Which command is legal when, as one table; the engine, the tests and the README read it.

A cell of ``TABLE`` is either the state that a positive answer leads to, or the refusal that the
command earns without anybody being asked. ``ENDS`` says where the states that do not read commands
lead. What depends on more than state and verb (too many recipients, binary content by DATA, a
second AUTH) is in ``commands``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from pillarbox.model.reply import Reply


class State(Enum):
    """Where a session stands."""

    __hash__ = object.__hash__  # identity, as equality is; Enum's own hashes the name each time

    SILENT = "silent"
    """Connected, greeting not sent: whoever talks now talks early."""
    GREETED = "greeted"
    READY = "ready"
    """After a hello, no transaction."""
    MAIL = "mail"
    """A sender, no recipient."""
    RCPT = "rcpt"
    """A sender and at least one recipient."""
    CHUNKS = "chunks"
    """Between two BDAT of one message."""
    SPOILT = "spoilt"
    """A BDAT failed; RFC 3030 §2 wants RSET before anything else."""
    CONTENT = "content"
    """Reading a message after 354."""
    CHUNK = "chunk"
    """Reading the octets of a BDAT."""
    LAST_CHUNK = "last chunk"
    """Reading the octets of a BDAT LAST."""
    SASL = "sasl"
    """In an AUTH exchange."""
    TLS = "tls"
    """220 given to STARTTLS, handshake not done."""
    TURNED_AWAY = "turned away"
    """Greeted with 554 (RFC 5321 §3.1)."""
    CLOSED = "closed"
    """Nothing is read any more."""


VERBS = (
    *("HELO", "EHLO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET"),
    *("NOOP", "QUIT", "VRFY", "EXPN", "HELP", "AUTH", "STARTTLS"),
)

_HELLO_FIRST = Reply(503, "5.5.1", "Say hello first")
_MAIL_FIRST = Reply(503, "5.5.1", "MAIL first")
_NESTED = Reply(503, "5.5.1", "A transaction is open already")
_RCPT_FIRST = Reply(503, "5.5.1", "No valid recipients")
_IN_TRANSACTION = Reply(503, "5.5.1", "Not during a transaction")
_CHUNKS_ONLY = Reply(503, "5.5.1", "BDAT has begun; go on with BDAT or RSET")
_SPOILT = Reply(503, "5.5.1", "The transaction has failed; send RSET")
_TURNED_AWAY = Reply(503, "5.5.1", "No service here; send QUIT")

_Cell = State | Reply
_HELLOS = ("HELO", "EHLO", "LHLO")
_ANYTIME = ("NOOP", "VRFY", "EXPN", "HELP")  # RFC 5321 §4.1.4


def _row(state: State, cells: Mapping[str, _Cell], otherwise: Reply) -> dict[str, _Cell]:
    """One state's cells: what works everywhere, then ``cells``, then ``otherwise``."""
    row: dict[str, _Cell] = dict.fromkeys(VERBS, otherwise)
    row |= dict.fromkeys(_HELLOS, State.READY)  # like RSET (RFC 5321 §4.1.4)
    row |= dict.fromkeys(_ANYTIME, state)
    row |= {"RSET": State.READY, "QUIT": State.CLOSED}
    return row | dict(cells)


TABLE: Mapping[State, Mapping[str, _Cell]] = {
    State.GREETED: _row(State.GREETED, {"RSET": State.GREETED}, _HELLO_FIRST),
    State.READY: _row(
        State.READY,
        {"MAIL": State.MAIL, "AUTH": State.SASL, "STARTTLS": State.TLS},
        _MAIL_FIRST,
    ),
    State.MAIL: _row(
        State.MAIL,
        {
            "MAIL": _NESTED,
            "RCPT": State.RCPT,
            "DATA": _RCPT_FIRST,  # RFC 2033 §4.2: 503 and no other
            "BDAT": _RCPT_FIRST,
        },
        _IN_TRANSACTION,
    ),
    State.RCPT: _row(
        State.RCPT,
        {
            "MAIL": _NESTED,
            "RCPT": State.RCPT,
            "DATA": State.CONTENT,
            "BDAT": State.CHUNK,  # LAST_CHUNK with LAST
        },
        _IN_TRANSACTION,  # AUTH: RFC 4954 §4
    ),
    State.CHUNKS: _row(State.CHUNKS, {"BDAT": State.CHUNK}, _CHUNKS_ONLY),  # RFC 3030 §2
    State.SPOILT: _row(State.SPOILT, {}, _SPOILT),
    State.TURNED_AWAY: {**dict.fromkeys(VERBS, _TURNED_AWAY), "QUIT": State.CLOSED},
}

ENDS: Mapping[tuple[State, bool], State] = {
    # (state, positively answered): next state
    (State.SILENT, True): State.GREETED,
    (State.SILENT, False): State.TURNED_AWAY,
    (State.CONTENT, True): State.READY,
    (State.CONTENT, False): State.READY,  # RFC 5321 §4.1.1.4: buffers are cleared either way
    (State.CHUNK, True): State.CHUNKS,
    (State.CHUNK, False): State.SPOILT,
    (State.LAST_CHUNK, True): State.READY,
    (State.LAST_CHUNK, False): State.READY,
    (State.SASL, True): State.READY,
    (State.SASL, False): State.READY,
    (State.TLS, True): State.GREETED,  # RFC 3207 §4.2: as after the greeting
}


def diagram() -> str:
    """The table as a Mermaid state diagram, for the README; refusals are not drawn."""
    edges: dict[tuple[State, State], list[str]] = {}
    for state, row in TABLE.items():
        for verb, cell in row.items():
            if isinstance(cell, State) and cell is not state:
                edges.setdefault((state, cell), []).append(verb)
    for (state, good), after in ENDS.items():
        edges.setdefault((state, after), []).append("+" if good else "-")
    edges[(State.RCPT, State.LAST_CHUNK)] = edges[(State.CHUNKS, State.LAST_CHUNK)] = ["BDAT LAST"]
    lines = ["stateDiagram-v2", f"    [*] --> {State.SILENT.name}"]
    for (state, after), verbs in edges.items():
        if after is State.CLOSED and verbs == ["QUIT"]:
            continue  # from everywhere
        lines.append(f"    {state.name} --> {after.name}: {' '.join(verbs)}")
    lines.append(f"    {State.CLOSED.name} --> [*]")
    return "\n".join(lines) + "\n"


def table() -> str:
    """``TABLE`` as a Markdown table: states across, verbs down, those alike in one row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for verb in VERBS:
        rows.setdefault(tuple(_shown(state, TABLE[state][verb]) for state in TABLE), []).append(
            verb
        )
    lines = ["| | " + " | ".join(state.name for state in TABLE) + " |"]
    lines.append("|---" * (len(TABLE) + 1) + "|")
    lines += ["| " + " | ".join((" ".join(verbs), *row)) + " |" for row, verbs in rows.items()]
    return "\n".join(lines) + "\n"


def _shown(state: State, cell: State | Reply) -> str:
    if isinstance(cell, Reply):
        return str(cell.code)
    return "=" if cell is state else cell.name
