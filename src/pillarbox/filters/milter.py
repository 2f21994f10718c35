"""Any milter, told of a whole transaction at its end, in the order in which it happened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.base.log import Logger
from pillarbox.filters.opinion import Opinion, Question, Trouble
from pillarbox.filters.place import Place
from pillarbox.message import compose, header
from pillarbox.model.reply import Reply
from pillarbox.model.verdict import Action, Finding
from pillarbox.net.driver import Connection
from pillarbox.wire.milter.client import (
    CHUNK,
    Added,
    Agreed,
    Answer,
    Client,
    Decision,
    Event,
    Fault,
    Quarantined,
    Unheeded,
)

log = Logger("filters")

MOST_ADDED = 64 * 1024
"""Octets of header that a filter may add."""
_OURS = frozenset({b"return-path"})
_REPLY = re.compile(r"([45][0-9]{2})[ -](?:([45]\.[0-9]{1,3}\.[0-9]{1,3})[ ])?(.*)", re.DOTALL)
_NO = frozenset({Decision.REJECT, Decision.TEMPFAIL, Decision.REPLY})
"""To a recipient: the others are not meant."""
_REJECTED = Reply(550, "5.7.1", "Refused by a filter")
_NOT_NOW = Reply(451, "4.7.1", "A filter says: try again later")


@dataclass(frozen=True, slots=True)
class Milter:
    """A ``Filter``. ``timeout`` in seconds, to connect; ``server``: our name."""

    place: Place
    server: str
    timeout: float = 30.0

    @property
    def name(self) -> str:
        """Milters do not say theirs."""
        return "milter"

    async def ask(self, question: Question) -> Opinion:
        """See ``Filter``."""
        conn = await self.place.dial(self.timeout)
        try:
            return await _Talk(conn, self.server).through(question)
        finally:
            conn.abort()


class _Over(Exception):
    """The filter has said its last word."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.decision.name)
        self.answer = answer


class _Talk:
    """One transaction on one connection."""

    def __init__(self, conn: Connection, server: str) -> None:
        self._conn = conn
        self._server = server
        self._client = Client()
        self._waiting: list[Event] = []
        self._fields: list[bytes] = []
        self._quarantined = ""
        self._unheeded: set[str] = set()

    async def through(self, question: Question) -> Opinion:
        client = self._client
        self._conn.write(client.negotiate())
        event = await self._next()
        if not isinstance(event, Agreed):
            raise Trouble("it did not negotiate")
        try:
            await self._tell(question)
            last = await self._end(question)
        except _Over as over:
            last = over.answer
        self._conn.write(client.quit())
        await self._conn.drain()
        if self._unheeded:
            log.info("milter.unheeded", id=question.envelope.id, wishes=sorted(self._unheeded))
        return self._opinion(last)

    async def _tell(self, question: Question) -> None:
        client, envelope, peer = self._client, question.envelope, question.envelope.peer
        sender = envelope.sender.address
        told = {"j": self._server, "{daemon_name}": "pillarbox", "v": "Pillarbox"}
        self._conn.write(client.macros(b"C", told))
        await self._step("connect", client.connect(peer.helo or f"[{peer.ip}]", peer.ip, peer.port))
        self._conn.write(client.macros(b"H", {"{tls_version}": peer.tls.partition(" ")[0]}))
        await self._step("helo", client.helo(peer.helo))
        mail = {"i": envelope.id, "{mail_addr}": str(sender or ""), "{auth_authen}": peer.user}
        self._conn.write(client.macros(b"M", mail))
        await self._step("mail", client.mail(str(sender or "")))
        refused = []
        for recipient in envelope.recipients:
            self._conn.write(client.macros(b"R", {"{rcpt_addr}": str(recipient.address)}))
            packet = client.rcpt(str(recipient.address))
            answer = await self._step("rcpt", packet, each=True)
            if answer is not None and answer.decision in _NO:
                refused.append(answer)
        if refused and len(refused) == len(envelope.recipients):
            # Whoever may be let in later decides: nothing is refused for good that need not be.
            raise _Over(next((one for one in refused if _for_now(one)), refused[-1]))
        if refused:
            # Those recipients were accepted; one of several is not ours to refuse any more.
            self._unheeded.add("refusal of a recipient")
        self._conn.write(client.macros(b"T", {"i": envelope.id}))
        await self._step("data", client.data())

    async def _end(self, question: Question) -> Answer:
        client, content = self._client, question.content
        head = bytes(content[: _head_size(content)])
        found = header.section(head, 0, len(head))
        for name, value in _fields(head, found, leading=client.leading_space):
            await self._step("header", client.header(name, value))
        await self._step("eoh", client.end_of_header())
        if client.wants("body"):
            for at in range(found.body_start, len(content), CHUNK):
                answer = await self._step("body", client.body(bytes(content[at : at + CHUNK])))
                if answer is not None and answer.decision is Decision.SKIP:
                    break
                await self._conn.drain()
        self._conn.write(client.macros(b"E", {"i": question.envelope.id}) + client.end())
        while True:
            event = await self._next()
            if isinstance(event, Answer):
                return event
            self._wish(event)

    async def _step(self, step: str, packet: bytes, *, each: bool = False) -> Answer | None:
        if not self._client.wants(step):
            return None
        self._conn.write(packet)
        if not self._client.answers(step):
            return None
        event = await self._next()
        if not isinstance(event, Answer):
            raise Trouble("it wants to change the message before its end")
        if event.decision in {Decision.CONTINUE, Decision.SKIP} or (each and event.decision in _NO):
            return event
        raise _Over(event)

    async def _next(self) -> Event:
        while not self._waiting:
            data = await self._conn.read()
            if not data:
                raise Trouble("it hung up")
            self._waiting = self._client.feed(data)
        event = self._waiting.pop(0)
        if isinstance(event, Fault):
            raise Trouble(event.text)
        return event

    def _wish(self, event: Event) -> None:
        if isinstance(event, Added):
            value = event.value.replace(b"\r", b"").replace(b"\n", b" ")
            self._fields.append(compose.raw_field(event.name.decode("ascii"), value.strip()))
            if sum(map(len, self._fields)) > MOST_ADDED:
                raise Trouble("it adds too much")
        elif isinstance(event, Unheeded):
            self._unheeded.add(event.wish)
        elif isinstance(event, Quarantined):
            self._quarantined = event.reason or "a filter wants it out of the way"

    def _opinion(self, last: Answer) -> Opinion:
        word = last.decision.name.lower()
        finding, fields = Finding("milter", word, last.text), b"".join(reversed(self._fields))
        if last.decision in {Decision.REJECT, Decision.DISCARD}:
            return Opinion(Action.REFUSE, "a filter refuses it", finding, _REJECTED)
        if last.decision is Decision.TEMPFAIL:
            return Opinion(Action.DEFER, "a filter puts it off", finding, _NOT_NOW)
        if last.decision is Decision.REPLY:
            reply = _reply(last.text)
            action = Action.DEFER if reply.temporary else Action.REFUSE
            return Opinion(action, f"a filter says: {reply.text}", finding, reply)
        if self._quarantined:
            finding = Finding("milter", "quarantine", self._quarantined)
            return Opinion(Action.JUNK, self._quarantined, finding, fields=fields)
        return Opinion(finding=finding, fields=fields)


def _head_size(content: memoryview) -> int:
    """Octets that hold the header, as far as filters are told of it."""
    return min(len(content), 1 << 20)


def _fields(head: bytes, found: header.Section, *, leading: bool) -> Iterator[tuple[bytes, bytes]]:
    """The fields of the sender, not the one that we put in front."""
    for field in found.fields:
        if field.name and field.name not in _OURS:
            name, _, value = head[field.start : field.end].partition(b":")
            value = value.removesuffix(b"\n").removesuffix(b"\r")
            yield name.rstrip(b" \t"), value if leading else value.removeprefix(b" ")


def _for_now(answer: Answer) -> bool:
    if answer.decision is Decision.REPLY:
        return _reply(answer.text).temporary
    return answer.decision is Decision.TEMPFAIL


def _reply(text: str) -> Reply:
    found = _REPLY.match(text)
    if found is None:
        return _REJECTED
    code, enhanced, words = found.groups()
    line = " ".join(words.split())[:400] or "Refused by a filter"
    return Reply(int(code), enhanced or f"{code[0]}.7.1", line)
