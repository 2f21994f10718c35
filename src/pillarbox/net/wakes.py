"""What a connection can wait for beside bytes, each with the cheapest way to hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pillarbox.base.signal import Signal

#: A ``Signal`` costs one dict entry; a future a callback; an ``asyncio.Event``, which can only be
#: awaited, a task. None of them loses anything when the wait ends early.
Wake = Signal | asyncio.Event | asyncio.Future[Any]


def is_up(wake: Wake) -> bool:
    """Whether waiting for it would return at once."""
    return wake.done() if isinstance(wake, asyncio.Future) else wake.is_set()


def attach(wake: Wake, callback: Callable[..., None]) -> Callable[[], object]:
    """Have ``callback`` called when ``wake`` comes up; returns what undoes it."""
    if isinstance(wake, Signal):
        wake.watch(callback)
        return lambda: wake.unwatch(callback)
    waiter: asyncio.Future[Any]
    if isinstance(wake, asyncio.Event):
        waiter = asyncio.ensure_future(wake.wait())
        waiter.add_done_callback(callback)

        def stop() -> None:
            waiter.remove_done_callback(callback)
            waiter.cancel()

        return stop
    wake.add_done_callback(callback)
    return lambda: wake.remove_done_callback(callback)
