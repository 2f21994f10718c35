"""What the house needs from a bus: hear of changes, and nothing else.

A store publishes after its commit and before the waiter of that commit goes on (``store.api``),
so a subscriber has heard of a change before anybody is told that it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pillarbox.model.change import Change

Listener = Callable[[Change], None]
"""Called on the event loop, once a change, in modseq order. It must be quick and not block: it
notes the change, wakes a task, and returns."""


class Subscription(Protocol):
    """A listener's place on the bus."""

    def close(self) -> None:
        """Hear no more, from this moment on; closing twice does nothing."""
        ...


class Bus(Protocol):
    """Publish and subscribe of ``model.change`` values."""

    def publish(self, changes: Sequence[Change]) -> None:
        """Tell every listener concerned. Never raises: a listener's error is logged."""
        ...

    def subscribe(
        self, listener: Listener, *, account: int | None = None, mailbox: int | None = None
    ) -> Subscription:
        """Listen to one mailbox, to all of an account (``mailbox`` None), or to the whole house
        (both None), as replication does. A mailbox without account is a ValueError."""
        ...
