"""The reading half of the server engine: bytes to events, one command at a time.

It lives apart from ``server`` only for size: ``server.Engine`` is this and the answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Role, Sender
from pillarbox.wire.smtp import commands, replies
from pillarbox.wire.smtp.commands import fault
from pillarbox.wire.smtp.data import Content, DotReader
from pillarbox.wire.smtp.events import (
    AuthAborted,
    AuthLine,
    Bdat,
    ChunkEnd,
    DataChunk,
    DataEnd,
    Event,
    Fault,
    Gone,
    Unknown,
)
from pillarbox.wire.smtp.lines import Lines, Wrong
from pillarbox.wire.smtp.options import Extension, Options
from pillarbox.wire.smtp.session import Session
from pillarbox.wire.smtp.states import ENDS, TABLE, State

_NO_ROW: Mapping[str, State | Reply] = {}
_WRONG = {Wrong.TOO_LONG: replies.LINE_TOO_LONG, Wrong.BARE_LF: replies.BARE_LINE_END}
_WRONG_AUTH = {Wrong.TOO_LONG: replies.AUTH_TOO_LONG, Wrong.BARE_LF: replies.BARE_LINE_END}


class Reading:
    """Bytes to events, and the state that both halves share."""

    __slots__ = (
        "_asked",
        "_bad",
        "_cell",
        "_chunk",
        "_content",
        "_dots",
        "_due",
        "_ended",
        "_enhanced",
        "_last",
        "_left",
        "_lines",
        "_refusal",
        "_row",
        "early_talker",
        "options",
        "plaintext_injected",
        "session",
        "state",
        "talked_over",
    )

    def __init__(self, options: Options, *, tls: bool = False) -> None:
        """``tls`` True when the connection began with a handshake (RFC 8314 §3.3)."""
        self.options = options
        self.session = Session(options, tls)
        self.state = State.SILENT
        self.early_talker = False
        """The client spoke before it was greeted."""
        self.talked_over = False
        """The client sent more behind a command that must be waited for (RFC 2920 §3.1)."""
        self.plaintext_injected = False
        """Something stood behind STARTTLS in the clear; it was thrown away."""

        self._lines = Lines(options.max_kept)
        self._row = _NO_ROW  # of TABLE; empty in states that read no commands
        self._cell = State.SILENT  # where a positive answer leads
        self._asked: Event | None = None  # what waits for an answer
        self._due = 0  # how many answers it waits for
        self._bad = 0
        self._ended = False
        self._enhanced = Extension.ENHANCEDSTATUSCODES in self.session.offer.extensions

        self._dots = DotReader()
        self._content: Content | None = None
        self._chunk = -1  # octets of the BDAT being read, -1 for none
        self._left = 0  # of those, still to come
        self._last = False
        self._refusal: Reply | None = None  # of that BDAT

    # What a driver and a handler need to know

    @property
    def gated(self) -> bool:
        """True while an answer, the greeting or the handshake is awaited."""
        return self._asked is not None or self.state is State.SILENT or self.state is State.TLS

    @property
    def closed(self) -> bool:
        """True when nothing is read any more: write what there is and close."""
        return self.state is State.CLOSED

    @property
    def replies_due(self) -> int:
        """How many answers the last event still waits for."""
        return self._due

    @property
    def sender(self) -> Sender | None:
        """The sender of the open transaction."""
        return self.session.sender

    @property
    def recipients(self) -> list[Recipient]:
        """The accepted recipients of the open transaction, in order."""
        return self.session.recipients

    @property
    def protocol(self) -> str:
        """The keyword for the Received field now: ESMTPS, UTF8SMTPSA, LMTP …"""
        return self.session.protocol()

    # Bytes in

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the client; return what they make happen. Never raises."""
        if self.state is State.CLOSED or not data:
            return []
        if self.state is State.TLS:
            self.plaintext_injected = True  # the driver should give these to the handshake
            return []
        self._lines.add(data)
        if self._asked is not None:
            return []
        if self.state is State.SILENT:
            self.early_talker = True
            return []
        return self._read()

    def resume(self) -> list[Event]:
        """Go on with what was kept while an answer was awaited."""
        lines = self._lines
        if not (lines or self._ended or lines.flooded or self._chunk == 0):
            return []
        if self.gated or self.state is State.CLOSED:
            return []
        return self._read()

    def eof(self) -> list[Event]:
        """The client closed its side. What it had sent before is still read first."""
        self._ended = True
        return self.resume()

    def _read(self) -> list[Event]:
        """Events until one waits for an answer or the bytes run out."""
        events: list[Event] = []
        if self._lines.flooded:
            self._ask(events, fault(replies.FLOOD, b"", fatal=True))
            return events
        more = True
        while more and self._asked is None:
            if self._chunk >= 0:
                more = self._read_chunk(events)
            elif self._row:
                more = self._read_command(events)
            elif self.state is State.CONTENT:
                more = self._read_content(events)
            else:
                more = self.state is State.SASL and self._read_auth(events)
        if self._ended and self._asked is None:
            events.append(Gone(self.session.sender is not None))
            self._close()
        return events

    def _ask(self, events: list[Event], event: Event, due: int = 1) -> None:
        events.append(event)
        self._asked = event
        self._due = due

    def _read_command(self, events: list[Event]) -> bool:
        options = self.options
        taken = self._lines.take_line(options.max_line, b"AUTH ", options.max_auth_line)
        if taken is None:
            return False
        line, wrong = taken
        if wrong is not None:
            self._complain(events, fault(_WRONG[wrong], line))
            return True
        session = self.session
        split = commands.split_line(line, session.offer.utf8)
        if split is None:
            self._complain(events, fault(replies.BAD_CHARACTER, line))
            return True
        verb, argument = split
        if verb == "BDAT":
            self._begin_chunk(events, line, argument)
            return True
        event = commands.judge(session, self._row, line, verb, argument)
        if type(event) is Fault or type(event) is Unknown:
            self._complain(events, event)
            return True
        cell = self._row[verb]
        if isinstance(cell, State):
            self._cell = cell
        self._ask(events, event)
        return True

    def _complain(self, events: list[Event], event: Fault | Unknown) -> None:
        """Ask for the answer to a bad command, or for the last one."""
        self._bad += 1
        if self._bad > self.options.max_bad_commands:
            line = event.line if isinstance(event, Fault) else event.verb.encode()
            event = fault(replies.TOO_MANY_ERRORS, line, fatal=True)
        self._ask(events, event)

    def _read_auth(self, events: list[Event]) -> bool:
        taken = self._lines.take_line(self.options.max_auth_line)
        if taken is None:
            return False
        line, wrong = taken
        decoded = None if wrong else commands.decode_base64(line)
        if wrong is not None:
            self._ask(events, AuthAborted(_WRONG_AUTH[wrong]))
        elif line == b"*":  # RFC 4954 §4
            self._ask(events, AuthAborted(replies.AUTH_CANCELLED))
        elif decoded is None:
            self._ask(events, AuthAborted(replies.NOT_BASE64))
        else:
            self._ask(events, AuthLine(decoded))
        return True

    # Content

    def _read_content(self, events: list[Event]) -> bool:
        content = self._content
        data = self._lines.take()
        if content is None or not data:
            return False
        piece, over = self._dots.feed(data)
        if over >= 0:
            self._lines.put_back(data[over:])
        piece = content.feed(piece)
        if piece:
            events.append(DataChunk(piece))
        if self._endless(content.received):
            self._ask(events, fault(replies.ENDLESS, b"", fatal=True))
            return True
        if over < 0:
            return False
        self._end_content(events, None)
        return True

    def _endless(self, size: int) -> bool:
        limit = self.options.max_size
        return bool(limit) and size > limit + self.options.max_discard

    def _begin_chunk(self, events: list[Event], line: bytes, argument: str) -> None:
        """BDAT: the octets come whatever we say, so they are counted before anything else."""
        parsed = commands.parse_bdat(argument)
        received = self._content.received if self._content is not None else 0
        if parsed is None:
            self._ask(events, fault(replies.BAD_BDAT, line, fatal=True))
        elif self._endless(received + parsed[0]):
            self._ask(events, fault(replies.ENDLESS, line, fatal=True))
        else:
            size, self._last = parsed
            self._chunk = self._left = size
            cell = self._row["BDAT"]
            self._refusal = cell if isinstance(cell, Reply) else None
            if not self.session.offer.chunking:
                self._refusal = replies.NOT_IMPLEMENTED
            if self._refusal is None:
                self._cell = State.LAST_CHUNK if self._last else State.CHUNK
                self._ask(events, Bdat(size, self._last, self._content is None))

    def _read_chunk(self, events: list[Event]) -> bool:
        data = self._lines.take(self._left)
        self._left -= len(data)
        if self._refusal is None and self._content is not None:
            piece = self._content.feed(data)
            if piece:
                events.append(DataChunk(piece))
        if self._left:
            return False
        size, self._chunk = self._chunk, -1
        if self.state is State.CHUNK:
            defect = self._refusal or (self._content.defect if self._content else None)
            self._ask(events, ChunkEnd(size, defect))
        elif self.state is State.LAST_CHUNK:
            self._end_content(events, self._refusal)
        elif self._last and self.options.role is Role.LMTP and self.session.sender is not None:
            self._enter(State.LAST_CHUNK)  # RFC 2033 §4.3: as many replies as recipients
            self._end_content(events, self._refusal)
        elif self._refusal is not None:
            bad = fault(self._refusal, b"BDAT")
            if self.state is State.SPOILT:
                self._ask(events, bad)  # RFC 3030 §2: it may have been on its way already
            else:
                self._complain(events, bad)
        return True

    def _end_content(self, events: list[Event], refusal: Reply | None) -> None:
        size = 0
        content = self._content
        if content is not None:
            tail = content.finish() if refusal is None else b""
            if tail:
                events.append(DataChunk(tail))
            refusal = refusal or content.defect
            size = content.size if refusal is None else content.received
        due = len(self.session.recipients) if self.options.role is Role.LMTP else 1
        if due:
            self._ask(events, DataEnd(size, refusal), due)
        else:  # RFC 2033 §4.3: BDAT LAST without recipients has no reply at all
            self._end_transaction(ENDS[self.state, False])

    # State

    def _enter(self, state: State) -> None:
        if self.state is not State.CLOSED:
            self.state = state
            self._row = TABLE.get(state, _NO_ROW)

    def _close(self) -> None:
        self._enter(State.CLOSED)
        self._lines.drop()

    def _end_transaction(self, state: State) -> None:
        self.session.end_transaction()
        self._content = None
        self._enter(state)
