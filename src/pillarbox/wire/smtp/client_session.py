"""The part of the client engine that is not about messages: hello, TLS, AUTH, goodbye.

It lives apart from ``client`` only for size: ``client.Client`` is this and the sending.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.model.reply import Reply
from pillarbox.wire.smtp.answers import Answer, AnswerReader
from pillarbox.wire.smtp.capabilities import Capabilities, parse_capabilities
from pillarbox.wire.smtp.client_events import (
    Answered,
    Authenticated,
    AuthRefused,
    Challenge,
    ClientEvent,
    Greeting,
    HelloRefused,
    Lost,
    TlsGo,
    TlsRefused,
    Welcome,
)
from pillarbox.wire.smtp.client_states import ACTIONS, REPLIES, ClientState
from pillarbox.wire.smtp.commands import decode_base64

MAX_COMMAND = 512
"""RFC 5321 §4.5.3.1.4, which an initial AUTH response has to fit (RFC 4954 §4)."""

GONE = Reply(451, "4.4.2", "The server closed the connection")
OUT_OF_TURN = Reply(451, "4.5.0", "The server answered what was not asked")
IN_THE_CLEAR = Reply(451, "4.7.0", "The server sent more behind its answer to STARTTLS")


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How this side speaks."""

    hostname: str
    """Said in the hello; a name that resolves to us (RFC 5321 §4.1.1.1)."""
    lmtp: bool = False
    pipelining: bool = True
    """Use it where offered."""
    prefer_chunking: bool = False
    """Use BDAT wherever offered, not only where it is needed."""
    eightbit_anyway: bool = False
    """Send 8-bit content to servers that do not offer 8BITMIME."""


class ClientSession:
    """A connection to a server, without transactions."""

    __slots__ = (
        "_events",
        "_expected",
        "_late_initial",
        "_out",
        "_reader",
        "authenticated",
        "capabilities",
        "options",
        "state",
        "tls",
    )

    def __init__(self, options: ClientOptions, *, tls: bool = False) -> None:
        """``tls`` True when the connection began with a handshake."""
        self.options = options
        self.tls = tls
        self.authenticated = False
        self.capabilities = Capabilities()
        self.state = ClientState.CONNECTED
        self._reader = AnswerReader()
        self._out: list[bytes] = []
        self._events: list[ClientEvent] = []
        self._late_initial: bytes | None = None
        # Who hears the next replies, in the order of the commands (RFC 2920 §3.1).
        self._expected: deque[Callable[[Answer], None]] = deque([self._greeted])

    # What a driver needs

    def outgoing(self) -> bytes:
        """What is to be written now; empty when the server has to speak first."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    @property
    def closed(self) -> bool:
        """True when the connection is of no use any more."""
        return self.state is ClientState.CLOSED

    @property
    def gated(self) -> bool:
        """True while the server waits for the caller."""
        return bool(ACTIONS[self.state])

    def feed(self, data: bytes) -> list[ClientEvent]:
        """Take bytes from the server; return what they mean. Never raises."""
        if self.state is ClientState.CLOSED or not data:
            return []
        self._reader.feed(data)
        return self._read()

    def resume(self) -> list[ClientEvent]:
        """Nothing is kept back here: replies are read as they come."""
        return []

    def eof(self) -> list[ClientEvent]:
        """The server closed the connection."""
        return self.lose(GONE)

    def lose(self, why: Reply) -> list[ClientEvent]:
        """Give the connection up, for a time-out say; ``why`` becomes the open outcomes' reply."""
        if self.state is not ClientState.CLOSED:
            self._lose(why)
        return self._take_events()

    def _read(self) -> list[ClientEvent]:
        reader = self._reader
        while self.state is not ClientState.CLOSED:
            answer = reader.next()
            if answer is None:
                break
            self._hear(answer)
        if reader.broken and self.state is not ClientState.CLOSED:
            self._lose(Reply(451, "4.5.0", reader.broken.capitalize()))
        return self._take_events()

    def _take_events(self) -> list[ClientEvent]:
        events, self._events = self._events, []
        return events

    def _hear(self, answer: Answer) -> None:
        reply = answer.reply
        if reply.code == 421:  # RFC 5321 §3.8: the server closes, whatever was asked
            if self.state is ClientState.CONNECTED:
                self._events.append(Greeting(reply))
            self._lose(reply)
        elif self._expected:
            self._expected.popleft()(answer)
        else:
            self._unasked(reply)

    def _unasked(self, reply: Reply) -> None:
        self._lose(OUT_OF_TURN)

    def _lose(self, why: Reply) -> None:
        self.state = ClientState.CLOSED
        self._expected.clear()
        self._out.clear()
        self._events.append(Lost(why))

    def _act(self, action: str) -> None:
        """Move on by the caller's will; a RuntimeError is a bug of his."""
        after = ACTIONS[self.state].get(action)
        if after is None:
            raise RuntimeError(f"{action} is not possible while {self.state.value}")
        self.state = after

    def _move(self, what: str) -> None:
        self.state = REPLIES[self.state, what]

    def _command(self, line: str, heard: Callable[[Answer], None]) -> None:
        self._out.append(line.encode("ascii", "replace") + b"\r\n")
        self._expected.append(heard)

    # Hello

    def _greeted(self, answer: Answer) -> None:
        self._move("+" if answer.reply.code == 220 else "-")
        self._events.append(Greeting(answer.reply))

    def hello(self, *, extended: bool = True) -> None:
        """EHLO, HELO or LHLO; leads to Welcome or HelloRefused."""
        self._act("hello")
        verb = "LHLO" if self.options.lmtp else "EHLO" if extended else "HELO"
        self._command(f"{verb} {self.options.hostname}", self._welcomed)

    def _welcomed(self, answer: Answer) -> None:
        if answer.reply.ok:
            self.capabilities = parse_capabilities(answer.lines)
            self._move("+")
            self._events.append(Welcome(answer.reply, self.capabilities))
        else:
            self._move("-")
            self._events.append(HelloRefused(answer.reply))

    # TLS

    def starttls(self) -> None:
        """Leads to TlsGo or TlsRefused."""
        self._act("starttls")
        self._command("STARTTLS", self._tls_answered)

    def _tls_answered(self, answer: Answer) -> None:
        if answer.reply.code != 220:  # RFC 3207 §4
            self._move("-")
            self._events.append(TlsRefused(answer.reply))
        elif self._reader.drop():
            # Replies in the clear must not be taken for replies within (CVE-2011-0411).
            self._lose(IN_THE_CLEAR)
        else:
            self._move("+")
            self._events.append(TlsGo(answer.reply))

    def tls_started(self) -> None:
        """The handshake is done; what was learnt before is forgotten (RFC 3207 §4.2)."""
        self._act("tls_started")
        self.tls = True
        self.capabilities = Capabilities()

    # AUTH

    def auth(self, mechanism: str, initial: bytes | None = None) -> None:
        """Begin an exchange; leads to Challenge, Authenticated or AuthRefused.

        ``initial`` goes with the command if the line allows it, else with the first challenge
        (RFC 4954 §4).
        """
        self._act("auth")
        line = f"AUTH {mechanism}"
        self._late_initial = None
        if initial is not None:
            coded = base64.b64encode(initial).decode("ascii") or "="
            if len(line) + 1 + len(coded) + 2 <= MAX_COMMAND:
                line = f"{line} {coded}"
            else:
                self._late_initial = initial
        self._command(line, self._auth_answered)

    def _auth_answered(self, answer: Answer) -> None:
        reply = answer.reply
        if reply.code == 334:
            self._challenged(reply.text)
        elif reply.code // 100 == 2:
            self.authenticated = True
            self._move("+")
            self._events.append(Authenticated(reply))
        else:
            self._move("-")
            self._events.append(AuthRefused(reply))

    def _challenged(self, text: str) -> None:
        self._move("334")
        data = decode_base64(text.strip())
        late, self._late_initial = self._late_initial, None
        if data is None:
            self.auth_cancel()  # RFC 4954 §4: what is not base64 is not answered
        elif late is not None:
            self.auth_respond(late)
        else:
            self._events.append(Challenge(data))

    def auth_respond(self, data: bytes) -> None:
        """Answer a challenge."""
        self._act("auth_respond")
        self._command(base64.b64encode(data).decode("ascii"), self._auth_answered)

    def auth_cancel(self) -> None:
        """Give the exchange up; the server answers with a refusal."""
        self._act("auth_cancel")
        self._command("*", self._auth_answered)

    # Small talk

    def noop(self) -> None:
        """NOOP, to see whether a kept connection is alive; leads to Answered."""
        self._act("noop")
        self._command("NOOP", lambda answer: self._answered("noop", answer))

    def quit(self) -> None:
        """QUIT; leads to Answered and the end."""
        self._act("quit")
        self._command("QUIT", lambda answer: self._answered("quit", answer))

    def _answered(self, action: str, answer: Answer) -> None:
        self._move("+" if answer.reply.ok else "-")
        self._events.append(Answered(action, answer.reply))
