"""What a script may want to know that is not in the message, as values.

The interpreter asks nobody. Where an answer is missing it ends with ``Asks``; whoever drives it
finds the answers and runs the script again from its beginning, which gives the same up to there.
So it needs no coroutine, and a run with all its answers is a pure function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailboxExists:
    """bool: it is there and mail can be filed into it (RFC 5490 §3.1)."""

    name: str


@dataclass(frozen=True, slots=True)
class MailboxIdExists:
    """bool: a mailbox with this MAILBOXID (RFC 8474) can be filed into (RFC 9042 §3.2)."""

    id: str


@dataclass(frozen=True, slots=True)
class SpecialUseExists:
    """bool: a mailbox has this attribute, the named one if ``mailbox`` is not '' (RFC 8579 §4)."""

    attribute: str
    mailbox: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """str | None: an annotation of a mailbox, of the server if ``mailbox`` is None (RFC 5490)."""

    entry: str
    mailbox: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """bool: ``duplicate`` remembers this (RFC 7352 §3)."""

    handle: str
    id: str


@dataclass(frozen=True, slots=True)
class ListHas:
    """bool: an external list has this member (RFC 6134 §2.2)."""

    list: str
    value: str


@dataclass(frozen=True, slots=True)
class ListExists:
    """bool: RFC 6134 §2.7."""

    list: str


@dataclass(frozen=True, slots=True)
class ListMembers:
    """tuple[str, ...] | None: its addresses, for ``redirect :list`` (RFC 6134 §2.3)."""

    list: str


@dataclass(frozen=True, slots=True)
class ScriptNamed:
    """bytes | None: another script, of the site if ``site`` (RFC 6609 §3.2)."""

    name: str
    site: bool = False


Question = (
    MailboxExists
    | MailboxIdExists
    | SpecialUseExists
    | Metadata
    | Seen
    | ListHas
    | ListExists
    | ListMembers
    | ScriptNamed
)
Answers = Mapping[Question, object]
NO_ANSWERS: Answers = {}


@dataclass(frozen=True, slots=True)
class Asks:
    """The run cannot go on without the answers to these."""

    questions: tuple[Question, ...]
    steps: int = 0
    """What the run has cost so far, time with regular expressions included: the next one costs
    that again."""


class Unanswered(Exception):
    """Raised inside the room; becomes ``Asks``."""

    def __init__(self, questions: tuple[Question, ...]) -> None:
        super().__init__("a question is open")
        self.questions = questions
