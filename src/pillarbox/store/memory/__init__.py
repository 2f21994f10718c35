"""The executable meaning of ``store.api``: dicts instead of tables, nothing durable.

Every higher test runs on it, and ``tests/contracts`` holds the real stores to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pillarbox.base.clock import Clock, SystemClock
from pillarbox.base.errors import Temporary
from pillarbox.model.change import Change
from pillarbox.store.api import Publish
from pillarbox.store.memory.audit import MemoryAudit
from pillarbox.store.memory.blobs import MemoryBlobs
from pillarbox.store.memory.directory import MemoryDirectory
from pillarbox.store.memory.journal import MemoryJournal
from pillarbox.store.memory.learned import MemoryLearned
from pillarbox.store.memory.lists import MemoryLists
from pillarbox.store.memory.mail import MemoryMail
from pillarbox.store.memory.mailboxes import MemoryMailboxes
from pillarbox.store.memory.notes import MemoryNotes
from pillarbox.store.memory.retention import MemoryRetention
from pillarbox.store.memory.scripts import MemoryScripts
from pillarbox.store.memory.sharing import MemorySharing
from pillarbox.store.memory.spool import MemorySpool
from pillarbox.store.memory.state import State
from pillarbox.store.memory.texts import MemoryTexts, Texts

__all__ = ["MemoryStore"]


def _nobody(changes: Sequence[Change]) -> None:
    """Publishes to no one."""


class MemoryStore(
    MemoryTexts,
    MemoryAudit,
    MemoryJournal,
    MemorySpool,
    MemoryRetention,
    MemoryMail,
    MemoryMailboxes,
    MemorySharing,
    MemoryLists,
    MemoryNotes,
    MemoryLearned,
    MemoryScripts,
    MemoryDirectory,
    MemoryBlobs,
):
    """A ``Store`` in memory. ``inline_limit``: larger bodies are not served by ``rows``."""

    def __init__(
        self,
        publish: Publish = _nobody,
        clock: Clock | None = None,
        *,
        inline_limit: int = 128 * 1024,
    ) -> None:
        self.texts = Texts()
        self.state = State(publish, clock or SystemClock(), inline_limit)

    async def close(self) -> None:
        """Later calls raise Temporary."""
        self.state = cast(State, _Closed())


class _Closed:
    def __getattr__(self, name: str) -> object:
        raise Temporary("the store is closed")
