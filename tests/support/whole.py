"""A whole house on free loopback ports, from a configuration, as ``app`` puts it together."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pillarbox.app.core import OpenStore, sqlite_store
from pillarbox.app.demo import config_for, make_certificates
from pillarbox.app.house import House
from pillarbox.base.clock import Clock
from pillarbox.config.schema import Config
from pillarbox.dns.answers import Resolver
from pillarbox.store.api import Publish, Store
from pillarbox.store.memory import MemoryStore
from support.apart import processes

PASSWORD = "correct horse"


async def memory_store(path: Path, publish: Publish, clock: Clock) -> Store:
    """For houses that need no disk, and are of one process for that."""
    return MemoryStore(publish, clock)


async def any_store(path: Path, publish: Publish, clock: Clock) -> Store:
    """For houses that need no disk unless they are to have several processes."""
    opener = memory_store if processes() == 1 else sqlite_store
    return await opener(path, publish, clock)


def configuration(directory: Path, **sections: dict[str, Any]) -> Config:
    """What the demo uses, with some keys changed: ``limits={"connections": 3}``."""
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / "tls").exists():
        make_certificates(directory)
    base = config_for(directory)
    return dataclasses.replace(
        base,
        **{
            name: dataclasses.replace(getattr(base, name), **keys)
            for name, keys in sections.items()
        },
    )


@asynccontextmanager
async def whole_house(
    directory: Path,
    *people: str,
    opener: OpenStore = sqlite_store,
    clock: Clock | None = None,
    resolver: Resolver | None = None,
    **sections: dict[str, Any],
) -> AsyncIterator[House]:
    """A house where ``people`` live in example.test, all with PASSWORD."""
    if opener is not memory_store:
        sections["server"] = {"workers": processes(), **sections.get("server", {})}
    config = configuration(directory, **sections)
    async with House(config, opener=opener, clock=clock, resolver=resolver) as house:
        if people:
            await house.admin.call("domain.add", {"name": "example.test"})
        for name in people:
            arguments = {"address": f"{name}@example.test", "password": PASSWORD}
            await house.admin.call("account.add", arguments)
        yield house
