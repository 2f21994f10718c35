"""The server's side of IMAP as a sans-IO engine.

How a server loop uses it::

    engine = ServerEngine(limits)
    engine.state = State.NOT_AUTHENTICATED          # the caller owns the state, see below
    write(greeting)
    ...
    events = engine.feed(data)                      # any bytes, any cut
    while events:
        for event in events:                        # in order: answers follow the order too
            match event:
                case Send(): write(event.data)      # the engine's own "+ ..." for small literals
                case BadCommand(): write(event.reply)
                case Bye(): write(event.reply); close()
                case Login():                       # every command has .tag
                    ...check, write the tagged answer...
                    engine.state = State.AUTHENTICATED
                case AppendStart():
                    if refused: write(NO); engine.refuse()
                    else: write(engine.accept())    # "+ ..." or b"" for LITERAL+
                case LiteralChunk(): ...
                case AppendEnd(): ...commit, write OK...
                case Idle(): write(engine.accept()) # and IdleDone comes later
                case Authenticate() | AuthResponse():
                    write(engine.challenge(data))   # or write the tagged answer and nothing else
                case StartTls():
                    write(OK); engine.accept(); ...handshake...
            engine.done()                           # harmless where nothing waits
        events = engine.resume()

Commands that change the state or the grammar (LOGIN, SELECT, ENABLE, CLOSE ...) shut a gate, since
the line behind them cannot be judged before their outcome is known. ``done()`` says that the
event was handled for good: a gate that is still shut then opens, and an undecided literal, IDLE or
STARTTLS counts as refused. A gate event is always the last of its list.

The caller sets ``state`` after LOGIN, AUTHENTICATE, SELECT, CLOSE, UNSELECT and so on; a command
that the state does not allow never reaches the caller: it comes as BadCommand. Likewise it sets
``utf8`` after ENABLE UTF8=ACCEPT or IMAP4rev2, which changes how mailbox names are spelt.

Inside: a line is taken whole and bounded. If it ends in a literal announcement, a small literal
is collected and the line behind it appended, and only the complete command is parsed, once. A
message literal instead is announced to the caller and then streamed. What is refused although its
octets cannot be stopped any more (``{n+}``) is swallowed, up to a bound (RFC 7888 §4).
"""

from __future__ import annotations

import re
from collections import deque
from enum import Enum
from functools import lru_cache

from pillarbox.base.buffer import TOO_LONG, ReceiveBuffer
from pillarbox.wire.imap import quirks
from pillarbox.wire.imap.capability import OFFERED
from pillarbox.wire.imap.commands import AppendEnd, AppendStart, BaseCommand, StartTls
from pillarbox.wire.imap.events import (
    AuthCancelled,
    AuthResponse,
    BadCommand,
    Bye,
    CatenateUrl,
    Disconnected,
    EngineEvent,
    IdleDone,
    LiteralChunk,
    Send,
)
from pillarbox.wire.imap.framing import Announced, Skip, Skipped, announcement
from pillarbox.wire.imap.lex import MARK, Bad, Cursor
from pillarbox.wire.imap.limits import DEFAULT, Limits
from pillarbox.wire.imap.parse.append import AppendReader, Piece
from pillarbox.wire.imap.parse.base import Parser
from pillarbox.wire.imap.parse.table import PARSERS, STREAMED
from pillarbox.wire.imap.state import TABLE, Gate, State, allows
from pillarbox.wire.sasl import b64

Event = EngineEvent | BaseCommand

_CONTINUE = b"+ Ready for more\r\n"
_MESSAGE = b"+ Ready for the message\r\n"
_IDLING = b"+ idling\r\n"

# RFC 9051 §9: tag = 1*<any ASTRING-CHAR except "+">
_TAG_CHARS = r'([^\x00-\x20(){%*"\\+\x7f-\U0010ffff]{1,255})'
_START = re.compile(_TAG_CHARS + r" (?:([Uu][Ii][Dd]) )?([A-Za-z]+)")
_TAG = re.compile(_TAG_CHARS + " ")
_HEAD = 300
_LITERAL_MINUS = 4096  # RFC 7888 §5


class _Mode(Enum):
    """What the next octets are."""

    COMMAND = "the first line of a command"
    MORE = "the line behind a literal"
    LITERAL = "a small literal, collected"
    STREAM = "a message literal, handed on"
    SKIP = "what nobody wants"
    AUTH = "a SASL response"
    IDLE = "DONE"
    DEAF = "nothing any more"


@lru_cache(64)
def _commands(state: State, offers: frozenset[str]) -> dict[str, tuple[Parser, Gate]]:
    """The commands of a state by name."""
    return {
        name: (PARSERS[name], rule.gate)
        for name, rule in TABLE.items()
        if allows(rule, state, offers)
    }


class ServerEngine:
    """One IMAP connection as the server sees it; ``wire.engine.Engine`` in shape."""

    def __init__(self, limits: Limits = DEFAULT, offers: frozenset[str] = OFFERED) -> None:
        """``offers``: capabilities whose commands and arguments are understood."""
        self.limits = limits
        self.offers = offers
        self.utf8 = False
        self._buffer = ReceiveBuffer(max(limits.pending, limits.literal, limits.line))
        self._overflow = False
        self._gate = Gate.NONE
        self._queue: deque[Piece] = deque()
        self._left = 0
        self._skip = Skip(limits.swallow_before_login)
        self._new_command()
        self.state = State.NOT_AUTHENTICATED

    def _new_command(self) -> None:
        self._mode = _Mode.COMMAND
        self._tag = ""
        self._name = ""
        self._text = ""
        self._literals: list[bytes] = []
        self._size = 0
        self._reader: AppendReader | None = None
        self._literal: Announced | None = None

    # --- what the driver and the handlers use

    @property
    def state(self) -> State:
        """Set by the caller; decides which commands are let through and how long they may be."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        limits = self.limits
        before = state is State.NOT_AUTHENTICATED
        self._state = state
        self._commands = _commands(state, self.offers)
        self._line_limit = limits.line_before_login if before else limits.line
        self._literal_limit = limits.literal_before_login if before else limits.literal
        self._skip.most = limits.swallow_before_login if before else limits.swallow

    @property
    def gated(self) -> bool:
        return self._gate is not Gate.NONE

    @property
    def pending(self) -> int:
        """Octets kept unread; a driver stops reading from its peer when they grow."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Event]:
        if self._mode is _Mode.DEAF:
            return []
        if not self._buffer.append(data):
            self._overflow = True
        return self.resume()

    def resume(self) -> list[Event]:
        events: list[Event] = []
        while self._gate is Gate.NONE and self._step(events):
            pass
        if self._overflow and self._gate is Gate.NONE and self._mode is not _Mode.DEAF:
            self._bye(events, "Too much at once")
        return events

    def eof(self) -> list[Event]:
        if self._mode is _Mode.DEAF:
            return []
        half = self._mode is not _Mode.COMMAND or self._gate is not Gate.NONE
        self._mode = _Mode.DEAF
        self._gate = Gate.NONE
        return [Disconnected(self._tag if half else "")]

    def accept(self) -> bytes:
        """Open a literal, URL, IDLE or STARTTLS gate; what it returns is for the peer, at once."""
        gate, self._gate = self._gate, Gate.NONE
        if gate is Gate.LITERAL and self._literal is not None:
            self._mode = _Mode.STREAM
            self._left = self._literal.size
            return _MESSAGE if self._literal.sync else b""
        if gate is Gate.IDLE:
            self._mode = _Mode.IDLE
            return _IDLING
        if gate is Gate.TLS:
            self._buffer.clear()  # what was said in clear must not act under TLS
        if gate is not Gate.URL:
            self._new_command()
        return b""

    def refuse(self) -> None:
        """Open a gate whose command was answered NO or BAD."""
        gate, self._gate = self._gate, Gate.NONE
        if gate is not Gate.NONE:
            self._drop(self._literal)

    def challenge(self, data: bytes) -> bytes:
        """Go on with AUTHENTICATE: the octets to write; the client's AuthResponse follows."""
        self._gate = Gate.NONE
        self._mode = _Mode.AUTH
        return b"+ " + b64.encode(data) + b"\r\n"  # RFC 9051 §9 continue-req

    def done(self) -> None:
        """The event is handled: a gate still shut opens, an undecided command counts as refused."""
        self.refuse()

    # --- steps: each returns False when it needs more octets

    def _step(self, events: list[Event]) -> bool:
        mode = self._mode
        if self._queue:
            self._hand_over(self._queue.popleft(), events)
            return True
        if mode is _Mode.STREAM:
            return self._stream(events)
        if mode is _Mode.LITERAL:
            octets = self._buffer.take(self._left)
            if octets is not None:
                self._literals.append(octets)
                self._mode = _Mode.MORE
            return octets is not None
        if mode is _Mode.SKIP:
            return self._skip_on(events)
        if mode is _Mode.DEAF:
            return False
        line = self._buffer.take_line(self._line_limit)
        if line is None:
            return False
        if line is TOO_LONG:
            self._too_long(events)
        elif mode is _Mode.COMMAND:
            self._first_line(line, events)
        elif mode is _Mode.MORE:
            self._next_line(line, events)
        elif mode is _Mode.IDLE:
            self._idle_line(line, events)
        else:
            self._auth_line(line, events)
        return True

    def _first_line(self, line: bytes, events: list[Event]) -> None:
        text = line.decode("utf-8", "surrogateescape")
        literal = announcement(line)
        start = _START.match(text)
        if start is None or "\n" in text:
            found = _TAG.match(text)
            self._tag = found[1] if found else "*"
            self._bad(events, Bad("This is not a command"), literal)
            return
        self._tag, uid, name = start.groups()
        if uid:
            name = "UID " + name
        if name not in self._commands:
            name = name.upper()
            if name not in self._commands:
                known = name in TABLE and any(allows(TABLE[name], s, self.offers) for s in State)
                why = f"{name} is not allowed now" if known else "Unknown command"
                self._bad(events, Bad(why), literal)
                return
        self._name = name
        if name in STREAMED:
            self._reader = AppendReader(self._tag, name)
        elif literal is None:
            self._complete(text, start.end(), events)
            return
        self._text = text[start.end() :]
        self._continue(len(line), literal, events)

    def _next_line(self, line: bytes, events: list[Event]) -> None:
        """A line behind a literal."""
        text = line.decode("utf-8", "surrogateescape")
        literal = announcement(line)
        if "\n" in text:
            self._bad(events, Bad("A line feed without carriage return"), literal)
            return
        self._text += text
        if literal is None and self._reader is None:
            self._complete(self._text, 0, events)
        else:
            self._continue(len(line), literal, events)

    def _auth_line(self, line: bytes, events: list[Event]) -> None:
        tag = self._tag
        if line == b"*":  # RFC 9051 §6.2.2
            self._new_command()
            events.append(AuthCancelled(tag))
            return
        data = b64.decode(line)
        if data is None:
            self._bad(events, Bad("The response is not base64"), None)
            return
        events.append(AuthResponse(tag, data))
        self._gate = Gate.EXCHANGE

    def _idle_line(self, line: bytes, events: list[Event]) -> None:
        if line.upper() == b"DONE":  # RFC 2177 §3
            events.append(IdleDone(self._tag))
            self._new_command()
        else:
            self._bad(events, Bad("Expected DONE"), announcement(line))

    # --- commands with literals

    def _continue(self, octets: int, literal: Announced | None, events: list[Event]) -> None:
        """A literal follows, or this is a piece of APPEND."""
        self._size += octets
        if literal is not None:
            # the announcement gives way to a mark; "~" stays for the grammar to see
            self._text = self._text[: self._text.rindex("{")]
        try:
            if self._reader is not None and self._append(self._reader, literal):
                return
            if literal is not None:
                self._collect(literal, events)
        except Bad as bad:
            self._bad(events, bad, literal)

    def _collect(self, literal: Announced, events: list[Event]) -> None:
        """Take in a small literal. Raises Bad."""
        limits = self.limits
        self._size += literal.size
        if (
            literal.size > self._literal_limit
            or self._size > limits.command
            or len(self._literals) >= limits.literals
        ):
            raise Bad("The literal is too large", "TOOBIG")
        self._check_minus(literal)
        self._text += MARK
        self._left = literal.size
        self._mode = _Mode.LITERAL
        if literal.sync:
            events.append(Send(_CONTINUE))

    def _check_minus(self, literal: Announced) -> None:
        if self.limits.literal_minus and not literal.sync and literal.size > _LITERAL_MINUS:
            raise Bad("Use a synchronizing literal", "TOOBIG")

    def _cursor(self, text: str, pos: int = 0) -> Cursor:
        if text.endswith(" "):
            text = quirks.trailing_space(text)
        return Cursor(text, self._literals, pos, self.utf8, self.offers, self.limits)

    def _complete(self, text: str, pos: int, events: list[Event]) -> None:
        """Parse a whole command."""
        parser, gate = self._commands[self._name]
        try:
            command = parser(self._cursor(text, pos), self._tag)
        except Bad as bad:
            self._bad(events, bad, None)
            return
        events.append(command)
        self._gate = gate
        if isinstance(command, StartTls):
            command.pipelined = len(self._buffer) > 0
        elif self._literals:
            self._new_command()

    def _append(self, reader: AppendReader, literal: Announced | None) -> bool:
        """Read a fragment of APPEND; False when it ends in a literal of its own. Raises Bad."""
        text = self._text
        cur = (
            self._cursor(text)
            if literal is None
            else Cursor(text, self._literals, 0, self.utf8, self.offers, self.limits)
        )
        pieces = reader.read(cur, literal)
        if pieces is None:
            return False
        self._text, self._literals, self._size = "", [], 0
        if literal is not None:
            if literal.size > self.limits.append:  # RFC 7889 §4, RFC 4469 §4
                raise Bad(f"A message may have {self.limits.append} octets", "TOOBIG", "NO")
            self._check_minus(literal)
        self._literal = literal
        self._queue.extend(pieces)
        return True

    def _hand_over(self, piece: Piece, events: list[Event]) -> None:
        """Give one piece of an APPEND to the caller and shut the gate it calls for."""
        events.append(piece)
        if isinstance(piece, AppendEnd):
            self._new_command()
        elif isinstance(piece, CatenateUrl) or (isinstance(piece, AppendStart) and piece.catenate):
            self._gate = Gate.URL
        else:
            self._gate = Gate.LITERAL

    def _stream(self, events: list[Event]) -> bool:
        if self._left:
            chunk = self._buffer.take_some(self._left)
            if not chunk:
                return False
            self._left -= len(chunk)
            events.append(LiteralChunk(chunk))
        if not self._left:
            self._mode = _Mode.MORE
            self._literal = None
        return True

    # --- giving up

    def _bad(self, events: list[Event], bad: Bad, literal: Announced | None) -> None:
        """Answer BAD (or NO) and get rid of the rest of the command."""
        events.append(BadCommand(self._tag, bad.text, bad.code, bad.status))
        self._drop(literal)

    def _drop(self, literal: Announced | None) -> None:
        """Forget the command; a literal behind it that comes unasked is skipped."""
        self._queue.clear()
        self._new_command()
        if self._skip.rest_of(literal) is not Skipped.OVER:
            self._mode = _Mode.SKIP

    def _skip_on(self, events: list[Event]) -> bool:
        how = self._skip.step(self._buffer)
        if how is Skipped.TOO_MUCH:
            self._bye(events, "Too much to skip", "TOOBIG")
        elif how is Skipped.OVER:
            self._mode = _Mode.COMMAND
        return how is Skipped.OVER

    def _too_long(self, events: list[Event]) -> None:
        """A line beyond its limit: answer once, then skip to its end."""
        if self._mode is _Mode.COMMAND:
            head = self._buffer.take(min(_HEAD, self._line_limit // 2)) or b""
            found = _TAG.match(head.decode("utf-8", "surrogateescape"))
            self._tag = found[1] if found else "*"
        self._bad(events, Bad("The line is too long", "LIMIT"), None)
        self._mode = _Mode.SKIP

    def _bye(self, events: list[Event], text: str, code: str = "") -> None:
        events.append(Bye(text, code))
        self._mode = _Mode.DEAF
        self._queue.clear()
        self._buffer.clear()
