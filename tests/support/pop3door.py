"""A POP3 server without sockets or store: the engine, three messages and a few users.

It answers the way the real door must: the dialogues of `tests/transcripts/pop3` are played with
both. Commands that need a directory find one of these users, all with the password
`pencil`: `ann` (three messages), `void` (none), `eai` (one from a mailbox that ASCII cannot name),
`busy` (in use), `later` (directory down), `late` (logged in a moment ago), and `user`, whose SCRAM
salt is that of RFC 7677 §3.
"""

from __future__ import annotations

import base64

from pillarbox.message.downgrade import to_ascii
from pillarbox.model.account import Credentials
from pillarbox.wire.pop3 import capa, events, render
from pillarbox.wire.pop3.phrases import Phrase
from pillarbox.wire.pop3.render import Voice
from pillarbox.wire.pop3.server import Engine
from pillarbox.wire.pop3.stuff import DotStuffer, TopCutter
from pillarbox.wire.sasl import machine, mechanisms, scramkeys

PASSWORD = "pencil"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
MESSAGES = (
    b"Subject: one\r\n\r\nfirst line\r\n.\r\n..two dots\r\nlast line\r\n",
    b"Subject: two\r\n\r\nno end of line",
    "Subject: gr\u00fcn\r\n\r\nbody\r\n".encode(),
)
FROM_AFAR = "From: \u7528\u6237@example.com\r\n\r\nbody\r\n".encode()
DROPS = {"ann": MESSAGES, "user": MESSAGES, "void": (), "eai": (FROM_AFAR,)}
PROBLEMS = {
    "busy": (render.IN_USE, Phrase.IN_USE),
    "later": (render.SYS_TEMP, Phrase.TRY_LATER),
    "late": (render.LOGIN_DELAY, Phrase.LOGIN_DELAY),
}


class Pop3Door:
    """Feed it packets, read its answers. `bytewise` hands the engine one octet at a time."""

    def __init__(self, *, secure: bool = False, bytewise: bool = False) -> None:
        self.engine = Engine(secure=secure, stls_offered=True)
        self.voice = Voice(preferred="de")
        self.offer = capa.Offer(implementation="Pillarbox-test")
        self.bytewise = bytewise
        self.closed = False
        self.injected = 0
        self.removed: list[int] = []
        self.user = ""
        self._messages: tuple[bytes, ...] = ()
        self._marked: set[int] = set()
        self._exchange: machine.ServerMachine | None = None
        self._done: machine.Done | None = None

    def greet(self) -> bytes:
        return self.voice.ok(Phrase.GREETING, host="mail.example.org")

    def talk(self, data: bytes) -> bytes:
        """Everything the server says to these bytes."""
        pieces = [data[i : i + 1] for i in range(len(data))] if self.bytewise else [data]
        return self._handle([event for piece in pieces for event in self.engine.feed(piece)])

    def control(self, word: str) -> bytes:
        """What the network does: `tls` (the handshake is over), `eof`."""
        assert word in {"tls", "eof"}, word
        return self._handle(self.engine.eof()) if word == "eof" else b""

    def _handle(self, found: list[events.Event]) -> bytes:
        out = []
        while found:
            out += [self._answer(event) for event in found]
            found = self.engine.resume()
        return b"".join(out)

    def _answer(self, event: events.Event) -> bytes:
        assert not self.closed
        say = self.voice
        match event:
            case events.Fault():
                self.closed = event.fatal
                return say.fault(event)
            case events.User():
                return self._user_given()
            case events.Pass():
                return self._enter(event.user, event.password == PASSWORD)
            case events.Auth() | events.AuthResponse() | events.AuthFailed():
                return self._sasl(event)
            case events.Mechanisms():
                return say.mechanisms(self._mechanisms())
            case events.Stls():
                answer = say.ok(Phrase.BEGIN_TLS)
                self.injected = self.engine.start_tls()
                return answer
            case events.Capa():
                return capa.render(say, self._situation())
            case events.Utf8():
                return say.ok(Phrase.UTF8_ON)
            case events.Lang():
                self.voice, answer = say.choose(event)
                return answer
            case events.Quit():
                self.closed = True
                self.removed = sorted(self._marked) if event.update else []
                return say.ok(Phrase.GOODBYE)
            case events.Eof():
                self.closed = True
                return b""
            case events.Noop():
                return render.status(True)
            case events.Rset():
                self._marked.clear()
                return self._maildrop()
            case events.Stat():
                return render.stat(len(self._left()), self._octets())
            case events.List(None):
                rows = ((n, len(self._messages[n - 1])) for n in self._left())
                return b"".join(render.list_all(self._maildrop(), rows))
            case events.Uidl(None):
                ids = ((n, render.unique_id(7, n)) for n in self._left())
                return b"".join(render.uidl_all(say.ok(Phrase.UIDL), ids))
            case _:
                return self._about_one(event)

    def _about_one(self, event: events.Event) -> bytes:
        assert isinstance(event, events.List | events.Uidl | events.Retr | events.Top | events.Dele)
        number, say = event.number or 0, self.voice
        if not 0 < number <= len(self._messages):
            return say.err(Phrase.NO_SUCH_MESSAGE)
        if number in self._marked:
            return say.err(Phrase.ALREADY_DELETED, number=number)
        message = self._messages[number - 1]
        match event:
            case events.List():
                return render.scan_listing(number, len(message))
            case events.Uidl():
                return render.unique_id_listing(number, render.unique_id(7, number))
            case events.Dele():
                self._marked.add(number)
                return say.ok(Phrase.MARKED, number=number)
        if not self.engine.utf8:
            header, blank, body = message.partition(b"\r\n\r\n")
            in_ascii = to_ascii(header + blank)
            if in_ascii is None:
                return say.err(Phrase.NEEDS_UTF8, render.UTF8)
            message = in_ascii + body
        stuffer = DotStuffer()
        if isinstance(event, events.Top):
            body = TopCutter(event.lines).feed(message)
            return say.ok(Phrase.TOP) + stuffer.feed(body) + stuffer.end()
        first = say.ok(Phrase.OCTETS, octets=len(message))
        return first + stuffer.feed(message) + stuffer.end()

    def _user_given(self) -> bytes:
        if not self.engine.secure:
            self.engine.refuse()
            return self.voice.err(Phrase.NEEDS_TLS)
        self.engine.accept()
        return self.voice.ok(Phrase.SEND_PASSWORD)

    def _enter(self, user: str, right: bool) -> bytes:
        code, phrase = PROBLEMS.get(user, ("", Phrase.DONE))
        if right and code:
            self.engine.refuse()
            return self.voice.err(phrase, code, seconds=60)
        if not right or user not in DROPS:
            self.engine.refuse()
            return self.voice.err(Phrase.LOGIN_FAILED, render.AUTH)
        self.engine.accept()
        self.user = user
        self._messages = DROPS[user]
        return self._maildrop()

    def _sasl(self, event: events.Auth | events.AuthResponse | events.AuthFailed) -> bytes:
        if isinstance(event, events.AuthFailed):
            self._exchange = self._done = None
            return self.voice.auth_failed(event)
        if isinstance(event, events.Auth):
            row = mechanisms.mechanism(event.mechanism)
            if row is None or row.name not in self._mechanisms():
                self.engine.refuse()
                clear = row is not None and not self.engine.secure
                return self.voice.err(Phrase.NEEDS_TLS if clear else Phrase.MECHANISM_UNKNOWN)
            self._exchange = row.server(machine.ServerContext(b"secret", lambda: NONCE))
            return self._outcome(self._exchange.step(event.initial))
        if self._done is not None:  # the response to the server's own proof
            done, self._done = self._done, None
            if event.data == b"":
                return self._enter(done.user, True)
            self.engine.refuse()
            return self.voice.err(Phrase.AUTH_MALFORMED)
        assert self._exchange is not None
        return self._outcome(self._exchange.step(event.data))

    def _outcome(self, step: machine.Step) -> bytes:
        match step:
            case machine.CheckPassword():
                oneself = step.authzid in {"", step.user}
                return self._outcome(step.answer(oneself and step.password == PASSWORD))
            case machine.NeedCredentials():
                keys = scramkeys.derive(PASSWORD, SALT, 4096)
                kept = Credentials("", SALT, 4096, keys.stored_key, keys.server_key)
                return self._outcome(step.answer(kept if step.user in DROPS else None))
            case machine.Challenge():
                return self.engine.challenge(step.data)
            case machine.Done(user, _, b""):
                return self._enter(user, True)
            case machine.Done():
                self._done = step
                return self.engine.challenge(step.server_final)
            case machine.Failed(fault=machine.Fault.CREDENTIALS):
                return self._enter("", False)
            case machine.Failed():
                self.engine.refuse()
                return self.voice.err(Phrase.AUTH_MALFORMED)

    def _mechanisms(self) -> list[str]:
        needs = {mechanisms.Need.SCRAM_KEYS}
        return mechanisms.offered(
            needs | {mechanisms.Need.PRIVACY} if self.engine.secure else needs
        )

    def _situation(self) -> capa.Situation:
        secure = self.engine.secure
        return capa.Situation(self.offer, bool(self.user), secure, secure, self._mechanisms())

    def _left(self) -> list[int]:
        return [n for n in range(1, len(self._messages) + 1) if n not in self._marked]

    def _octets(self) -> int:
        return sum(len(self._messages[n - 1]) for n in self._left())

    def _maildrop(self) -> bytes:
        return self.voice.ok(Phrase.MAILDROP, count=len(self._left()), octets=self._octets())
