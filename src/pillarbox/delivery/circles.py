"""Would an alias or a forwarding lead back to itself? Asked before it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pillarbox.model.account import Account, Alias

_MOST = 10_000
"""Addresses that one question follows."""


class Ways(Protocol):
    """What of the directory is asked."""

    async def alias(self, address: str) -> Alias | None: ...

    async def account_by_address(self, address: str) -> Account | None: ...


async def circle(ways: Ways, start: str, targets: Iterable[str]) -> list[str]:
    """The way back to ``start`` if it led to ``targets``, from start to start; [] for none.

    An account that keeps a copy leads on all the same: mail would go round between two that
    forward to each other, were it not that each address is visited once.
    """
    before = {start: ""}
    pending = [(start, target) for target in targets]
    while pending and len(before) < _MOST:
        came, name = pending.pop()
        if name == start:
            way = [start]
            while came:
                way.append(came)
                came = before[came]
            return way[::-1]
        if name in before:
            continue
        before[name] = came
        account = await ways.account_by_address(name)
        found = account or await ways.alias(name)
        onward = found.targets if isinstance(found, Alias) else found.forward if found else ()
        pending += [(name, target) for target in onward]
    return []
