"""Small facts that rooms want to find again after a restart. Part of ``store.api``.

For what was learned about others and would be learned again: policies, counts for reports. Mail is
never kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Notes(Protocol):
    """Values by kind and key; times in seconds since 1970."""

    async def remember(
        self, kind: str, values: Mapping[str, bytes | None], *, until: float, now: float
    ) -> None:
        """Keep these until then, None forgetting one; what ended before ``now`` goes."""
        ...

    async def recall(self, kind: str, *, prefix: str = "", now: float) -> dict[str, bytes]:
        """All of a kind whose key begins so and that have not ended, by key."""
        ...
