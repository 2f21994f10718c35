"""What a client may do when, and where replies lead: two tables, like ``states``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ClientState(Enum):
    """Where the client's session stands."""

    __hash__ = object.__hash__

    CONNECTED = "connected"
    """Waiting for the greeting."""
    GREETED = "greeted"
    TURNED_AWAY = "turned away"
    """Greeted, but not with 220."""
    HELLO = "hello"
    """Waiting for the answer to a hello."""
    READY = "ready"
    STARTTLS = "starttls"
    """Waiting for the answer to STARTTLS."""
    HANDSHAKE = "handshake"
    AUTH = "auth"
    """Waiting for the server's word in an AUTH exchange."""
    CHALLENGED = "challenged"
    ENVELOPE = "envelope"
    """Waiting for answers to MAIL, RCPT and DATA."""
    CONTENT = "content"
    CHUNK = "chunk"
    """Waiting for the answer to a BDAT, from a server without PIPELINING."""
    ENDING = "ending"
    """Waiting for the answer to the whole message."""
    ASKED = "asked"
    """Waiting for the answer to NOOP or RSET."""
    QUITTING = "quitting"
    CLOSED = "closed"


_S = ClientState

ACTIONS: Mapping[ClientState, Mapping[str, ClientState]] = {
    # state: what the caller may do, and the state it leads to
    _S.CONNECTED: {},
    _S.GREETED: {"hello": _S.HELLO, "quit": _S.QUITTING},
    _S.TURNED_AWAY: {"quit": _S.QUITTING},
    _S.HELLO: {},
    _S.READY: {
        "hello": _S.HELLO,
        "starttls": _S.STARTTLS,
        "auth": _S.AUTH,
        "send": _S.ENVELOPE,
        "noop": _S.ASKED,
        "reset": _S.ASKED,
        "quit": _S.QUITTING,
    },
    _S.STARTTLS: {},
    _S.HANDSHAKE: {"tls_started": _S.GREETED},
    _S.AUTH: {},
    _S.CHALLENGED: {"auth_respond": _S.AUTH, "auth_cancel": _S.AUTH},
    _S.ENVELOPE: {},
    _S.CONTENT: {  # content leads to CHUNK where each BDAT waits for its reply
        "content": _S.CONTENT,
        "finish": _S.ENDING,
    },
    _S.CHUNK: {},
    _S.ENDING: {},
    _S.ASKED: {},
    _S.QUITTING: {},
    _S.CLOSED: {},
}

REPLIES: Mapping[tuple[ClientState, str], ClientState] = {
    # (state, what came): next state; "+" is 2xx or 3xx, "-" 4xx or 5xx
    (_S.CONNECTED, "+"): _S.GREETED,
    (_S.CONNECTED, "-"): _S.TURNED_AWAY,
    (_S.HELLO, "+"): _S.READY,
    (_S.HELLO, "-"): _S.GREETED,
    (_S.STARTTLS, "+"): _S.HANDSHAKE,
    (_S.STARTTLS, "-"): _S.READY,
    (_S.AUTH, "334"): _S.CHALLENGED,
    (_S.AUTH, "+"): _S.READY,
    (_S.AUTH, "-"): _S.READY,
    (_S.ENVELOPE, "go"): _S.CONTENT,
    (_S.ENVELOPE, "over"): _S.READY,
    (_S.CHUNK, "+"): _S.CONTENT,
    (_S.CHUNK, "over"): _S.READY,
    (_S.CONTENT, "-"): _S.ENDING,  # a chunk was refused, others are on their way
    (_S.CONTENT, "over"): _S.READY,
    (_S.ENDING, "over"): _S.READY,
    (_S.ASKED, "+"): _S.READY,
    (_S.ASKED, "-"): _S.READY,
    (_S.QUITTING, "+"): _S.CLOSED,
    (_S.QUITTING, "-"): _S.CLOSED,
}

TIMEOUTS: Mapping[ClientState, float] = {
    # Seconds to wait for the server, by RFC 5321 §4.5.3.2; other states wait for the caller.
    _S.CONNECTED: 300,
    _S.HELLO: 300,
    _S.STARTTLS: 300,
    _S.AUTH: 300,
    _S.ENVELOPE: 300,
    _S.CONTENT: 180,  # for each block to be taken
    _S.CHUNK: 180,
    _S.ENDING: 600,
    _S.ASKED: 300,
    _S.QUITTING: 60,
}


def client_diagram() -> str:
    """Both tables as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {_S.CONNECTED.name}"]
    for state, row in ACTIONS.items():
        for action, after in row.items():
            lines.append(f"    {state.name} --> {after.name}: {action}()")
    for (state, what), after in REPLIES.items():
        lines.append(f"    {state.name} --> {after.name}: {what}")
    lines.append(f"    {_S.CLOSED.name} --> [*]")
    return "\n".join(lines) + "\n"
