"""One small world, and one house of ours in it, for all tests here."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from pillarbox.app.house import House
from pillarbox.config.checks import Bind, SendRoute
from support.apart import processes
from support.mailservers import HOME, OURS
from support.smallworld import Home, World, small_world
from support.whole import PASSWORD, any_store, configuration


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """At the place the neighbours know. One for all: they remember hosts that went away."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "secret").write_text("sesame\n")
    exim = f"mx.exim.test:{world.place.port}?tls=verified"
    config = configuration(
        folder,
        server={"hostname": OURS, "workers": processes()},
        listen={"smtp": (Bind(f"{world.net}.9", world.place.home),)},
        tls={"certificate": world.certificate, "key": world.key},
        send={
            "enabled": True,
            "resolvers": (world.resolver,),
            "routes": (SendRoute(("routed.test",), (), exim, "us", folder / "secret"),),
        },
        mail={"max_recipients": 2000},
    )
    async with House(config, opener=any_store, internet=world.internet) as house:
        await house.admin.call("domain.add", {"name": HOME})
        await house.admin.call("domain.keys", {"name": HOME})
        await house.admin.call("domain.add", {"name": "backed.test", "backup": True})
        relay = f"{world.net}.5:{world.place.port}"
        await house.admin.call("domain.add", {"name": "inner.test", "relay": relay})
        await house.admin.call("account.add", {"address": f"ann@{HOME}", "password": PASSWORD})
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def home(house: House, world: World) -> AsyncIterator[Home]:
    """Ann's, with nothing new in her mailbox and nothing in the queue."""
    home = Home(house, world)
    home.seen = len(await home.inbox())
    yield home
    for item in await house.core.store.queue_items():
        await house.core.store.drop(item.id)


@pytest_asyncio.fixture(loop_scope="session")
async def second(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    """Bob's, in another house of ours."""
    config = configuration(
        tmp_path_factory.mktemp("second"),
        server={"hostname": "mx.second.test", "workers": processes()},
        listen={"smtp": (Bind(f"{world.net}.10", world.place.port),)},
        tls={"certificate": world.certificate, "key": world.key},
    )
    async with House(config, opener=any_store) as house:
        await house.admin.call("domain.add", {"name": "second.test"})
        await house.admin.call("account.add", {"address": "bob@second.test", "password": PASSWORD})
        yield Home(house, world, address="bob@second.test")


@pytest.fixture
def mark() -> str:
    """A word that only this test's messages have."""
    return f"mark{random.SystemRandom().randrange(10**12)}"
