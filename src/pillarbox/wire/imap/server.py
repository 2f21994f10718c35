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
        engine.done()                               # once a list; harmless where nothing waits
        events = engine.resume()

Commands that change the state or the grammar (LOGIN, SELECT, ENABLE, CLOSE ...) shut a gate, since
the line behind them cannot be judged before their outcome is known. A gate event is always the last
of its list. ``done()`` says that the whole list was handled for good: a gate that is still shut
then opens, and an undecided literal, IDLE or STARTTLS counts as refused.

The caller sets ``state`` after LOGIN, AUTHENTICATE, SELECT, CLOSE, UNSELECT and so on; a command
that the state does not allow never reaches the caller: it comes as BadCommand. Likewise it sets
``utf8`` after ENABLE UTF8=ACCEPT or IMAP4rev2, which changes how mailbox names are spelt, and
``uid_only`` after ENABLE UIDONLY.

Inside: a line is taken whole and bounded. If it ends in a literal announcement, a small literal
is collected and the line behind it appended, and only the complete command is parsed, once. A
message literal instead is announced to the caller and then streamed. What is refused although its
octets cannot be stopped any more (``{n+}``) is swallowed, up to a bound (RFC 7888 §4).
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from functools import lru_cache

from pillarbox.base.buffer import TOO_LONG, ReceiveBuffer
from pillarbox.wire.imap.capability import OFFERED
from pillarbox.wire.imap.commands import AppendEnd, AppendStart, BaseCommand, StartTls
from pillarbox.wire.imap.draft import Commands, Draft
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
from pillarbox.wire.imap.extensions import ExtensionCommand
from pillarbox.wire.imap.framing import Announced, Skip, Skipped, announcement
from pillarbox.wire.imap.lex import Bad
from pillarbox.wire.imap.limits import DEFAULT, Limits
from pillarbox.wire.imap.parse.append import Piece
from pillarbox.wire.imap.parse.table import BARE, PARSERS
from pillarbox.wire.imap.state import TABLE, Gate, State, allows
from pillarbox.wire.sasl import b64

Event = EngineEvent | BaseCommand | ExtensionCommand

_CONTINUE = b"+ Ready for more\r\n"
_MESSAGE = b"+ Ready for the message\r\n"
_IDLING = b"+ idling\r\n"
_HEAD = 300
"""Octets of an overlong line that are searched for its tag."""


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


# A member looked up in its class costs as much as parsing a word (CPython 3.11): on the way of
# every command stand plain names.
_COMMAND, _MORE = _Mode.COMMAND, _Mode.MORE
_LINES = (_COMMAND, _MORE, _Mode.AUTH, _Mode.IDLE)
_OPEN = Gate.NONE


@lru_cache(64)
def _commands(state: State, offers: frozenset[str]) -> Commands:
    return {
        name: (PARSERS[name], rule.gate, BARE.get(name))
        for name, rule in TABLE.items()
        if allows(rule, state, offers)
    }


class ServerEngine:
    """One IMAP connection as the server sees it; ``wire.engine.Engine`` in shape."""

    def __init__(self, limits: Limits = DEFAULT, offers: frozenset[str] = OFFERED) -> None:
        """``offers``: capabilities whose commands and arguments are understood."""
        self.limits = limits
        self.utf8 = False
        self.injected = 0
        """Octets that came in the clear behind STARTTLS and were thrown away."""
        self.leftover = b""
        """Octets that came compressed behind COMPRESS: inflate and feed them."""
        self._buffer = ReceiveBuffer(max(limits.pending, limits.literal, limits.line))
        self._overflow = False
        self._draft = Draft(limits, offers)
        self._skip = Skip(limits.swallow_before_login)
        self._mode = _COMMAND
        self._gate = _OPEN
        self._queue: deque[Piece] = deque()
        self._literal: Announced | None = None
        self._left = 0
        self.state = State.NOT_AUTHENTICATED

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
        self._commands = _commands(state, self._draft.offers)
        self._line_limit = limits.line_before_login if before else limits.line
        self._literal_limit = limits.literal_before_login if before else limits.literal
        self._skip.most = limits.swallow_before_login if before else limits.swallow

    @property
    def uid_only(self) -> bool:
        """Set after ENABLE UIDONLY: message numbers are refused from then on (RFC 9586)."""
        return self._draft.uid_only

    @uid_only.setter
    def uid_only(self, on: bool) -> None:
        self._draft.uid_only = on

    @property
    def one_charset(self) -> bool:
        """Set after ENABLE UTF8=ACCEPT: SEARCH with CHARSET is refused (RFC 6855 §3)."""
        return self._draft.one_charset

    @one_charset.setter
    def one_charset(self, on: bool) -> None:
        self._draft.one_charset = on

    @property
    def between(self) -> bool:
        """No command is half said but IDLE: what belongs to no command may be sent."""
        return self._gate is _OPEN and self._mode in (_COMMAND, _Mode.IDLE)

    @property
    def gated(self) -> bool:
        return self._gate is not _OPEN

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
        while self._gate is _OPEN and self._step(events):
            pass
        if self._overflow and self._gate is _OPEN and self._mode is not _Mode.DEAF:
            self._bye(events, "Too much at once")
        return events

    def eof(self) -> list[Event]:
        if self._mode is _Mode.DEAF:
            return []
        half = self._mode is not _COMMAND or self._gate is not _OPEN
        self._mode = _Mode.DEAF
        self._gate = _OPEN
        return [Disconnected(self._draft.tag if half else "")]

    def accept(self) -> bytes:
        """Open a gate other than SASL's; what it returns is for the peer, at once."""
        gate, self._gate = self._gate, _OPEN
        if gate is Gate.LITERAL and self._literal is not None:
            self._mode = _Mode.STREAM
            self._left = self._literal.size
            return _MESSAGE if self._literal.sync else b""
        if gate is Gate.IDLE:
            self._mode = _Mode.IDLE
            return _IDLING
        if gate is Gate.TLS:
            self.injected = self._buffer.clear()  # said in clear, it must not act under TLS
        if gate is Gate.DEFLATE:
            self.leftover = self._buffer.take(len(self._buffer)) or b""
        if gate is not Gate.URL:
            self._next_command()
        return b""

    def refuse(self) -> None:
        """Open a gate whose command was answered NO or BAD."""
        gate, self._gate = self._gate, _OPEN
        if gate is not _OPEN:
            self._drop(self._literal)

    def challenge(self, data: bytes) -> bytes:
        """Go on with AUTHENTICATE: the octets to write; the client's AuthResponse follows."""
        self._gate = _OPEN
        self._mode = _Mode.AUTH
        return b"+ " + b64.encode(data) + b"\r\n"  # RFC 9051 §9 continue-req

    def done(self) -> None:
        """All events of a list are handled: a gate still shut opens, what is undecided is refused.

        Not before the last one is: the gate that waits may be that one's.
        """
        self.refuse()

    # --- steps: each returns False when it needs more octets

    def _step(self, events: list[Event]) -> bool:
        if self._queue:
            self._hand_over(self._queue.popleft(), events)
            return True
        mode = self._mode
        if mode not in _LINES:
            return self._octets(mode, events)
        line = self._buffer.take_line(self._line_limit)
        if line is None:
            return False
        if line is TOO_LONG:
            self._too_long(events)
            return True
        literal = announcement(line) if line.endswith(b"}") else None
        try:
            self._line(mode, line, literal, events)
        except Bad as bad:
            self._bad(events, bad, literal)
        return True

    def _octets(self, mode: _Mode, events: list[Event]) -> bool:
        """Take what is not a line: literals, and what nobody wants."""
        if mode is _Mode.STREAM:
            return self._stream(events)
        if mode is _Mode.SKIP:
            return self._skip_on(events)
        if mode is _Mode.DEAF:
            return False
        octets = self._buffer.take(self._left)
        if octets is None:
            return False
        self._draft.literals.append(octets)
        self._mode = _MORE
        return True

    def _line(
        self, mode: _Mode, line: bytes, literal: Announced | None, events: list[Event]
    ) -> None:
        """Act on a whole line. Raises Bad."""
        draft = self._draft
        if mode is _COMMAND:
            draft.start(line, literal, self._commands)
        elif mode is _MORE:
            draft.extend(line, literal)
        elif mode is _Mode.IDLE:
            if line.upper() != b"DONE":  # RFC 2177 §3
                raise Bad("Expected DONE")
            events.append(IdleDone(draft.tag))
            self._next_command()
            return
        else:
            self._auth_line(line, events)
            return
        if literal is None and draft.reader is None:
            self._complete(events)
            return
        pieces = draft.pieces(literal, self.utf8)
        if pieces is not None:
            self._literal = literal
            self._queue.extend(pieces)
        elif literal is not None:
            draft.admit(literal, self._literal_limit)
            self._left = literal.size
            self._mode = _Mode.LITERAL
            if literal.sync:
                events.append(Send(_CONTINUE))

    def _complete(self, events: list[Event]) -> None:
        draft = self._draft
        command: BaseCommand | ExtensionCommand = draft.parse(self.utf8)
        events.append(command)
        self._gate = draft.gate
        if isinstance(command, StartTls):
            command.pipelined = len(self._buffer) > 0
        elif draft.literals:
            self._next_command()

    def _auth_line(self, line: bytes, events: list[Event]) -> None:
        tag = self._draft.tag
        if line == b"*":  # RFC 9051 §6.2.2
            self._next_command()
            events.append(AuthCancelled(tag))
            return
        data = b64.decode(line)
        if data is None:
            raise Bad("The response is not base64")
        events.append(AuthResponse(tag, data))
        self._gate = Gate.EXCHANGE

    def _hand_over(self, piece: Piece, events: list[Event]) -> None:
        """Give one piece of an APPEND to the caller and shut the gate it calls for."""
        events.append(piece)
        if isinstance(piece, AppendEnd):
            self._next_command()
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
            self._mode = _MORE
            self._literal = None
        return True

    # --- the end of a command, one way or another

    def _next_command(self) -> None:
        self._draft.clear()
        self._queue.clear()
        self._literal = None
        self._mode = _COMMAND

    def _bad(self, events: list[Event], bad: Bad, literal: Announced | None) -> None:
        """Answer BAD (or NO) and get rid of the rest of the command."""
        events.append(BadCommand(self._draft.tag, bad.text, bad.code, bad.status))
        self._drop(literal)

    def _drop(self, literal: Announced | None) -> None:
        """Forget the command; a literal behind it that comes unasked is skipped."""
        self._next_command()
        if self._skip.rest_of(literal) is not Skipped.OVER:
            self._mode = _Mode.SKIP

    def _skip_on(self, events: list[Event]) -> bool:
        how = self._skip.step(self._buffer)
        if how is Skipped.TOO_MUCH:
            self._bye(events, "Too much to skip", "TOOBIG")
        elif how is Skipped.OVER:
            self._mode = _COMMAND
        return how is Skipped.OVER

    def _too_long(self, events: list[Event]) -> None:
        """A line beyond its limit: answer once, then skip to its end."""
        if self._mode is _COMMAND:
            head = self._buffer.take(min(_HEAD, self._line_limit // 2)) or b""
            self._draft.tag = Draft.tag_of(head.decode("utf-8", "surrogateescape"))
        self._bad(events, Bad("The line is too long", "LIMIT"), None)
        self._mode = _Mode.SKIP

    def _bye(self, events: list[Event], text: str, code: str = "") -> None:
        events.append(Bye(text, code))
        self._mode = _Mode.DEAF
        self._queue.clear()
        self._buffer.clear()
