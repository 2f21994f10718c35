"""The server's side of SMTP, submission and LMTP: bytes in, events out; replies in, bytes out.

A server loop uses one ``Engine`` a connection, like this::

    engine = Engine(options, tls=False)
    write(engine.greet())
    while data := await read():
        events = engine.feed(data)
        while events:
            for event in events:
                write(await handlers[type(event)](event))
            if engine.closed:  # after 221, 421 or a fatal fault
                return
            events = engine.resume()
        await drain()
    for event in engine.eof(): ...

and a handler checks, asks somebody, and answers with a ``model.reply.Reply``::

    async def on_rcpt(event: Rcpt) -> bytes:
        routed, reply = await route(event.recipient)
        return engine.reply(reply, routed)

    async def on_fault(event: Fault) -> bytes:
        return engine.reply(event.reply)

**One command at a time.** Every event but ``DataChunk`` and ``Gone`` waits for its answer, and the
engine reads on only after it. So a refused MAIL makes the RCPT pipelined behind it a 503 without
anybody having to remember; replies leave in order; a body behind a refused DATA is never content.

**The answer commits.** ``reply`` looks up what was asked, changes the state by ``states.TABLE``
and returns the bytes to write. ``sender`` and ``recipients`` are the transaction as committed so
far; they are there until the last reply to ``DataEnd`` has been given.

Gates and the methods that open them (``reply`` would do as well, these only read better):

=================  =======================================================
Data, Bdat         ``accept_data()``, ``refuse_data(reply)``
Auth, AuthLine     ``auth_challenge(data)``, ``auth_done(reply)``
StartTls           ``accept_tls()`` then, after the handshake, ``tls_started()``
DataEnd            ``reply`` ``replies_due`` times, or ``reply_each(reply)``
=================  =======================================================
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender
from pillarbox.wire.smtp import replies
from pillarbox.wire.smtp.data import Content, DotReader
from pillarbox.wire.smtp.events import (
    Auth,
    AuthAborted,
    AuthLine,
    Bdat,
    ChunkEnd,
    Data,
    DataEnd,
    Event,
    Expn,
    Fault,
    Hello,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
)
from pillarbox.wire.smtp.reading import Reading
from pillarbox.wire.smtp.states import ENDS, State

_LAST_IN_GROUP = frozenset({Hello, Data, StartTls, Vrfy, Expn, Noop})
"""RFC 2920 §3.1: nothing may be sent behind these before they are answered. (AUTH and QUIT are
on its list too, with exceptions that make them no sign of anything.)"""


class Engine(Reading):
    """One connection as the server sees it. See the module's text for how to drive it."""

    __slots__ = ()

    def greet(self, reply: Reply | None = None) -> bytes:
        """The first words: 220, or a refusal (554 turns the client away, 421 closes)."""
        if self.state is not State.SILENT:
            raise RuntimeError("the client has been greeted already")
        if reply is None or reply.ok:
            text = f"{self.options.hostname} {reply.text if reply else self.options.banner}"
            self._enter(ENDS[State.SILENT, True])
            return replies.render(Reply(220, "", text), enhanced=False)
        self._enter(ENDS[State.SILENT, False])
        if reply.code == 421:
            self._close()
        return replies.render(reply, enhanced=False)

    def reply(self, reply: Reply, keep: Sender | Recipient | None = None) -> bytes:
        """Answer the event that waits; return what to write.

        ``keep`` replaces the sender or recipient of the event in the transaction, for a routed
        recipient or a rewritten sender. Raises RuntimeError if nothing waits, or if a message
        known to be defective is accepted: bugs both.
        """
        asked = self._asked
        if asked is None:
            raise RuntimeError("no event waits for an answer")
        kind = type(asked)
        if kind in _LAST_IN_GROUP and self._lines:
            self.talked_over = True
        commit = _COMMITS.get(kind)
        out = commit(self, asked, reply, keep) if commit is not None else None
        if out is None:
            utf8 = not reply.text.isascii() and self._may_utf8(asked)
            out = replies.render(reply, enhanced=self._enhanced, utf8=utf8)
        self._due -= 1
        if not self._due:
            self._asked = None
            if kind is DataEnd:
                self._end_transaction(ENDS.get((self.state, reply.ok), State.CLOSED))
        if reply.code == 421:
            self._close()  # RFC 5321 §3.8: it announces that
        return out

    def _may_utf8(self, asked: Event) -> bool:
        """Whether the client said that it reads UTF-8 in this reply (RFC 6531 §3.7.4)."""
        if isinstance(asked, Vrfy | Expn):
            return asked.smtputf8
        return self.session.sender is not None and self.session.sender.smtputf8

    def reply_each(self, reply: Reply) -> bytes:
        """The same answer for everything that is due: a whole message refused in LMTP."""
        return b"".join([self.reply(reply) for _ in range(self._due)])

    def accept_data(self) -> bytes:
        """Let the content in: 354 for DATA, nothing for BDAT."""
        return self.reply(replies.START_INPUT)

    def refuse_data(self, reply: Reply) -> bytes:
        """Do not want the content. For BDAT the reply comes back when its octets are gone."""
        return self.reply(reply)

    def auth_challenge(self, data: bytes) -> bytes:
        """334 with the challenge; the next line becomes an AuthLine or AuthAborted."""
        if not isinstance(self._asked, Auth | AuthLine):
            raise RuntimeError("no AUTH exchange is going on")
        self._asked = None
        self._due = 0
        self._enter(State.SASL)
        return b"334 " + binascii.b2a_base64(data, newline=False) + b"\r\n"

    def auth_done(self, reply: Reply) -> bytes:
        """End of the exchange: 235, or why not."""
        return self.reply(reply)

    def accept_tls(self) -> bytes:
        """220. Write it in the clear, then do the handshake with what comes after."""
        return self.reply(replies.GO_AHEAD)

    def tls_started(self, auth: tuple[str, ...] | None = None) -> None:
        """The handshake is done: everything said before is forgotten (RFC 3207 §4.2).

        ``auth`` replaces the mechanisms of the options, for those that need the channel binding
        of this very connection; None leaves them.
        """
        if self.state is not State.TLS:
            raise RuntimeError("STARTTLS has not been accepted")
        if auth is not None:
            self.options = replace(self.options, auth=auth)
        self.session.start_tls(self.options)
        self._enter(ENDS[State.TLS, True])

    # What an answer commits, by the event it answers. Each returns the bytes to write, or None
    # for the reply as it is.

    def _hello(self, asked: Hello, reply: Reply, _keep: None) -> bytes:
        if not reply.ok:
            return replies.render(reply, enhanced=False)
        self.session.helo = asked.name
        self.session.extended = asked.extended
        self._end_transaction(self._cell)  # RFC 5321 §4.1.4: as if by RSET
        text = f"{self.options.hostname} {reply.text}".rstrip()
        lines = replies.wrap(text)[:1]
        if asked.extended:
            lines += [line.encode("ascii") for line in self.session.offer.lines]
        return replies.multiline(str(reply.code), "", lines)

    def _mail(self, asked: Mail, reply: Reply, keep: Sender | None) -> None:
        if reply.ok:
            self.session.sender = keep or asked.sender
            self._enter(self._cell)

    def _rcpt(self, asked: Rcpt, reply: Reply, keep: Recipient | None) -> None:
        if reply.ok:
            self.session.recipients.append(keep or asked.recipient)
            self._enter(self._cell)

    def _rset(self, _asked: Rset, reply: Reply, _keep: None) -> None:
        if reply.ok:
            self._end_transaction(self._cell)

    def _data(self, _asked: Data, reply: Reply, _keep: None) -> None:
        if reply.code // 100 == 3:
            self._open_content(doubled=True)
            self._enter(self._cell)
        elif reply.ok:
            raise RuntimeError("DATA is accepted with 354")

    def _bdat(self, _asked: Bdat, reply: Reply, _keep: None) -> bytes:
        if not reply.ok:
            self._refusal = reply
        elif self._content is None:
            self._open_content(doubled=False)
        self._enter(self._cell)
        return b""

    def _open_content(self, *, doubled: bool) -> None:
        sender = self.session.sender
        binary = sender is not None and sender.body == "BINARYMIME"
        self._dots = DotReader()
        self._content = Content(
            None if binary else self.options.newline,  # RFC 3030 §3: not an octet is touched
            self.options.max_size,
            doubled=doubled,
        )

    def _chunk_end(self, asked: ChunkEnd, reply: Reply, _keep: None) -> None:
        if reply.ok and asked.defect is not None:
            raise RuntimeError("a defective chunk cannot be accepted")
        self._enter(ENDS[State.CHUNK, reply.ok])

    def _data_end(self, asked: DataEnd, reply: Reply, _keep: None) -> None:
        if reply.ok and asked.defect is not None:
            raise RuntimeError("a defective message cannot be accepted")

    def _auth(self, _asked: Auth | AuthLine | AuthAborted, reply: Reply, _keep: None) -> None:
        if reply.code // 100 == 3:
            raise RuntimeError("a challenge is sent by auth_challenge")
        self.session.authenticated = reply.ok
        self._enter(ENDS[State.SASL, reply.ok])

    def _starttls(self, _asked: StartTls, reply: Reply, _keep: None) -> None:
        if reply.ok:
            # CVE-2011-0411: what stands behind the command in the clear is nobody's command.
            self.plaintext_injected = bool(self._lines)
            self._lines.drop()
            self._enter(self._cell)

    def _quit(self, _asked: Quit, _reply: Reply, _keep: None) -> None:
        self._close()

    def _fault(self, asked: Fault, _reply: Reply, _keep: None) -> None:
        if asked.fatal:
            self._close()


_COMMITS: Mapping[type, Callable[[Any, Any, Reply, Any], bytes | None]] = {
    Hello: Engine._hello,  # noqa: SLF001
    Mail: Engine._mail,  # noqa: SLF001
    Rcpt: Engine._rcpt,  # noqa: SLF001
    Rset: Engine._rset,  # noqa: SLF001
    Data: Engine._data,  # noqa: SLF001
    Bdat: Engine._bdat,  # noqa: SLF001
    ChunkEnd: Engine._chunk_end,  # noqa: SLF001
    DataEnd: Engine._data_end,  # noqa: SLF001
    Auth: Engine._auth,  # noqa: SLF001
    AuthLine: Engine._auth,  # noqa: SLF001
    AuthAborted: Engine._auth,  # noqa: SLF001
    StartTls: Engine._starttls,  # noqa: SLF001
    Quit: Engine._quit,  # noqa: SLF001
    Fault: Engine._fault,  # noqa: SLF001
}
"""Events that are not here commit nothing. Beside the class, as a compiled class has no functions
yet while its body runs."""
