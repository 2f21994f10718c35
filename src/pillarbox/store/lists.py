"""What a store keeps about writing to many: lists, suppressions, how much each account sends.
Part of ``store.api``. Addresses are in normal form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pillarbox.model.lists import MailingList, Member, Suppressed
from pillarbox.model.refusal import Refusal
from pillarbox.model.sending import Sending, Sent

MAX_MEMBERS = 20_000
"""Of one list: its mail is one item of the queue."""


class Lists(Protocol):
    """Mailing lists and their members."""

    async def lists(self) -> list[MailingList]:
        """All of them, by address."""
        ...

    async def list_at(self, address: str) -> MailingList | None:
        """The list with exactly this address."""
        ...

    async def add_list(self, new: MailingList) -> MailingList | Refusal:
        """``new.id`` is ignored. Refused when the address or domain is not free or not there."""
        ...

    async def change_list(self, changed: MailingList) -> Refusal | None:
        """Write every field but id and address."""
        ...

    async def remove_list(self, number: int) -> Refusal | None:
        """With its members and its suppressions."""
        ...

    async def members(self, number: int) -> list[Member]:
        """Those of a list, by address."""
        ...

    async def member(self, member: int) -> tuple[MailingList, Member] | None:
        """By the member's own number."""
        ...

    async def set_members(
        self, number: int, members: Iterable[tuple[str, bool]]
    ) -> list[Member] | Refusal:
        """Put (address, owner) on the list, or change whether they own it; all or none. LIMIT with
        more than MAX_MEMBERS."""
        ...

    async def remove_member(self, number: int, address: str) -> Refusal | None: ...


class Suppressions(Protocol):
    """Who writes to whom no more. An account or list that is removed takes its own along."""

    async def suppressed(self, owner: str, address: str) -> Suppressed | None: ...

    async def suppressions(self, owner: str = "") -> list[Suppressed]:
        """All of one owner, or of everybody; by owner and address."""
        ...

    async def suppress(self, entries: Sequence[Suppressed]) -> None:
        """Add them. One that is there already stays as it is, unless it was a bounce: whoever
        unsubscribed does not come back because a bounce lapses."""
        ...

    async def unsuppress(self, owner: str, address: str) -> Refusal | None: ...


class Senders(Protocol):
    """How much each account sends, by hours of the clock, for ``model.sending.HISTORY``."""

    async def sending(self, account: int) -> Sending: ...

    async def count_sent(self, sent: Sent) -> None:
        """Add to an account's hour, remember its network, forget what is too old. An account that
        is gone is passed over."""
        ...

    async def set_alarmed(self, account: int, at: float) -> None: ...
