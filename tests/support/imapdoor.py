"""An IMAP server without sockets or store: the engine, two mailboxes and one user.

It answers the way the real door must: the dialogues of `tests/transcripts/imap` are played with
both. `ann` logs in with `pencil`; INBOX holds three messages with the UIDs 4, 7
and 9, `Sent` none. What a dialogue does not need is answered OK.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from pillarbox.model import flags
from pillarbox.model.numset import NumSet, resolve
from pillarbox.wire.imap import commands as c
from pillarbox.wire.imap import events as e
from pillarbox.wire.imap import render
from pillarbox.wire.imap.capability import Facts, enabled, names
from pillarbox.wire.imap.limits import Limits
from pillarbox.wire.imap.server import Event, ServerEngine
from pillarbox.wire.imap.state import State

USER, PASSWORD = "ann", "pencil"
LIMITS = Limits(append=100_000, swallow=200_000, literal=5_000, line=9_000)


@dataclass(slots=True)
class Message:
    """A message of the toy store."""

    uid: int
    body: bytes
    bits: int = 0


@dataclass(slots=True)
class Box:
    """A mailbox of the toy store."""

    uidnext: int = 1
    messages: list[Message] = field(default_factory=list)

    def add(self, body: bytes, bits: int = 0) -> int:
        """Append a message; its UID."""
        self.messages.append(Message(self.uidnext, body, bits))
        self.uidnext += 1
        return self.uidnext - 1


def _boxes() -> dict[str, Box]:
    inbox = Box()
    for uid, bits in ((4, flags.SEEN), (7, 0), (9, flags.SEEN | flags.ANSWERED)):
        inbox.uidnext = uid
        inbox.add(b"Subject: %d\r\n\r\nbody of %d\r\n" % (uid, uid), bits)
    return {"INBOX": inbox, "Sent": Box()}


class ImapDoor:
    """Feed it packets, read its answers. `bytewise` hands the engine one octet at a time."""

    def __init__(
        self, *, secure: bool = True, bytewise: bool = False, limits: Limits = LIMITS
    ) -> None:
        self.engine = ServerEngine(limits)
        self.secure = secure
        self.bytewise = bytewise
        self.closed = False
        self.injected = False
        self.boxes = _boxes()
        self.selected = ""
        self.events: list[Event] = []
        self._append: list[bytearray] = []
        self._start: c.AppendStart | None = None
        self._refused = False

    def greet(self) -> bytes:
        """The greeting with its capabilities."""
        return render.ok("*", "Pillarbox ready", render.codes.capability(self._names()))

    def talk(self, data: bytes) -> bytes:
        """Everything the server says to these bytes."""
        pieces = [data[i : i + 1] for i in range(len(data))] if self.bytewise else [data]
        return self._handle([event for piece in pieces for event in self.engine.feed(piece)])

    def control(self, word: str) -> bytes:
        """What the network does: `tls` (the handshake is over), `eof`."""
        assert word in {"tls", "eof"}, word
        if word == "tls":
            self.secure = True
            return b""
        return self._handle(self.engine.eof())

    def _names(self) -> list[str]:
        facts = Facts(
            starttls=not self.secure,
            login=self.secure,
            mechanisms=("PLAIN",) if self.secure else (),
            append_limit=self.engine.limits.append,
        )
        return names(self.engine.state, facts)

    def _handle(self, found: list[Event]) -> bytes:
        out = []
        while found:
            assert not self.closed
            for event in found:
                self.events.append(event)
                out.append(self._answer(event))
            self.engine.done()
            found = self.engine.resume()
        return b"".join(out)

    def _answer(self, event: Event) -> bytes:
        engine = self.engine
        match event:
            case e.Send():
                return event.data
            case e.BadCommand():
                self._append.clear()
                return event.reply
            case e.Bye():
                self.closed = True
                return event.reply
            case e.Disconnected():
                self.closed = True
                return b""
            case c.Capability(tag):
                return render.capability(render.codes.capability(self._names())) + render.ok(
                    tag, "Done"
                )
            case c.Logout(tag):
                self.closed = True
                engine.state = State.LOGOUT
                return render.bye("Goodbye") + render.ok(tag, "Done")
            case c.Login(tag, user, password):
                if not self.secure:
                    return render.no(tag, "Use TLS", render.codes.PRIVACYREQUIRED)
                return self._enter(tag, (user, password) == (USER, PASSWORD))
            case c.Authenticate() | e.AuthResponse() | e.AuthCancelled():
                return self._sasl(event)
            case c.StartTls(tag):
                if self.secure:
                    return render.bad(tag, "TLS is active already")
                engine.accept()
                self.injected = engine.injected > 0
                return render.ok(tag, "Begin TLS negotiation now")
            case c.Enable(tag):
                return render.enabled(enabled(event.names)) + render.ok(tag, "Done")
            case c.Id(tag):
                return render.id_({"name": "Pillarbox"}) + render.ok(tag, "Done")
            case c.Idle():
                return engine.accept()
            case e.IdleDone(tag):
                return render.ok(tag, "Done")
            case c.AppendStart() | e.LiteralChunk() | c.AppendEnd():
                return self._appending(event)
            case _:
                return self._about_mailboxes(event)

    def _enter(self, tag: str, right: bool) -> bytes:
        if not right:
            return render.no(tag, "Wrong", render.codes.AUTHENTICATIONFAILED)
        self.engine.state = State.AUTHENTICATED
        return render.ok(tag, "Logged in", render.codes.capability(self._names()))

    def _sasl(self, event: c.Authenticate | e.AuthResponse | e.AuthCancelled) -> bytes:
        if isinstance(event, e.AuthCancelled):
            return render.bad(event.tag, "Cancelled")
        if isinstance(event, c.Authenticate):
            if event.mechanism != "PLAIN":
                return render.no(event.tag, "Unknown mechanism")
            data = event.initial
        else:
            data = event.data
        if data is None:
            return self.engine.challenge(b"")
        if data.count(b"\0") != 2:
            return render.bad(event.tag, "That is not PLAIN", render.codes.CLIENTBUG)
        return self._enter(event.tag, data == f"\0{USER}\0{PASSWORD}".encode())

    def _appending(self, event: c.AppendStart | e.LiteralChunk | c.AppendEnd) -> bytes:
        match event:
            case c.AppendStart(tag, name):
                if name not in self.boxes:
                    self.engine.refuse()
                    return render.no(tag, "There is no such mailbox", render.codes.TRYCREATE)
                self._start = event
                self._append.append(bytearray())
                return self.engine.accept()
            case e.LiteralChunk(data):
                self._append[-1] += data
                return b""
            case c.AppendEnd(tag):
                assert self._start is not None
                box = self.boxes[self._start.mailbox]
                uids = NumSet.of([box.add(bytes(body)) for body in self._append])
                self._append.clear()
                return render.ok(tag, "Done", render.codes.appenduid(17, uids))

    def _about_mailboxes(self, event: Event) -> bytes:
        match event:
            case c.Select(tag, name):
                return self._select(tag, name, read_only=event.examine)
            case c.Close(tag) | c.Unselect(tag):
                self.engine.state = State.AUTHENTICATED
                return render.ok(tag, "Done")
            case c.Create(tag, name):
                if name in self.boxes:
                    return render.no(tag, "It exists", render.codes.ALREADYEXISTS)
                self.boxes[name] = Box()
                return render.ok(tag, "Done")
            case c.Delete(tag, name):
                if self.boxes.pop(name, None) is None:
                    return render.no(tag, "There is none", render.codes.NONEXISTENT)
                return render.ok(tag, "Done")
            case c.List(tag):
                rows = [render.list_((), name) for name in sorted(self.boxes)]
                return b"".join(rows) + render.ok(tag, "Done")
            case c.Status(tag, name, items):
                box = self.boxes[name]
                known = {
                    c.StatusAtt.MESSAGES: len(box.messages),
                    c.StatusAtt.UIDNEXT: box.uidnext,
                    c.StatusAtt.UIDVALIDITY: 17,
                    c.StatusAtt.APPENDLIMIT: None,
                }
                values = [(item.value, known[item]) for item in items]
                return render.status(name, values) + render.ok(tag, "Done")
            case c.Fetch():
                return self._fetch(event)
            case c.Search(tag):
                box = self.boxes[self.selected]
                found = [m.uid if event.uid else n for n, m in enumerate(box.messages, 1)]
                if event.returns is None:
                    return render.search(found) + render.ok(tag, "Done")
                answer = render.esearch(
                    tag, uid=event.uid, found=NumSet.of(found), count=len(found)
                )
                return answer + render.ok(tag, "Done")
            case _:
                assert hasattr(event, "tag")
                return render.ok(event.tag, "Done")

    def _select(self, tag: str, name: str, *, read_only: bool) -> bytes:
        if name not in self.boxes:
            self.engine.state = State.AUTHENTICATED
            return render.no(tag, "There is no such mailbox", render.codes.NONEXISTENT)
        box = self.boxes[self.selected] if self.selected == name else self.boxes[name]
        self.selected = name
        self.engine.state = State.SELECTED
        code = render.codes
        kept = () if read_only else flags.SYSTEM_FLAGS
        unseen = [n for n, m in enumerate(box.messages, 1) if not m.bits & flags.SEEN]
        return b"".join(
            (
                render.flags(flags.SYSTEM_FLAGS),
                render.ok("*", "Kept", code.permanentflags(kept, more=not read_only)),
                render.exists(len(box.messages)),
                render.recent(0),
                render.ok("*", "Unseen", code.unseen(unseen[0])) if unseen else b"",
                render.numbers(17, box.uidnext, 42),
                render.ok("*", "Id", code.mailboxid("M1")),
                render.ok(tag, "Done", code.READ_ONLY if read_only else code.READ_WRITE),
            )
        )

    def _fetch(self, event: c.Fetch) -> bytes:
        box = self.boxes[self.selected]
        numbered = [(m.uid if event.uid else n, n, m) for n, m in enumerate(box.messages, 1)]
        wanted = resolve(event.ranges, numbered[-1][0] if numbered else 0)
        rows = [(n, m) for key, n, m in numbered if key in wanted]
        table = render.FlagTable(())
        columns = []
        for item in event.items:
            if item is c.FetchAtt.UID:
                columns.append(render.uid_column([m.uid for _, m in rows]))
            elif item is c.FetchAtt.FLAGS:
                columns.append(render.flags_column([m.bits for _, m in rows], table))
            elif item is c.FetchAtt.SIZE:
                columns.append(render.size_column([len(m.body) for _, m in rows]))
            elif isinstance(item, c.Section):
                start, length = item.partial or (0, 1 << 40)
                cut = [m.body[start : start + length] for _, m in rows]
                columns.append(render.literal_column(item.label, cut))
        answer = render.fetch_rows([n for n, _ in rows], columns) if rows else b""
        return answer + render.ok(event.tag, "Done")


def plain(user: str = USER, password: str = PASSWORD) -> str:
    """The base64 of SASL PLAIN."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()
