"""What a filter is asked and what it may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pillarbox.model.reply import Reply
from pillarbox.model.transaction import Envelope
from pillarbox.model.verdict import Action, Finding


@dataclass(frozen=True, slots=True)
class Question:
    """A message that is complete. ``content`` begins with our own trace fields."""

    envelope: Envelope
    content: memoryview


@dataclass(frozen=True, slots=True)
class Opinion:
    """``fields``: whole header lines that the filter wants in front. ``reason`` as in a verdict."""

    action: Action = Action.ACCEPT
    reason: str = ""
    finding: Finding | None = None
    reply: Reply | None = None
    fields: bytes = b""


class Trouble(Exception):
    """The filter did not do its work; the message says how."""


class Filter(Protocol):
    """``name`` for logs and findings."""

    @property
    def name(self) -> str: ...

    async def ask(self, question: Question) -> Opinion:
        """Raises Trouble or a fault of the network."""
        ...
