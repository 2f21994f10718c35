"""The POP3 server's engine: bytes in, events out. Sans-IO.

How a server loop uses it::

    engine = Engine(secure=tls, stls_offered=True)
    voice = Voice()                                   # render.Voice: language of answers
    write(voice.ok(Phrase.GREETING, host=host))
    events = engine.feed(data)                        # whenever bytes arrive
    while events:
        for event in events:                          # in order; write before the next
            match event:
                case User():                          # a gate: decide, tell, answer
                    engine.accept()                   # or engine.refuse()
                    write(voice.ok(Phrase.SEND_PASSWORD))
                case Pass(user, password):
                    ...                               # log in, lock and open the maildrop
                    engine.accept()                   # only now is it TRANSACTION
                    write(voice.ok(Phrase.MAILDROP, count=n, octets=size))
                case Auth() | AuthResponse():
                    write(engine.challenge(data))     # or accept()/refuse() with the outcome
                case Stls():
                    write(voice.ok(Phrase.BEGIN_TLS)); flush
                    injected = engine.start_tls()     # log it if not 0, then handshake
                case Fault():
                    write(voice.fault(event))
                    if event.fatal: close
                case Quit() | Eof():
                    close                             # after the update and its answer
        events = engine.resume() if not engine.gated else []
    # Stop reading the socket while ``engine.gated`` or while answers wait to be sent.

A gate is always the last event of a list, so handling a list in order is safe. ``accept`` and
``refuse`` themselves return nothing; call ``resume`` until it is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pillarbox.base.buffer import TOO_LONG, ReceiveBuffer
from pillarbox.wire.pop3 import quirks
from pillarbox.wire.pop3.commands import COMMANDS, Command, Rule, State
from pillarbox.wire.pop3.events import (
    Auth,
    AuthEnd,
    AuthFailed,
    AuthResponse,
    Eof,
    Event,
    Fault,
    FaultKind,
    Mechanisms,
    Pass,
    Quit,
    Stls,
    User,
    Utf8,
)
from pillarbox.wire.sasl import b64

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_GATES = (User, Pass, Auth, AuthResponse, Stls)


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets, CRLF included, and counts. RFC 2449 §4 demands lines of 255.

    ``auth_line`` bounds AUTH with its initial response and every response after it (as RFC 4954
    §4 has it for SMTP). ``pending`` bounds what may wait behind a gate. ``faults`` is how many
    lines in error a session survives.
    """

    line: int = 255
    auth_line: int = 12_288
    pending: int = 262_144
    faults: int = 25


class Engine:
    """One session. ``secure``: TLS is on; ``stls_offered``: STLS would be honoured."""

    __slots__ = (
        "_buffer",
        "_command",
        "_ended",
        "_exchange",
        "_faults",
        "_flooded",
        "_fresh",
        "_gate",
        "_limits",
        "_over",
        "_skipping",
        "_stls_offered",
        "_user",
        "secure",
        "state",
        "utf8",
    )

    def __init__(
        self, *, secure: bool = False, stls_offered: bool = False, limits: Limits | None = None
    ) -> None:
        self.secure = secure
        self.state = State.AUTHORIZATION
        self.utf8 = False
        self._stls_offered = stls_offered
        self._limits = limits or Limits()
        self._buffer = ReceiveBuffer(self._limits.pending)
        self._gate: Event | None = None
        self._command = COMMANDS["QUIT"]
        self._exchange = False  # a SASL response is awaited instead of a command
        self._user = ""
        self._faults = 0
        self._fresh = True  # nothing was read yet
        self._skipping = False
        self._flooded = False
        self._ended = False
        self._over = False

    # ------------------------------------------------------------------ bytes in

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the peer; return the events they complete, in order."""
        if not self._over and not self._buffer.append(data):
            self._flooded = True
            self._buffer.clear()
        return self._run()

    def resume(self) -> list[Event]:
        """Go on with kept bytes after a gate was opened. Call until it returns nothing."""
        return self._run()

    def eof(self) -> list[Event]:
        """The peer will send no more. A command without its CRLF is not a command."""
        self._ended = True
        return self._run()

    @property
    def gated(self) -> bool:
        """True while the engine waits to be told how to go on."""
        return self._gate is not None

    @property
    def over(self) -> bool:
        """True after QUIT, a fatal fault or the peer's end: no more events will come."""
        return self._over

    # ------------------------------------------------------------------ gates

    def accept(self) -> None:
        """Open the gate of USER, PASS or AUTH: it succeeded."""
        gate = self._open(User, Pass, Auth, AuthResponse)
        self.state = self._command.then or self.state
        self._user = gate.name if isinstance(gate, User) else ""

    def refuse(self) -> None:
        """Open any gate: it failed. The client may try again (RFC 1939 §4)."""
        gate = self._open(*_GATES)
        if not isinstance(gate, Stls):
            self.state = State.AUTHORIZATION
            self._user = ""

    def challenge(self, data: bytes) -> bytes:
        """Open the gate of AUTH for one response; returns the line to write (RFC 5034 §4)."""
        self._open(Auth, AuthResponse)
        self._exchange = True
        return b"+ " + b64.encode(data) + b"\r\n"

    def start_tls(self) -> int:
        """Open the gate of STLS; returns how many injected octets were thrown away.

        Everything learnt in the clear is forgotten (RFC 5034 §4). Octets from here on must come
        out of the TLS layer.
        """
        self._open(Stls)
        self.secure = True
        self.state = State.AUTHORIZATION
        self._user = ""
        return self._buffer.clear()

    def _open(self, *kinds: type[Event]) -> Event:
        gate = self._gate
        if not isinstance(gate, kinds):
            raise RuntimeError(f"no gate of this kind is shut: {gate!r}")
        self._gate = None
        return gate

    # ------------------------------------------------------------------ lines to events

    def _run(self) -> list[Event]:
        found: list[Event] = []
        while not self._over and self._gate is None:
            event = self._next()
            if event is None:
                break
            found.append(event)
            if not self._buffer and not self._ended:
                break  # the usual end: there is nothing more to look for
        return found

    def _next(self) -> Event | None:
        """The next event, None when more bytes are needed."""
        if self._flooded:
            return self._fault(FaultKind.FLOOD, fatal=True)
        if self._skipping and self._buffer.skip_line():
            self._skipping = False
        if self._fresh and self._buffer.find(quirks.TLS_RECORD) == 0:
            return self._fault(FaultKind.FOREIGN, fatal=True)
        line = None if self._skipping else self._buffer.take_line(self._limits.auth_line)
        if line is None:
            if not self._ended:
                return None
            self._over = True
            return Eof()
        self._fresh = False
        if line is TOO_LONG:
            self._skipping = True
            return self._too_long()
        return self._response(line) if self._exchange else self._judge(line)

    def _too_long(self) -> Event:
        if self._exchange:
            return self._end_exchange(AuthEnd.TOO_LONG)
        return self._fault(FaultKind.TOO_LONG)

    def _response(self, line: bytes) -> Event:
        """A line inside a SASL exchange (RFC 5034 §4)."""
        if line == b"*":
            return self._end_exchange(AuthEnd.CANCELLED)
        data = b64.decode(line)
        if data is None:
            return self._end_exchange(AuthEnd.MALFORMED)
        self._exchange = False
        self._gate = AuthResponse(data)
        return self._gate

    def _end_exchange(self, why: AuthEnd) -> Event:
        self._exchange = False
        self.state = State.AUTHORIZATION
        self._user = ""
        return AuthFailed(why)

    def _judge(self, line: bytes) -> Event:
        """One command line, without its CRLF."""
        keyword, _, argument = line.partition(b" ")
        command = COMMANDS.get(keyword.upper().decode("latin-1"))
        if command is None:
            if quirks.is_http(line):
                return self._fault(FaultKind.FOREIGN, fatal=True)
            return self._fault(FaultKind.UNKNOWN)
        if len(line) + 2 > self._limits.line and command.verb != "AUTH":
            return self._fault(FaultKind.TOO_LONG, command)
        rule = command.rules[self.state]
        refusal = None if rule is Rule.GO else self._refusal(command, rule)
        if refusal is not None:
            return self._fault(refusal, command)
        event = _parse(command, argument)
        if event is None:
            return self._fault(FaultKind.SYNTAX, command)
        if rule is not Rule.GO:
            self._obey(command, rule, event)
        elif type(event) is Utf8:
            self.utf8 = True
        return event

    def _refusal(self, command: Command, rule: Rule) -> FaultKind | None:
        """Why the command may not be given now; None when it may."""
        if rule is Rule.OFF:
            return FaultKind.NOT_OFFERED
        if rule is Rule.NO:
            early = command.verb == "PASS" and self.state is State.AUTHORIZATION
            return FaultKind.USER_FIRST if early else FaultKind.STATE
        if command.verb != "STLS":
            return None
        if self.secure:
            return FaultKind.TLS_ACTIVE  # RFC 2595 §4
        if not self._stls_offered:
            return FaultKind.NOT_OFFERED
        return FaultKind.AFTER_UTF8 if self.utf8 else None  # RFC 6856 §2.1

    def _obey(self, command: Command, rule: Rule, event: Event) -> None:
        """Take the step of the table that goes with a well-formed command in its state."""
        if isinstance(event, Quit):
            event.update = self.state is State.TRANSACTION
            self.state = State.UPDATE
            self._over = True
            self._buffer.clear()
        elif isinstance(event, Pass):
            event.user = self._user
        if rule is Rule.GATE and not isinstance(event, Mechanisms):
            self._command = command
            self._gate = event

    def _fault(
        self, kind: FaultKind, command: Command | None = None, *, fatal: bool = False
    ) -> Fault:
        self._faults += 1
        if self._faults >= self._limits.faults and not fatal:
            kind, fatal = FaultKind.FLOOD, True
        if fatal:
            self._over = True
            self._buffer.clear()
        verb, usage = (command.verb, command.usage) if command else ("", "")
        return Fault(kind, verb, usage, fatal)


def _parse(command: Command, argument: bytes) -> Event | None:
    """The argument as event; None when it has controls, is not UTF-8 or is not as it should."""
    if not argument.isalnum() and _CONTROL.search(argument):
        return None
    try:
        text = argument.decode()  # RFC 6856 §2.2: names that are not UTF-8 are rejected
    except UnicodeDecodeError:
        return None
    return command.parse(text)
