"""Which event loop runs the house."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pillarbox.base.errors import Misuse

T = TypeVar("T")


def loop_factory(choice: str = "auto") -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop: uvloop where it is installed, unless ``choice`` says ``asyncio``.

    Raises Misuse for ``uvloop`` where there is none.
    """
    if choice != "asyncio" and importlib.util.find_spec("uvloop") is not None:
        import uvloop

        return uvloop.new_event_loop  # type: ignore[no-any-return, unused-ignore]
    if choice == "uvloop":
        raise Misuse(
            "uvloop is not installed",
            hint="install pillarbox[fast], or set server.event_loop to auto or asyncio",
        )
    return asyncio.new_event_loop


def run(work: Coroutine[Any, Any, T], choice: str = "auto") -> T:
    """Run ``work`` to its end on a loop of that choice."""
    try:
        factory = loop_factory(choice)
    except BaseException:
        work.close()
        raise
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
