"""What a store keeps beside mail: annotations, and who may do what. Part of ``store.api``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Protocol

from pillarbox.model.change import SERVER
from pillarbox.model.refusal import Refusal
from pillarbox.model.rights import Rights

__all__ = ["MAX_ACCESS", "MAX_ANNOTATIONS", "SERVER", "AccessLists", "AccessOp", "Annotations"]

MAX_ANNOTATIONS = 200
"""Entries that one mailbox, account or the server has of one kind: shared, or private of one
user. RFC 5464 §4.1 asks for 10 at least."""
MAX_ACCESS = 1000
"""Identifiers in the list of one mailbox."""


class Annotations(Protocol):
    """Named values that hang on mailboxes, on accounts (mailbox 0), and on the server (account
    SERVER, mailbox 0). They follow a mailbox that is renamed and go with one that is deleted;
    what INBOX has is copied when INBOX is renamed (RFC 5464 §4.1)."""

    async def annotations(self, account: int, mailbox: int, user: int) -> dict[str, bytes]:
        """Shared entries for ``user`` 0, else this user's private ones; by name, sorted."""
        ...

    async def annotate(
        self,
        account: int,
        mailbox: int,
        values: Mapping[tuple[int, str], bytes | None],
        *,
        special_use: str | None = None,
        origin: str = "",
    ) -> Refusal | None:
        """Set or (None) take away entries, keys being (user, name), and with them the mailbox's
        special use. All or nothing: NONEXISTENT without such an account or mailbox, LIMIT with
        more than MAX_ANNOTATIONS, and the refusals of ``set_special_use``."""
        ...


class AccessOp(Enum):
    """How SETACL changes an entry (RFC 4314 §3.1)."""

    REPLACE = ""
    ADD = "+"
    REMOVE = "-"


class AccessLists(Protocol):
    """Who may do what to a mailbox besides its owner; see ``model.rights``.

    A list is copied from the parent when a mailbox is made, follows it when it is renamed, and
    goes with it. An account that is removed leaves all lists.
    """

    async def access_list(self, account: int, mailbox: int) -> dict[str, Rights]:
        """By identifier, sorted."""
        ...

    async def access_lists(self, account: int) -> dict[int, dict[str, Rights]]:
        """Those of all mailboxes of an account that have one."""
        ...

    async def change_access(
        self, account: int, mailbox: int, identifier: str, op: AccessOp, rights: Rights
    ) -> Refusal | None:
        """Change one entry; without rights it goes. LIMIT with more than MAX_ACCESS."""
        ...

    async def sharing(self, identifiers: Collection[str]) -> list[int]:
        """Accounts with a mailbox whose list names one of ``identifiers``, ascending."""
        ...
