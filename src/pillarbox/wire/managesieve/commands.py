"""The commands of RFC 5804 §2 as a table: when each may be given, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pillarbox.wire.managesieve import events
from pillarbox.wire.sasl import b64


class State(Enum):
    """§1.5: a connection is one or the other."""

    NON_AUTHENTICATED = auto()
    AUTHENTICATED = auto()


class Kind(Enum):
    """What an argument is; a script is a string of many octets."""

    STRING = auto()
    NUMBER = auto()
    SCRIPT = auto()


ANY = frozenset(State)
OUTSIDE = frozenset({State.NON_AUTHENTICATED})
INSIDE = frozenset({State.AUTHENTICATED})

Value = bytes | int


@dataclass(frozen=True, slots=True)
class Command:
    """``optional``: how many arguments at the end may be missing. ``make`` raises ValueError for
    arguments that mean nothing."""

    states: frozenset[State]
    takes: tuple[Kind, ...]
    make: Callable[..., events.Event]
    optional: int = 0
    gate: bool = False


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("a name is UTF-8") from None


def _authenticate(mechanism: bytes, initial: bytes | None = None) -> events.Event:
    if initial is None:
        return events.Authenticate(_text(mechanism).upper())
    data = b64.decode(initial)
    if data is None:
        raise ValueError("the initial response is not base64")
    return events.Authenticate(_text(mechanism).upper(), data)


def _named(make: Callable[[str], events.Event]) -> Callable[[bytes], events.Event]:
    return lambda name: make(_text(name))


COMMANDS: Mapping[bytes, Command] = {
    b"CAPABILITY": Command(ANY, (), events.Capability),
    b"LOGOUT": Command(ANY, (), events.Logout),
    b"NOOP": Command(
        ANY,
        (Kind.STRING,),
        lambda tag=None: events.Noop(None if tag is None else _text(tag)),
        optional=1,
    ),
    b"STARTTLS": Command(OUTSIDE, (), events.StartTls, gate=True),
    b"AUTHENTICATE": Command(
        OUTSIDE, (Kind.STRING, Kind.STRING), _authenticate, optional=1, gate=True
    ),
    b"UNAUTHENTICATE": Command(INSIDE, (), events.Unauthenticate),
    b"HAVESPACE": Command(
        INSIDE,
        (Kind.STRING, Kind.NUMBER),
        lambda name, size: events.HaveSpace(_text(name), size),
    ),
    b"PUTSCRIPT": Command(
        INSIDE,
        (Kind.STRING, Kind.SCRIPT),
        lambda name, source: events.PutScript(_text(name), source),
    ),
    b"LISTSCRIPTS": Command(INSIDE, (), events.ListScripts),
    b"SETACTIVE": Command(INSIDE, (Kind.STRING,), _named(events.SetActive)),
    b"GETSCRIPT": Command(INSIDE, (Kind.STRING,), _named(events.GetScript)),
    b"DELETESCRIPT": Command(INSIDE, (Kind.STRING,), _named(events.DeleteScript)),
    b"RENAMESCRIPT": Command(
        INSIDE,
        (Kind.STRING, Kind.STRING),
        lambda name, new: events.RenameScript(_text(name), _text(new)),
    ),
    b"CHECKSCRIPT": Command(INSIDE, (Kind.SCRIPT,), events.CheckScript),
}


def made(command: Command, given: Sequence[Value]) -> events.Event:
    """The event of a command with its arguments. ValueError for others than it takes."""
    least = len(command.takes) - command.optional
    if not least <= len(given) <= len(command.takes):
        raise ValueError("this command takes other arguments")
    for kind, value in zip(command.takes, given, strict=False):
        if (kind is Kind.NUMBER) != isinstance(value, int):
            raise ValueError("this command takes other arguments")
    return command.make(*given)
