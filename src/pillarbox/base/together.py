"""Several things awaited at once, without the price of it where there is only one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order; as ``asyncio.gather``, but a single one needs no task of its own."""
    if len(works) == 1:
        return [await works[0]]
    return list(await asyncio.gather(*works))
