"""An SMTP, submission or LMTP server without sockets or store: the engine and an easy-going host.

It answers the way the real doors must: the dialogues of `tests/transcripts/smtp` are played with
both. Almost everything is accepted; names ask for the rest:

* senders: `banned@` is refused with 550, `nodata@` is refused at DATA with 451
* recipients: `no@` is 550, `later@` is 451, and so is whom the directory cannot be asked for
  (`down@`) or fails over (`bug@`); `full@` is accepted and then 452 after the content
* AUTH: user `ann`, password `pencil`, by PLAIN and LOGIN
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

from pillarbox.model.reply import OK, Reply
from pillarbox.model.transaction import Recipient, Role, Sender
from pillarbox.wire.smtp import events
from pillarbox.wire.smtp.options import DEFAULT_EXTENSIONS, BareNewline, Extension, Options
from pillarbox.wire.smtp.server import Engine

HOST = "mx.example.org"
HELLO = Reply(250, "", "")
ADDRESS = {
    "no": Reply(550, "5.1.1", "No such user"),
    "later": Reply(451, "4.3.0", "Later"),
    "down": Reply(451, "4.3.0", "The directory cannot be asked"),
    "bug": Reply(451, "4.3.0", "Something is wrong"),
}
FULL = Reply(452, "4.2.2", "Mailbox full")
CREDENTIALS = b"\0ann\0pencil"

ROLES = {"mx": Role.MX, "submission": Role.SUBMISSION, "lmtp": Role.LMTP}


@dataclass(frozen=True, slots=True)
class Taken:
    """A message this server took responsibility for."""

    sender: Sender
    recipients: tuple[Recipient, ...]
    body: bytes
    protocol: str


class SmtpDoor:
    """Feed it packets, read its answers. `bytewise` hands the engine one octet at a time."""

    def __init__(self, options: Options, *, tls: bool = False, bytewise: bool = False) -> None:
        self.engine = Engine(options, tls=tls)
        self.bytewise = bytewise
        self.seen: list[events.Event] = []
        self.taken: list[Taken] = []
        self.gone = False
        self._body = bytearray()
        self._login: list[bytes] = []
        self._mechanism = ""

    def greet(self) -> bytes:
        return self.engine.greet() + self._handle(self.engine.resume())

    def talk(self, data: bytes) -> bytes:
        """Everything the server says to these bytes."""
        pieces = [data[i : i + 1] for i in range(len(data))] if self.bytewise else [data]
        return b"".join(self._handle(self.engine.feed(piece)) for piece in pieces)

    def eof(self) -> bytes:
        return self._handle(self.engine.eof())

    def _handle(self, found: list[events.Event]) -> bytes:
        out = []
        while found:
            out += [self._answer(event) for event in found]
            if self.engine.closed:
                break
            found = self.engine.resume()
        return b"".join(out)

    def _answer(self, event: events.Event) -> bytes:
        engine = self.engine
        self.seen.append(event)
        match event:
            case events.DataChunk(data):
                self._body += data
                return b""
            case events.Gone():
                self.gone = True
                return b""
            case events.Fault() | events.Unknown() | events.AuthAborted():
                return engine.reply(event.reply)
            case events.Hello():
                return engine.reply(HELLO)
            case events.Mail(sender):
                local = sender.address.local if sender.address else ""
                return engine.reply(Reply(550, "5.7.1", "Banned") if local == "banned" else OK)
            case events.Rcpt(recipient):
                routed = replace(recipient, params={"ROUTED": "yes"})
                return engine.reply(ADDRESS.get(recipient.address.local, OK), routed)
            case events.Data() | events.Bdat(first=True):
                self._body.clear()  # of a transaction that was given up
                return self._data()
            case events.Bdat():
                return self._data()
            case events.ChunkEnd():
                return engine.reply(event.defect or Reply(250, "2.0.0", f"{event.size} octets"))
            case events.DataEnd():
                return self._end(event)
            case events.Quit():
                return engine.reply(Reply(221, "2.0.0", "Goodbye"))
            case events.Vrfy():
                return engine.reply(Reply(252, "2.5.2", f"Try to send to {event.argument}"))
            case events.Expn():
                return engine.reply(Reply(502, "5.5.1", "Not here"))
            case events.Help():
                return engine.reply(Reply(214, "2.0.0", "RFC 5321 and others"))
            case events.StartTls():
                return engine.accept_tls()
            case events.Auth() | events.AuthLine():
                return self._auth(event)
            case events.Rset() | events.Noop():
                return engine.reply(OK)

    def _data(self) -> bytes:
        sender = self.engine.sender
        if sender is not None and sender.address and sender.address.local == "nodata":
            return self.engine.refuse_data(Reply(451, "4.3.0", "Not now"))
        return self.engine.accept_data()

    def _end(self, event: events.DataEnd) -> bytes:
        engine, out = self.engine, b""
        body = bytes(self._body)
        self._body.clear()
        if event.defect is not None:
            return engine.reply_each(event.defect)
        assert engine.sender is not None
        assert len(body) == event.size
        everybody = tuple(engine.recipients)
        wanted = tuple(r for r in everybody if r.address.local != "full")
        if wanted:
            self.taken.append(Taken(engine.sender, wanted, body, engine.protocol))
        for index in range(engine.replies_due):
            full = engine.options.role is Role.LMTP and everybody[index].address.local == "full"
            out += engine.reply(FULL if full else OK)
        return out

    def _auth(self, event: events.Auth | events.AuthLine) -> bytes:
        engine = self.engine
        if isinstance(event, events.Auth):
            self._mechanism, self._login = event.mechanism, []
            given = event.initial
        else:
            given = event.data
        if given is not None:
            self._login.append(given)
        if self._mechanism == "PLAIN" and self._login:
            if self._login[0].count(b"\0") != 2:
                return engine.auth_done(Reply(501, "5.5.2", "That is not PLAIN"))
            right = self._login[0] == CREDENTIALS
        elif self._mechanism == "LOGIN" and len(self._login) == 2:
            right = self._login == [b"ann", b"pencil"]
        else:
            prompt = (b"Username:", b"Password:")[len(self._login)]
            return engine.auth_challenge(prompt if self._mechanism == "LOGIN" else b"")
        good = Reply(235, "2.7.0", "Welcome")
        return engine.auth_done(good if right else Reply(535, "5.7.8", "Wrong"))

    # What a dialogue may say on its own

    def control(self, word: str) -> bytes:
        """A word of a dialogue: see `opened` for the first one."""
        verb, _, rest = word.partition(" ")
        engine = self.engine
        if verb == "greet":
            return self.greet()
        if verb == "turn-away":
            return engine.greet(Reply(554, "5.3.2", "No service here"))
        if verb == "eof":
            return self.eof()
        if verb == "tls":
            engine.tls_started()
            return self._handle(engine.resume())
        if verb == "closed":
            assert engine.closed
        elif verb == "taken":
            assert len(self.taken) == int(rest), self.taken
        elif verb == "body":
            from support.transcript import octets_of

            assert self.taken[-1].body == octets_of(rest), self.taken[-1].body
        elif verb == "protocol":
            assert self.taken[-1].protocol == rest, self.taken[-1].protocol
        elif verb == "flag":
            assert getattr(engine, rest)
        else:
            raise ValueError(word)
        return b""


def options_of(words: list[str]) -> tuple[Options, bool]:
    """`mx`, `submission` or `lmtp` and then what the listener is like, as words."""
    options = Options(HOST, role=ROLES[words[0]])
    tls = False
    for word in words[1:]:
        name, _, value = word.partition("=")
        if name == "tls":
            tls = True
        elif name == "bare":
            options = replace(options, bare_newline=BareNewline(value))
        elif name == "auth":
            options = replace(options, auth=tuple(value.split(",")))
        elif name == "clear":
            options = replace(options, auth_in_clear=tuple(value.split(",")))
        elif name == "with":
            extra = {Extension(keyword) for keyword in value.split(",")}
            options = replace(options, extensions=options.extensions | extra)
        elif name == "without":
            fewer = {Extension(keyword) for keyword in value.split(",")}
            options = replace(options, extensions=DEFAULT_EXTENSIONS - fewer)
        elif name == "later":
            options = replace(
                options,
                deliverby=30,
                futurerelease=(86400, "2030-01-01T00:00:00Z"),
                mt_priority="MIXER",
            )
        else:
            number: dict[str, Any] = {name: int(value)}
            options = replace(options, **number)
    return options, tls


def plain(user: str, password: str) -> str:
    """An initial response for PLAIN."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()
