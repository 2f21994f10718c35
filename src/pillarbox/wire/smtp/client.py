"""The client's side of SMTP, submission and LMTP: replies in, events out, commands to write.

The caller acts, the engine writes commands into ``outgoing()`` and turns replies into events::

    client = Client(ClientOptions("mail.example.org"))
    while not client.closed:
        if out := client.outgoing():
            await write(out)
        for event in client.feed(await read()):  # client.eof() when read gives nothing
            match event:
                case Greeting(reply):
                    client.hello() if reply.ok else client.quit()
                case Welcome():
                    settle(client.send(sender, recipients))
                case ContentWanted():
                    async for block in message:
                        client.content(block)
                        await write(client.outgoing())
                    client.finish()
                case Outcome(index, reply, stage): ...
                case TransactionOver():
                    client.quit()

**One outcome a recipient.** Whatever happens (refused, partly refused, lost, not even sent because
the server lacks what the message needs) ``send`` is followed by exactly one ``Outcome`` for each
recipient and then by ``TransactionOver``. ``send`` returns those that need no server.

**As few round trips as the server allows.** With PIPELINING the envelope and DATA go out at once;
then a 354 for no recipient is answered with a lone dot (RFC 2920 §3.1). BDAT is used for
BINARYMIME, or always where ``prefer_chunking``. A transaction left open by a refused DATA is
cleared by RSET in front of the next one. Read while you write: a server with many recipients to
answer may stop reading when nobody listens.

**Nothing smuggled out.** Content that is not BINARYMIME leaves with CRLF line ends only and with
its dots doubled; addresses leave only if our own grammar reads them back the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.wire.smtp import envelope
from pillarbox.wire.smtp.answers import Answer
from pillarbox.wire.smtp.client_events import (
    ClientEvent,
    ContentWanted,
    Outcome,
    RecipientAnswered,
    SenderAnswered,
    Stage,
    TransactionOver,
)
from pillarbox.wire.smtp.client_session import OUT_OF_TURN, ClientOptions, ClientSession
from pillarbox.wire.smtp.client_states import ClientState
from pillarbox.wire.smtp.data import DotWriter, LineEnds
from pillarbox.wire.smtp.options import BareNewline, Extension

__all__ = ["Client", "ClientOptions"]


class Client(ClientSession):
    """One connection as the client sees it. See the module's text for how to drive it."""

    __slots__ = (
        "_accepted",
        "_chunked",
        "_dirty",
        "_dots",
        "_ends",
        "_failed",
        "_finals",
        "_open",
        "_pipelined",
        "_sending",
        "_todo",
    )

    def __init__(self, options: ClientOptions, *, tls: bool = False) -> None:
        super().__init__(options, tls=tls)
        self._sending = False  # between send() and TransactionOver
        self._dirty = False  # the server has a transaction open that is no use any more
        self._todo: deque[tuple[bytes, Callable[[Answer], None]]] = deque()
        self._open: dict[int, None] = {}  # recipients without outcome, in order
        self._accepted: list[int] = []  # of those, the ones the server took at RCPT
        self._finals: deque[int] = deque()  # LMTP: whose final reply is next
        self._pipelined = False
        self._chunked = False
        self._failed = False  # MAIL or a chunk was refused
        self._ends: LineEnds | None = None
        self._dots = DotWriter()

    # The envelope

    def send(self, sender: Sender, recipients: Sequence[Recipient]) -> list[ClientEvent]:
        """Begin a transaction; return what is certain without the server.

        If that is an outcome for everyone, TransactionOver is in the list and nothing is sent.
        """
        self._act("send")
        offered = self.capabilities
        self._sending = True
        self._open = dict.fromkeys(range(len(recipients)))
        self._accepted = []
        self._failed = False
        self._pipelined = self.options.pipelining and offered.has(Extension.PIPELINING)
        binary = sender.body == "BINARYMIME"
        self._chunked = offered.has(Extension.CHUNKING) and (binary or self.options.prefer_chunking)
        self._ends = None if binary else LineEnds(BareNewline.NORMALISE)
        self._dots = DotWriter()
        self._plan(sender, recipients)
        self._advance()
        return self._take_events()

    def _plan(self, sender: Sender, recipients: Sequence[Recipient]) -> None:
        """Fill ``_todo`` with the commands, or settle at once what cannot be sent."""
        offered = self.capabilities
        lacking = envelope.shortfall(sender, offered, eightbit_anyway=self.options.eightbit_anyway)
        utf8 = envelope.use_utf8(sender, recipients, offered)
        mail = envelope.mail_line(sender, offered, utf8=utf8, authenticated=self.authenticated)
        if mail is None:
            lacking = lacking or envelope.BAD_SENDER
        if lacking is not None or mail is None:
            self._settle_all(lacking or envelope.BAD_SENDER, Stage.BEFORE)
            return
        lines: list[tuple[bytes, Callable[[Answer], None]]] = []
        most = offered.limit("RCPTMAX")  # RFC 9422 §5
        for index, recipient in enumerate(recipients):
            line = envelope.rcpt_line(recipient, offered, utf8=utf8)
            if line is None:
                self._settle(index, envelope.unwritable(recipient), Stage.BEFORE)
            elif most and len(lines) >= most:
                self._settle(index, envelope.TOO_MANY, Stage.BEFORE)
            else:
                lines.append((line, partial(self._rcpt_answered, index)))
        if not lines:
            return
        if self._dirty:
            self._dirty = False
            self._todo.append((b"RSET\r\n", self._cleared))
        self._todo.append((mail, self._mail_answered))
        self._todo.extend(lines)
        if self._pipelined and not self._chunked:
            self._todo.append((b"DATA\r\n", self._data_answered))

    def _advance(self) -> None:
        """Write the next commands, or what comes after the last of them."""
        while self._todo and (self._pipelined or not self._expected):
            line, heard = self._todo.popleft()
            self._out.append(line)
            self._expected.append(heard)
        if self._expected or self.state is not ClientState.ENVELOPE:
            return
        if not self._open:
            self._over()
        elif self._chunked:
            self._want_content("go")
        else:
            self._out.append(b"DATA\r\n")
            self._expected.append(self._data_answered)

    def _cleared(self, answer: Answer) -> None:
        self._advance()  # RSET cannot fail (RFC 5321 §4.1.1.5); MAIL will tell if it did

    def _mail_answered(self, answer: Answer) -> None:
        reply = answer.reply
        self._events.append(SenderAnswered(reply))
        if reply.code // 100 == 2:
            self._dirty = True
        else:
            self._failed = True
            if not self._pipelined:
                self._todo.clear()
            self._settle_all(_refusal(reply), Stage.MAIL)
        self._advance()

    def _rcpt_answered(self, index: int, answer: Answer) -> None:
        reply = answer.reply
        self._events.append(RecipientAnswered(index, reply))
        if not self._failed:
            if reply.code // 100 == 2:
                self._accepted.append(index)
            else:
                full = bool(self._accepted) and _is_one_too_many(reply)
                self._settle(index, _for_now(reply) if full else _refusal(reply), Stage.RCPT)
        self._advance()

    def _data_answered(self, answer: Answer) -> None:
        reply = answer.reply
        if reply.code == 354 and self._open:
            self._want_content("go")
        elif reply.code == 354:
            # RFC 2920 §3.1: nobody to send it to, so send nothing.
            self._out.append(b".\r\n")
            if self.options.lmtp:  # no recipients, no replies (RFC 2033 §4.2)
                self._dirty = False
                self._over()
            else:
                self._expected.append(self._dot_answered)
        else:
            self._settle_all(_refusal(reply), Stage.DATA)
            self._over()

    def _dot_answered(self, answer: Answer) -> None:
        self._dirty = False
        self._over()

    # The content

    def _want_content(self, what: str) -> None:
        self._move(what)
        self._events.append(ContentWanted())

    @property
    def may_send(self) -> bool:
        """True while ``content`` and ``finish`` are wanted."""
        return self.state is ClientState.CONTENT

    def content(self, data: bytes) -> None:
        """Send a piece of the message; each is one BDAT where chunks are used, so not too small."""
        self._act("content")
        if self._ends is not None:
            data = self._ends.feed(data)
        if not self._chunked:
            self._out.append(self._dots.feed(data))
        elif data:
            self._out.append(b"BDAT %d\r\n" % len(data))
            self._out.append(data)
            self._expected.append(self._chunk_answered)
            if not self._pipelined:
                self.state = ClientState.CHUNK

    def finish(self, data: bytes = b"") -> None:
        """Send the last piece, or none, and the end of the message."""
        self._act("finish")
        if self._ends is not None:
            data = self._ends.feed(data) + self._ends.finish()
        if self._chunked:
            self._out.append(b"BDAT %d LAST\r\n" % len(data))
            self._out.append(data)
        else:
            self._out.append(self._dots.feed(data) + self._dots.finish())
        if self.options.lmtp:  # RFC 2033 §4.2: one reply for each
            self._finals = deque(self._accepted)
            self._expected.extend([self._final_of_one] * len(self._finals))
        else:
            self._expected.append(self._final_of_all)

    def _chunk_answered(self, answer: Answer) -> None:
        reply = answer.reply
        if reply.code // 100 != 2 and not self._failed:
            # RFC 3030 §2: no more chunks, and RSET before anything else.
            self._failed = True
            self._settle_all(_refusal(reply), Stage.CONTENT)
        if self._failed:
            if not self._expected:
                self._over()
            elif self.state is ClientState.CONTENT:
                self._move("-")  # the replies to chunks on their way are still to come
        elif self.state is ClientState.CHUNK:
            self._want_content("+")

    def _final_of_all(self, answer: Answer) -> None:
        self._finish_with(answer.reply)

    def _finish_with(self, reply: Reply) -> None:
        if not self._failed:  # after a failed chunk the transaction is still open over there
            self._dirty = False
        final = reply if reply.code // 100 == 2 else _refusal(reply)
        self._settle_all(final, Stage.CONTENT)
        self._over()

    def _final_of_one(self, answer: Answer) -> None:
        reply = answer.reply
        final = reply if reply.code // 100 == 2 else _refusal(reply)
        self._settle(self._finals.popleft(), final, Stage.CONTENT)
        if not self._finals:
            self._dirty = self._failed
            self._over()

    # How it ends

    def _settle(self, index: int, reply: Reply, stage: Stage) -> None:
        if index in self._open:
            del self._open[index]
            self._events.append(Outcome(index, reply, stage))

    def _settle_all(self, reply: Reply, stage: Stage) -> None:
        for index in list(self._open):
            self._settle(index, reply, stage)

    def _over(self) -> None:
        self._sending = False
        self._todo.clear()
        self._move("over")
        self._events.append(TransactionOver())

    def _unasked(self, reply: Reply) -> None:
        """A refusal in the middle of the content: it stands, but the server is not with us."""
        if self._sending and not reply.ok:
            self._settle_all(reply, Stage.CONTENT)
        self._lose(OUT_OF_TURN)

    def _lose(self, why: Reply) -> None:
        if self._sending:
            self._sending = False
            self._settle_all(why if why.temporary else OUT_OF_TURN, Stage.LOST)
            self._events.append(TransactionOver())
        super()._lose(why)

    def reset(self) -> None:
        """RSET, to give up nothing or to keep a connection warm; leads to Answered."""
        self._act("reset")
        self._dirty = False
        self._command("RSET", lambda answer: self._answered("reset", answer))


def _refusal(reply: Reply) -> Reply:
    """What is neither success nor refusal where one of them is due counts as a temporary one."""
    return reply if reply.code >= 400 else _for_now(reply)


def _is_one_too_many(reply: Reply) -> bool:
    """Behind others that were taken, the code that RFC 821 had for too many recipients (RFC 5321
    §4.5.3.1.10), unless it says that it is about the mailbox (RFC 3463 §3.3)."""
    return reply.code == 552 and reply.enhanced in {"", "5.5.3"}


def _for_now(reply: Reply) -> Reply:
    """What was said, as something to try again after."""
    enhanced = "4.5.3" if reply.code >= 400 else "4.5.0"
    return Reply(451, enhanced, f"The server answered {reply}")
