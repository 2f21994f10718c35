"""Mailing lists, who is on them, and addresses that a sender writes to no more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Post(Enum):
    """Whose mail to a list goes to its members."""

    ANYONE = "anyone"
    MEMBERS = "members"
    OWNERS = "owners"


class Others(Enum):
    """What becomes of mail to a list from those who may not post."""

    REFUSE = "refuse"
    HOLD = "hold"
    """It waits in the queue until somebody releases or drops it."""


class RewriteFrom(Enum):
    """Whether the list puts itself into From in the place of the author."""

    AUTO = "auto"
    """Only where the author's domain wants mail without its signature refused (DMARC)."""
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class MailingList:
    """Mail to ``address`` (normal form) goes to every member. ``id`` is never used again."""

    id: int
    address: str
    title: str = ""
    post: Post = Post.MEMBERS
    others: Others = Others.REFUSE
    rewrite_from: RewriteFrom = RewriteFrom.AUTO


@dataclass(frozen=True, slots=True)
class Member:
    """One address of a list. ``id`` is unique in the house and never used again."""

    id: int
    list: int
    address: str
    owner: bool = False


class Cause(Enum):
    """Why nothing more is sent to an address."""

    BOUNCE = "bounce"
    UNSUBSCRIBED = "unsubscribed"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """``owner``, the address of an account or list, writes to ``address`` no more; both in normal
    form. ``at`` in seconds since 1970; ``detail``: the words of whoever refused the mail."""

    owner: str
    address: str
    cause: Cause
    at: float
    detail: str = ""
