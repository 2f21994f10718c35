"""The values that hooks get, one kind an event, and what each event allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.hooks.letter import Message
from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Peer
from pillarbox.model.verdict import UNJUDGED, Action, Verdict


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT: a recipient that the house would take. ``sender`` '' is the null reverse-path.

    ``door``: mx, submission or lmtp.
    """

    door: str
    peer: Peer
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Data:
    """A whole message before it is taken. ``verdict``: what checks and filters found; ``id``:
    its name in every log line and in the reply."""

    door: str
    peer: Peer
    sender: str
    recipients: tuple[str, ...]
    message: Message
    verdict: Verdict = UNJUDGED
    id: str = ""

    def result(self, method: str) -> str:
        """What a check found (``data.result("dmarc")``): pass, fail, none …; '' if not asked."""
        found = (one.result for one in self.verdict.findings if one.method == method)
        return next(found, "")


@dataclass(frozen=True, slots=True)
class Deliver:
    """A message on its way into one account here. ``recipient`` as at RCPT, ``detail`` what stood
    behind its +; ``account`` the account's own address."""

    door: str
    peer: Peer
    sender: str
    recipient: str
    account: str
    detail: str
    message: Message
    verdict: Verdict = UNJUDGED
    id: str = ""


@dataclass(frozen=True, slots=True)
class Append:
    """A message that a mail program puts into a mailbox (IMAP APPEND, REPLACE). ``by`` is who
    logged in, ``account`` whose mailbox it is."""

    account: str
    mailbox: str
    by: str
    flags: frozenset[str]
    message: Message


@dataclass(frozen=True, slots=True)
class QueueResult:
    """An attempt at one recipient of queued mail is over and written down. ``state``: done, failed,
    due (tried again at ``due``, seconds since 1970 UTC) or held. ``by``: the server that said
    ``reply``, '' when it was found out here."""

    id: str
    sender: str
    recipient: str
    state: str
    reply: Reply | None
    by: str = ""
    due: float = 0.0


Value = Rcpt | Data | Deliver | Append | QueueResult

NAMES: Mapping[str, type[Value]] = {
    "rcpt": Rcpt,
    "data": Data,
    "deliver": Deliver,
    "append": Append,
    "queue_result": QueueResult,
}
"""Events by the words that ``on`` takes."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a hook may decide at an event. ``closed``: it can fail closed."""

    actions: frozenset[Action]
    fields: bool = False
    tags: bool = False
    closed: bool = True


_NO = frozenset({Action.ACCEPT, Action.DEFER, Action.REFUSE})
_EVERY = frozenset(Action)

ALLOWED: Mapping[type[Value], Allowed] = {
    Rcpt: Allowed(_NO),
    Data: Allowed(_EVERY, fields=True, tags=True),
    # Whoever sent it may be gone by then, so that there is nobody to come again.
    Deliver: Allowed(_EVERY - {Action.DEFER}, tags=True, closed=False),
    # What a user keeps has to be what he gave: no fields.
    Append: Allowed(_NO, tags=True),
    QueueResult: Allowed(frozenset({Action.ACCEPT}), closed=False),
}
DOORS = frozenset({"mx", "submission", "lmtp"})
"""Of ``Rcpt`` and ``Data``."""
