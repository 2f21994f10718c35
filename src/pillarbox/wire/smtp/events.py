"""What an SMTP, submission or LMTP client can make happen at the server.

The engine (``server.Engine``) yields these and waits. Unless a docstring says otherwise an event
asks for exactly one ``engine.reply(...)``; until it is given no further command is read, so the
answers leave in the order of the commands (RFC 2920 §3.2 (1)) and every command is judged in the
state that the answers before it have made.

Plain slots dataclasses: they are made by the hundred thousand a second and live for a moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Recipient, Sender


@dataclass(slots=True)
class Hello:
    """HELO, EHLO or LHLO. A positive ``reply`` opens the session and ends any transaction.

    The engine puts the host name in front of the text, and the extensions after it when
    ``extended``.
    """

    name: str
    """As given; not checked against anything (RFC 5321 §4.1.4 forbids refusing for it)."""
    verb: str
    """HELO, EHLO or LHLO."""

    @property
    def extended(self) -> bool:
        return self.verb != "HELO"


@dataclass(slots=True)
class Mail:
    """MAIL FROM, grammar and parameters already judged.

    A positive ``reply`` opens the transaction; pass a changed sender as its second argument.
    """

    sender: Sender


@dataclass(slots=True)
class Rcpt:
    """RCPT TO, grammar and parameters already judged; ``recipient.routes`` is still empty.

    A positive ``reply`` adds the recipient; pass the routed one as its second argument.
    """

    recipient: Recipient


@dataclass(slots=True)
class Data:
    """Gate. The client wants to send content and waits.

    ``accept_data()`` gives the 354 and lets the content in; ``refuse_data(reply)`` goes back to
    commands. At least one recipient has been accepted (RFC 2920 §3.2 (3)).
    """


@dataclass(slots=True)
class Bdat:
    """Gate. A chunk of ``size`` octets follows, which nothing can stop (RFC 3030 §2).

    ``accept_data()`` lets it in. ``refuse_data(reply)`` has the octets swallowed; the refusal
    then comes back as ``defect`` of the ChunkEnd or DataEnd. Both return no bytes.
    """

    size: int
    last: bool
    first: bool
    """True for the first chunk of the message: the time to open what will hold it."""


@dataclass(slots=True)
class DataChunk:
    """Content, dots and line ends already put right. Asks for no reply."""

    data: bytes


@dataclass(slots=True)
class ChunkEnd:
    """The octets of a BDAT without LAST are all here.

    A negative ``reply`` spoils the transaction: only RSET, a hello or QUIT help then.
    """

    size: int
    """Octets in this chunk."""
    defect: Reply | None = None
    """The answer to give if this is set: the chunk was refused or broke a limit."""


@dataclass(slots=True)
class DataEnd:
    """The message is complete, by DATA or by BDAT LAST.

    ``engine.replies_due`` replies are asked for: one in SMTP, one for every accepted recipient,
    in their order, in LMTP (RFC 2033 §4.2). After the last one the transaction is over.
    """

    size: int
    """Octets of the message as handed out in DataChunk events."""
    defect: Reply | None = None
    """The answer to give if this is set: too big, bare line feeds, a refused chunk. Content is
    missing then, and the engine takes a positive reply for a bug."""


@dataclass(slots=True)
class Auth:
    """Gate. AUTH with an offered mechanism, allowed now.

    ``auth_challenge(data)`` asks for a line; ``auth_done(reply)`` ends the exchange, well with
    235, badly with anything negative.
    """

    mechanism: str
    """Upper case."""
    initial: bytes | None
    """Decoded initial response: None when absent, empty when sent as ``=``."""


@dataclass(slots=True)
class AuthLine:
    """Gate. The client's decoded answer to a challenge; go on as for Auth."""

    data: bytes


@dataclass(slots=True)
class AuthAborted:
    """The exchange is over: cancelled, not base64, or too long. Answer with ``reply``."""

    reply: Reply


@dataclass(slots=True)
class StartTls:
    """Gate. ``accept_tls()`` gives the 220 and forgets all that was sent after the command;
    do the handshake, then call ``tls_started()``. Or ``reply`` with a refusal.
    """


@dataclass(slots=True)
class Rset:
    """RSET. The transaction is gone once answered; answer positively (RFC 5321 §4.1.1.5)."""


@dataclass(slots=True)
class Noop:
    """NOOP."""


@dataclass(slots=True)
class Quit:
    """QUIT. Answer with 221 and close when that is written."""


@dataclass(slots=True)
class Vrfy:
    """VRFY; ``smtputf8`` allows UTF-8 in the reply (RFC 6531 §3.7.4.2)."""

    argument: str
    smtputf8: bool = False


@dataclass(slots=True)
class Expn:
    """EXPN; ``smtputf8`` as in Vrfy."""

    argument: str
    smtputf8: bool = False


@dataclass(slots=True)
class Help:
    """HELP, with what help is wanted on or ''."""

    topic: str = ""


@dataclass(slots=True)
class Unknown:
    """A command this server does not have. Answer with ``reply``."""

    verb: str
    argument: str
    reply: Reply


@dataclass(slots=True)
class Fault:
    """The client broke the protocol and the engine knows the answer: give ``reply``.

    ``fatal`` means that the engine will read nothing more: write the answer and close.
    """

    reply: Reply
    line: bytes
    """The offending line, for the log; cut short when it was too long."""
    fatal: bool = False


@dataclass(slots=True)
class Gone:
    """The client closed its side. Asks for no reply; nothing follows.

    An open transaction counts as failed for now (RFC 5321 §4.1.1.10): drop its content.
    """

    in_transaction: bool


Event = (
    Hello
    | Mail
    | Rcpt
    | Data
    | Bdat
    | DataChunk
    | ChunkEnd
    | DataEnd
    | Auth
    | AuthLine
    | AuthAborted
    | StartTls
    | Rset
    | Noop
    | Quit
    | Vrfy
    | Expn
    | Help
    | Unknown
    | Fault
    | Gone
)
