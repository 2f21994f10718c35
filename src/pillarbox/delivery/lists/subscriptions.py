"""Leaving a list: by a click, by mail, or because mail keeps coming back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pillarbox.base.clock import Clock
from pillarbox.base.log import Logger
from pillarbox.delivery.lists.tokens import Tokens
from pillarbox.message.bounce import Failure
from pillarbox.model.lists import Cause, MailingList, Member, Suppressed
from pillarbox.model.transaction import Part
from pillarbox.queue.outcome import is_hard
from pillarbox.store.lists import Lists, Suppressions

log = Logger("lists")

LEAVE = "leave"
"""What the tokens in List-Unsubscribe are good for."""
BOUNCE = Part.BOUNCES.name


class Book(Lists, Suppressions, Protocol):
    """What of the store is needed here."""


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """One for a house."""

    book: Book
    tokens: Tokens
    clock: Clock

    async def who(self, token: str) -> tuple[MailingList, Member] | None:
        """Whose token for leaving this is; None for nobody's, or somebody's who has left."""
        number = self.tokens.read(LEAVE, token)
        return await self.book.member(number) if number is not None else None

    def is_token(self, token: str) -> bool:
        """Whether we made it, whoever it was for."""
        return self.tokens.read(LEAVE, token) is not None

    async def leave(self, token: str, how: str) -> bool:
        """Take the member off the list, and keep the list from writing to the address again until
        that is taken back. False for a token that is not ours; who has left already has left.

        ``how`` is for the log and for whoever looks at the suppression.
        """
        if not self.is_token(token):
            return False
        found = await self.who(token)
        if found is None:
            return True
        one, member = found
        now = self.clock.now()
        await self.book.suppress(
            [Suppressed(one.address, member.address, Cause.UNSUBSCRIBED, now, how)]
        )
        await self.book.remove_member(one.id, member.address)
        log.info("list.left", list=one.address, member=member.address, how=how)
        return True

    async def bounced(self, token: str, failures: Sequence[Failure]) -> bool:
        """A report came back about mail to a member; False for a token that is not ours. A hard
        failure stops mail to the address; it stays on the list, to be seen and helped."""
        number = self.tokens.read(BOUNCE, token)
        if number is None:
            return False
        found = await self.book.member(number)
        hard = next((one for one in failures if is_hard(one.status)), None)
        if found is None or hard is None:
            return True
        one, member = found
        now = self.clock.now()
        detail = hard.text or hard.status
        await self.book.suppress(
            [Suppressed(one.address, member.address, Cause.BOUNCE, now, detail)]
        )
        log.info("list.bounced", list=one.address, member=member.address, reply=detail)
        return True
