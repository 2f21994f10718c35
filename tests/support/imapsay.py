"""Say something to an IMAP engine and look at the events, without a server around it."""

from __future__ import annotations

from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap import events as e
from pillarbox.wire.imap.capability import TABLE
from pillarbox.wire.imap.limits import DEFAULT, Limits
from pillarbox.wire.imap.server import Event, ServerEngine
from pillarbox.wire.imap.state import State

EVERYTHING = frozenset(row.name for row in TABLE).union(*(row.implies for row in TABLE))
"""Every capability there is a row for, planned ones too."""


def engine(
    state: State = State.SELECTED,
    *,
    offers: frozenset[str] = EVERYTHING,
    utf8: bool = False,
    limits: Limits = DEFAULT,
) -> ServerEngine:
    """An engine in a state."""
    made = ServerEngine(limits, offers)
    made.state = state
    made.utf8 = utf8
    return made


def say(made: ServerEngine, data: bytes, *, bytewise: bool = False) -> list[Event]:
    """All events for the octets, every gate opened in the accepting way, states left alone."""
    pieces = [data[i : i + 1] for i in range(len(data))] if bytewise else [data]
    found: list[Event] = []
    for piece in pieces:
        events = made.feed(piece)
        while events:
            found += events
            if made.gated:
                if isinstance(events[-1], c.Authenticate | e.AuthResponse):
                    made.challenge(b"")
                elif not isinstance(events[-1], c.Select | c.Login | c.Logout | c.Enable):
                    made.accept()
                made.done()
            events = made.resume()
    return found


def one(line: str, state: State = State.SELECTED, *, utf8: bool = False) -> Event:
    """The one event that a line (or a command with ``{n+}`` literals) makes."""
    events = say(engine(state, utf8=utf8), line.encode() + b"\r\n")
    assert len(events) == 1, events
    return events[0]


def why(line: str, state: State = State.SELECTED, *, utf8: bool = False) -> str:
    """The answer to a line that is no command."""
    event = one(line, state, utf8=utf8)
    assert isinstance(event, e.BadCommand), event
    return event.reply.decode().rstrip("\r\n")


def merged(events: list[Event]) -> list[Event]:
    """With neighbouring chunks of a literal joined, as their cut means nothing."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, e.LiteralChunk) and out and isinstance(out[-1], e.LiteralChunk):
            out[-1] = e.LiteralChunk(out[-1].data + event.data)
        elif isinstance(event, c.StartTls):
            out.append(c.StartTls(event.tag, False))
        else:
            out.append(event)
    return out
