"""What a transport says about one recipient: the answer, who gave it, and what it implies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.model.reply import Reply
from pillarbox.model.story import Try
from pillarbox.store.api import NewItem, NewMessage, QueueRecipient


class Action(Enum):
    """How far a success reaches (RFC 3461 §5.2): decides who sends a success DSN."""

    DELIVERED = "delivered"
    """Into the mailbox."""
    RELAYED = "relayed"
    """To a server that knows nothing of DSN: nothing more will be heard."""
    PASSED = "passed on"
    """To a server that took over the duty to tell the sender."""


@dataclass(frozen=True, slots=True)
class Report:
    """``by``: name of the server that said ``reply``, '' when it was not said but found out here.
    ``tls``: protocol, cipher and how far the peer was checked."""

    reply: Reply
    action: Action = Action.DELIVERED
    by: str = ""
    tls: str = ""
    maybe: bool = False
    """The message was sent and the answer lost: another attempt may make a duplicate."""
    tries: tuple[Try, ...] = ()
    """The servers that were tried, for the journal."""
    onward: tuple[NewMessage, NewItem] | None = None
    """What goes on in the place of the message, in the transaction that settles this."""


@dataclass(frozen=True, slots=True)
class Debt:
    """Something the sender is to be told: ``action`` is the word of RFC 3464 §2.3.3."""

    recipient: QueueRecipient
    action: str
    reply: Reply
    by: str = ""
