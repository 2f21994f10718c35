"""``on``: says of a function which event it is for. Nothing is registered anywhere; whoever loads a
file looks for the marks."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from pillarbox.hooks.decision import Decision
from pillarbox.hooks.values import ALLOWED, DOORS, NAMES, Data, Rcpt, Value

Function = Callable[[Any], Awaitable[Decision | None]]
F = TypeVar("F", bound=Callable[..., Any])

LONGEST = 60.0
"""Seconds that a hook may ask for: clients wait no longer than some minutes."""
_MARKS = "__pillarbox_hooks__"


@dataclass(frozen=True, slots=True)
class Mark:
    """None where the configuration says."""

    event: type[Value]
    seconds: float | None
    fault: str | None
    doors: frozenset[str]


def on(
    event: str,
    *,
    seconds: float | None = None,
    fault: str | None = None,
    doors: Collection[str] = ("mx",),
) -> Callable[[F], F]:
    """Mark an async function as a hook for ``event``: rcpt, data, deliver, append, queue_result.

    ``seconds``: its budget, else ``hooks.timeout``. ``fault``: "open" or "closed", else
    ``hooks.fault``. ``doors``: of mx, submission and lmtp, for rcpt and data. Raises ValueError and
    TypeError for what cannot be.
    """
    kind = NAMES.get(event)
    if kind is None:
        raise ValueError(f"there is no event {event!r}; there are {', '.join(NAMES)}")
    if seconds is not None and not 0 < seconds <= LONGEST:
        raise ValueError(f"a hook may take up to {LONGEST:g} seconds, not {seconds:g}")
    if fault not in {None, "open", "closed"}:
        raise ValueError(f'fault is "open" or "closed", not {fault!r}')
    if fault == "closed" and not ALLOWED[kind].closed:
        raise ValueError(f"{event} cannot fail closed: the message is taken already")
    wanted = frozenset([doors] if isinstance(doors, str) else doors)
    if not wanted or not wanted <= DOORS:
        raise ValueError(f"doors are of {', '.join(sorted(DOORS))}")
    if wanted != {"mx"} and kind not in {Rcpt, Data}:
        raise ValueError(f"{event} does not ask for doors")
    mark = Mark(kind, seconds, fault, wanted)

    def marked(function: F) -> F:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"the hook {function.__name__} must be an async function")
        setattr(function, _MARKS, (*marks(function), mark))
        return function

    return marked


def marks(function: object) -> tuple[Mark, ...]:
    """Those of a function, in no order that matters."""
    found = getattr(function, _MARKS, ()) if inspect.isfunction(function) else ()
    return tuple(found)
