"""What happened to mailboxes, as the store tells it after commit.

The store makes these inside the transaction and hands them out after it, in the order of the
account's modseq; views, IDLE, NOTIFY, push and replication all live on them. A change carries
enough for a view to update itself without asking the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, overload

from pillarbox.base.swift import swift
from pillarbox.model.mailbox import Mailbox


class Arrived(NamedTuple):
    """One new message in a mailbox."""

    uid: int
    flags: int
    """Bits under the mailbox's keyword list at this change."""


class Arrivals(Sequence[Arrived]):
    """Thousands of them, as a COPY makes: UIDs, which ascend, and flags as columns."""

    __slots__ = ("flags", "uids")

    def __init__(self, uids: Sequence[int], flags: Sequence[int]) -> None:
        self.uids = uids
        self.flags = flags

    def __len__(self) -> int:
        return len(self.uids)

    @overload
    def __getitem__(self, at: int) -> Arrived: ...
    @overload
    def __getitem__(self, at: slice) -> Arrivals: ...
    def __getitem__(self, at: int | slice) -> Arrived | Arrivals:
        if isinstance(at, slice):
            return Arrivals(self.uids[at], self.flags[at])
        return Arrived(self.uids[at], self.flags[at])


def arrivals(messages: Sequence[Arrived]) -> Arrivals:
    """As columns."""
    if isinstance(messages, Arrivals):
        return messages
    return Arrivals([one.uid for one in messages], [one.flags for one in messages])


@swift
@dataclass(frozen=True, slots=True)
class Added:
    """Messages appended, copied or moved in; UIDs ascend. All carry this modseq."""

    account: int
    mailbox: int
    modseq: int
    messages: Sequence[Arrived]
    keywords: tuple[str, ...]
    facts: Sequence[Any] = field(default=(), compare=False, repr=False)
    """What was found out about each (``store.api.Facts``), where they have just come from outside:
    a mailbox that is open need not ask. Other processes are not told."""

    def __reduce__(self) -> tuple[object, ...]:
        return Added, (self.account, self.mailbox, self.modseq, self.messages, self.keywords)


@dataclass(frozen=True, slots=True)
class Flagged:
    """Flags changed; ``flags[i]`` is the new whole set of ``uids[i]``."""

    account: int
    mailbox: int
    modseq: int
    uids: Sequence[int]
    flags: Sequence[int]
    keywords: tuple[str, ...]
    origin: str = ""
    """Id of the session that asked for it: .SILENT spares only that one (RFC 9051 §6.4.6)."""


@dataclass(frozen=True, slots=True)
class Expunged:
    """Messages gone from a mailbox, UIDs ascending."""

    account: int
    mailbox: int
    modseq: int
    uids: Sequence[int]


@dataclass(frozen=True, slots=True)
class BoxCreated:
    account: int
    modseq: int
    box: Mailbox


@dataclass(frozen=True, slots=True)
class BoxChanged:
    """Renamed, (un)subscribed or given another special use; ``old_name`` '' when kept."""

    account: int
    modseq: int
    box: Mailbox
    old_name: str = ""


@dataclass(frozen=True, slots=True)
class BoxDeleted:
    account: int
    modseq: int
    mailbox: int
    name: str


SERVER = -1
"""Stands for the account where a change is about the server as a whole."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """Annotations were set or taken away (RFC 5464)."""

    account: int
    """Owner of the mailbox, or SERVER."""
    modseq: int
    """The account's at that moment: annotations have none of their own."""
    mailbox: int
    """0: of the account, or of the server."""
    user: int
    """Whose private ones they are; 0: shared."""
    entries: tuple[str, ...]
    origin: str = ""
    """Id of the session that did it."""


@dataclass(frozen=True, slots=True)
class AccessChanged:
    """The rights to a mailbox are others now (RFC 4314)."""

    account: int
    modseq: int
    """The account's at that moment."""
    mailbox: int
    identifier: str


Change = (
    Added | Flagged | Expunged | BoxCreated | BoxChanged | BoxDeleted | Annotated | AccessChanged
)
