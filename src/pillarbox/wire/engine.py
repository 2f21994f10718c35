"""The shape that every protocol engine of the house shares.

An engine turns a peer's bytes into typed events and our answers into bytes. It owns no socket
and asks nobody: not the store, not the clock. Three promises:

*Total.* ``feed`` takes any bytes. What cannot be understood becomes an event that says so; the
only exception an engine may raise is one that shows a bug in its caller.

*Indifferent to packets.* The same bytes give the same events, fed whole or one by one.

*Gated.* After a command whose acceptance changes the grammar of what follows (DATA, AUTH,
STARTTLS, an APPEND literal, IDLE …) the engine stops reading and returns what it has; the caller
decides, tells the engine by the method that the event's docstring names, and calls ``resume``.
Without the gate the body behind a refused DATA would be read as commands.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

Event = TypeVar("Event")


class Engine(Protocol[Event]):
    """What a driver needs to know of an engine."""

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the peer; return the events they complete, in order.

        While a gate is shut the bytes are kept (bounded) and the list is empty.
        """
        ...

    def resume(self) -> list[Event]:
        """Go on with kept bytes after a gate was opened. Call until it returns nothing."""
        ...

    def eof(self) -> list[Event]:
        """The peer will send no more; return what that means here."""
        ...

    @property
    def gated(self) -> bool:
        """True while the engine waits to be told how to go on."""
        ...
