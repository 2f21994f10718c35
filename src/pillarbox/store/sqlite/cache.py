"""What is asked at every RCPT, delivery and login, remembered until it changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from pillarbox.model.account import Account, Alias, Credentials, Domain
from pillarbox.model.change import BoxChanged, BoxCreated, BoxDeleted, Change
from pillarbox.model.lists import MailingList
from pillarbox.model.mailbox import Mailbox
from pillarbox.store.learned import Taught

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
LIMIT = 50_000
"""Entries of one kind. Strangers choose what is looked up, so there has to be one."""
NAMES = 32
"""Names of mailboxes that are remembered of an account: a detail (``ann+detail@``) is one."""
MISSED = 64
"""Characters of a name that is remembered to be no mailbox's. Such names are made up by whoever
asks, of anybody's account and before any right is looked at, and are as long as a literal may be.
The details and targets that deliveries ask for are shorter."""
_TREE = (BoxCreated, BoxChanged, BoxDeleted)


class Memo(Generic[K, V]):
    """Answers by key, "there is none" included."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[K, V] = {}

    def of(self, key: K, look: Callable[[K], V]) -> V:
        """The remembered answer, else that of ``look``."""
        if key in self._held:
            return self._held[key]
        if len(self._held) >= LIMIT:
            self._held.clear()
        value = self._held[key] = look(key)
        return value

    def forget(self, keys: Iterable[K]) -> None:
        """These may have changed."""
        for key in keys:
            self._held.pop(key, None)

    def clear(self) -> None:
        """Everything may have changed."""
        self._held.clear()


class Cache:
    """The directory's answers.

    Reading and remembering is one step of the loop, and forgetting is part of the step that
    publishes a commit. So an answer is never older than the last published commit; it may be
    newer, when a commit is on the disk and about to be published.
    """

    def __init__(self) -> None:
        self.edition = 0
        """Counts how often the directory changed."""
        self.domains: Memo[str, Domain | None] = Memo()
        self.aliases: Memo[str, Alias | None] = Memo()
        self.lists: Memo[str, MailingList | None] = Memo()
        self.addresses: Memo[str, int | None] = Memo()
        self.accounts: Memo[int, Account | None] = Memo()
        self.credentials: Memo[int, Credentials | None] = Memo()
        self.scripts: Memo[int, tuple[str, bytes] | None] = Memo()
        """The active one of an account."""
        self.taught: Memo[int, Taught] = Memo()
        self.names: Memo[int, dict[str, Mailbox | None]] = Memo()
        """Mailboxes of an account by the names that were asked for, at most ``NAMES``; None for
        a name of up to ``MISSED`` characters that none has."""

    def forget(
        self, accounts: Iterable[int], learned: Iterable[int], changes: Iterable[Change]
    ) -> None:
        """The numbers or passwords of some accounts changed, what the filters of others learned,
        and maybe mailboxes."""
        self.accounts.forget(accounts)
        self.credentials.forget(accounts)
        self.taught.forget(learned)
        self.names.forget([one.account for one in changes if isinstance(one, _TREE)])

    def clear(self) -> None:
        """The directory changed."""
        self.edition += 1
        self.domains.clear()
        self.aliases.clear()
        self.lists.clear()
        self.addresses.clear()
        self.accounts.clear()
        self.credentials.clear()
        self.scripts.clear()
        self.taught.clear()
        self.names.clear()
