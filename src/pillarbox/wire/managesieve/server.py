"""The ManageSieve server's engine (RFC 5804): bytes in, events out. Sans-IO.

A command is a line that may contain literals; it is put together piece by piece, and nothing
larger than the limits is ever held. Gates (STARTTLS, AUTHENTICATE) are the last event of a list;
see ``wire.engine``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pillarbox.base.buffer import TOO_LONG, ReceiveBuffer
from pillarbox.wire.managesieve import render
from pillarbox.wire.managesieve.commands import COMMANDS, Command, Kind, State, Value, made
from pillarbox.wire.managesieve.events import (
    Authenticate,
    AuthFailed,
    AuthResponse,
    Eof,
    Event,
    Fault,
    Logout,
    StartTls,
    Unauthenticate,
)
from pillarbox.wire.sasl import b64

_PIECE = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*+)"|\{([0-9]{1,10})(\+?)\}\Z|([0-9]++)(?= |\Z)')
_LITERAL = re.compile(rb"\{([0-9]{1,10})\+\}\Z")
_WORD = re.compile(rb"[A-Za-z]+")
_ESCAPED = re.compile(rb'\\(["\\])')
_MAX_NUMBER = 2**32


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets. ``line``: of a line, literals not counted. ``string``: of a name, or a SASL
    response. ``skip``: of a literal too large that is read and thrown away, so that the session
    goes on. ``pending``: of what waits behind a gate. ``faults``: lines in error that a session
    survives."""

    line: int = 16_384
    string: int = 12_288
    script: int = 1 << 20
    skip: int = 16 << 20
    pending: int = 262_144
    faults: int = 25


class _Broken(Exception):
    """A line that is no command."""


class Engine:
    """One session. ``secure``: TLS is on; ``tls_offered``: STARTTLS would be honoured."""

    def __init__(
        self, *, secure: bool = False, tls_offered: bool = False, limits: Limits | None = None
    ) -> None:
        self.secure = secure
        self.state = State.NON_AUTHENTICATED
        self.over = False
        """No more events will come."""
        self._tls_offered = tls_offered
        self._limits = limits or Limits()
        self._buffer = ReceiveBuffer(self._limits.pending)
        self._gate: Event | None = None
        self._exchange = False
        self._ended = False
        self._flooded = False
        self._skip_line = False
        self._faults = 0
        self._reset()

    def _reset(self) -> None:
        """Between commands."""
        self._command: Command | None = None
        self._given: list[Value] = []
        self._wrong: Fault | None = None
        self._literal = bytearray()
        self._missing = -1
        """Octets of a literal still to come; -1 for none."""
        self._drop = False
        self._begun = False

    # ------------------------------------------------------------------ bytes in

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the peer; return the events they complete, in order."""
        if not self.over and not self._buffer.append(data):
            self._flooded = True
            self._buffer.clear()
        return self.resume()

    def resume(self) -> list[Event]:
        """Go on with kept bytes after a gate was opened. Call until it returns nothing."""
        found: list[Event] = []
        while not self.over and self._gate is None:
            event = self._next()
            if event is None:
                break
            found.append(event)
        return found

    def eof(self) -> list[Event]:
        """The peer will send no more. A command without its CRLF is not a command."""
        self._ended = True
        return self.resume()

    @property
    def gated(self) -> bool:
        """True while the engine waits to be told how to go on."""
        return self._gate is not None

    # ------------------------------------------------------------------ gates

    def accept(self) -> None:
        """AUTHENTICATE succeeded."""
        self._open(Authenticate, AuthResponse)
        self.state = State.AUTHENTICATED

    def refuse(self) -> None:
        """It failed, whatever it was. The client may try again."""
        self._open(Authenticate, AuthResponse, StartTls)

    def challenge(self, data: bytes) -> bytes:
        """Open the gate for one response; returns the line to write (§2.1)."""
        self._open(Authenticate, AuthResponse)
        self._exchange = True
        return render.string(b64.encode(data)) + b"\r\n"

    def start_tls(self) -> int:
        """Open the gate of STARTTLS; returns how many injected octets were thrown away."""
        self._open(StartTls)
        self.secure = True
        self._reset()
        return self._buffer.clear()

    def _open(self, *kinds: type[Event]) -> None:
        if not isinstance(self._gate, kinds):
            raise RuntimeError(f"no gate of this kind is shut: {self._gate!r}")
        self._gate = None

    # ------------------------------------------------------------------ lines and literals

    def _next(self) -> Event | None:
        """The next event, None when more bytes are needed."""
        while True:
            if self._flooded:
                return self._fault("too much input", fatal=True)
            if self._missing >= 0:
                if not self._take_literal():
                    return self._end()
                continue
            if self._skip_line:
                if not self._buffer.skip_line():
                    return self._end()
                self._skip_line = False
            line = self._buffer.take_line(self._limits.line)
            if line is None:
                return self._end()
            if line is TOO_LONG:
                self._skip_line = True
                self._reset()
                self._exchange = False
                return self._fault("this line is too long")
            event = self._line(line)
            if event is not None:
                return event

    def _end(self) -> Event | None:
        if not self._ended:
            return None
        self.over = True
        return Eof()

    def _take_literal(self) -> bool:
        """Go on with a literal; False when more bytes are needed."""
        some = self._buffer.take_some(self._missing)
        self._missing -= len(some)
        if not self._drop:
            self._literal += some
        if self._missing > 0:
            return False
        if not self._drop:
            self._given.append(bytes(self._literal))
        self._literal = bytearray()
        self._drop = False
        self._missing = -1
        return True

    def _line(self, line: bytes) -> Event | None:
        """A line, or what follows a literal; None when a literal ends it."""
        try:
            at = 0
            if not self._begun:
                at = self._begin(line)
            if self._pieces(line, at):
                return None
        except _Broken as broken:
            self._wrong = self._wrong or Fault(str(broken))
            # A literal behind a line that means nothing is not to be read as commands.
            found = _LITERAL.search(line)
            if found is not None and not self._wrong.fatal:
                self._announced(int(found[1]), plus=True)
            if self._missing >= 0:
                return None
        return self._obey()

    def _begin(self, line: bytes) -> int:
        """The command's name; inside a SASL exchange there is none."""
        self._begun = True
        if self._exchange:
            return 0
        word = _WORD.match(line)
        name = word[0] if word else b""
        command = COMMANDS.get(name.upper())
        if command is None:
            raise _Broken("unknown command")
        self._command = command
        if self.state not in command.states:
            inside = self.state is State.AUTHENTICATED
            self._wrong = Fault("not after login" if inside else "log in first")
        return len(name)

    def _pieces(self, line: bytes, at: int) -> bool:
        """The arguments from a place on; True when the line ends in a literal's announcement."""
        while at < len(line):
            if self._given or self._command is not None:
                if line[at : at + 1] != b" ":
                    raise _Broken("arguments are set off by single spaces")
                at += 1
            found = _PIECE.match(line, at)
            if found is None:
                raise _Broken("this is neither a string nor a number")
            at = found.end()
            if found[1] is not None:
                self._string(found[1])
            elif found[2] is not None:
                self._announced(int(found[2]), plus=found[3] == b"+")
                return self._missing >= 0
            else:
                number = int(found[4][:11])
                if number >= _MAX_NUMBER:
                    raise _Broken("this number is too large")
                self._given.append(number)
        return False

    def _string(self, raw: bytes) -> None:
        value = _ESCAPED.sub(rb"\1", raw) if b"\\" in raw else raw
        if len(value) > self._most():
            raise _Broken("this string is too long")
        self._given.append(value)

    def _most(self) -> int:
        """Octets that the next argument may have."""
        command = self._command
        takes = command.takes if command is not None and self._wrong is None else ()
        place = len(self._given)
        if place < len(takes) and takes[place] is Kind.SCRIPT:
            return self._limits.script
        return self._limits.string

    def _announced(self, size: int, *, plus: bool) -> None:
        """A literal is to come (§4: only ``{n+}`` from a client)."""
        if not plus:
            raise _Broken("a literal from a client has a plus: {n+}")
        if size > self._most():
            script = self._most() == self._limits.script
            self._wrong = self._wrong or Fault(
                "that is too large", "QUOTA/MAXSIZE" if script else ""
            )
            if size > self._limits.skip or self.state is State.NON_AUTHENTICATED:
                self._wrong = Fault("that is far too large", fatal=True)
            self._drop = True
        if self._wrong is not None and self._wrong.fatal:
            return
        self._drop = self._drop or self._wrong is not None
        self._missing = size

    # ------------------------------------------------------------------ whole commands

    def _obey(self) -> Event:
        """A line is complete: what it means, and the step that goes with it."""
        command, given, wrong = self._command, self._given, self._wrong
        exchange, self._exchange = self._exchange, False
        self._reset()
        if exchange and wrong is not None and not wrong.fatal:
            return AuthFailed(cancelled=False)
        if wrong is not None:
            return self._fault(wrong.text, wrong.code, fatal=wrong.fatal)
        if command is None:
            return self._response(given) if exchange else self._fault("unknown command")
        try:
            event = made(command, given)
        except ValueError as error:
            return self._fault(str(error))
        if isinstance(event, StartTls) and (self.secure or not self._tls_offered):
            return self._fault("TLS is on already" if self.secure else "TLS is not offered")
        if isinstance(event, Logout):
            self.over = True
            self._buffer.clear()
        elif isinstance(event, Unauthenticate):
            self.state = State.NON_AUTHENTICATED
        if command.gate:
            self._gate = event
        return event

    def _response(self, given: list[Value]) -> Event:
        """A line inside a SASL exchange (§2.1): one string, or ``"*"``."""
        if len(given) != 1 or not isinstance(given[0], bytes):
            return AuthFailed(cancelled=False)
        if given[0] == b"*":
            return AuthFailed(cancelled=True)
        data = b64.decode(given[0])
        if data is None:
            return AuthFailed(cancelled=False)
        self._gate = AuthResponse(data)
        return self._gate

    def _fault(self, text: str, code: str = "", *, fatal: bool = False) -> Fault:
        self._faults += 1
        if self._faults >= self._limits.faults and not fatal:
            text, code, fatal = "too many errors", "", True
        if fatal:
            self.over = True
            self._buffer.clear()
        return Fault(text, code, fatal)
