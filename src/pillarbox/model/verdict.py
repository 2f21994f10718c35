"""What was found out about a message that came in, and what is done with it.

Made once, at the end of DATA, and carried with the envelope: filing, header fields, Sieve and the
story of the message all read this.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.model.reply import Reply


class Action(Enum):
    """In the order of harshness."""

    ACCEPT = "accept"
    JUNK = "junk"
    """Taken, and filed where its recipient looks for junk."""
    DEFER = "defer"
    REFUSE = "refuse"

    @property
    def taken(self) -> bool:
        """The message is kept."""
        return self is Action.ACCEPT or self is Action.JUNK


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of an Authentication-Results field (RFC 8601 §2.2).

    ``properties`` such as ("smtp.mailfrom", "example.org"). ``reason``: words for a person, ''
    where the result says it all.
    """

    method: str
    result: str
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason``: why, in a sentence for a person, '' for mail that nothing speaks against.

    ``reply`` is the answer to whom it is refused or deferred.
    """

    action: Action = Action.ACCEPT
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    reply: Reply | None = None
    tags: tuple[str, ...] = ()
    """Keywords that its copies in mailboxes get."""
    personal: tuple[Finding, ...] = ()
    """What the filters of single recipients say: for the story, not for a field that all see."""
    junk_for: frozenset[int] = frozenset()
    """Accounts whose own filter calls it junk."""

    def junk_to(self, account: int) -> bool:
        """Whether it is junk to this recipient."""
        return self.action is Action.JUNK or account in self.junk_for


UNJUDGED = Verdict()
"""Of mail that nobody looked at: from users, and from machines that are trusted."""
