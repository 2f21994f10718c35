"""Every async test of this room runs on asyncio's loop and on uvloop's, and leaves nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pillarbox.base.clock import SystemClock
from pillarbox.base.ids import ConnectionIds, SystemRng
from pillarbox.net.certs import DemoCa
from pillarbox.net.contexts import KeyPair, ServerTls
from pillarbox.net.listen import Door, Handler, Listener
from pillarbox.net.sockets import bind_tcp

try:
    import uvloop
except ImportError:
    uvloop = None


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]]
    factories = {"asyncio": asyncio.SelectorEventLoop}
    if uvloop is not None:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture
async def tidy() -> AsyncIterator[None]:
    """Fails a test that leaves a task, or an error only the event loop heard of."""
    loop = asyncio.get_running_loop()
    heard: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: heard.append(context))
    yield
    for _ in range(3):  # cancelled helpers need a turn to end
        await asyncio.sleep(0)
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert heard == []


class Serving:
    """Starts listeners on free ports of the loopback and closes them at the end."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.ids = ConnectionIds(SystemClock(), SystemRng())

    async def __call__(self, handler: Handler, **door: Any) -> int:
        """Serve and return the port."""
        listener = Listener(Door("test", handler, **door), bind_tcp("127.0.0.1", 0), ids=self.ids)
        self.listeners.append(listener)
        await listener.start()
        return listener.addresses[0].port


@pytest.fixture
async def serve(tidy: None) -> AsyncIterator[Serving]:
    serving = Serving()
    yield serving
    for listener in serving.listeners:
        await listener.close(grace=1.0)
        assert listener.connections == 0


@pytest.fixture(scope="session")
def demo_ca() -> DemoCa:
    return DemoCa()


def store_pair(ca: DemoCa, folder: Path, *names: str) -> KeyPair:
    """A certificate for ``names`` as files, named after the first."""
    certificate, key = ca.issue(names)
    pair = KeyPair(folder / f"{names[0]}.crt", folder / f"{names[0]}.key")
    pair.certificate.write_bytes(certificate)
    pair.key.write_bytes(key)
    return pair


@pytest.fixture(scope="session")
def server_tls(demo_ca: DemoCa, tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return ServerTls([store_pair(demo_ca, tmp_path_factory.mktemp("tls"), "mx.example")])


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for a condition, at most as long as the test may run."""

    async def wait(condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110  (conditions of any kind)
            await asyncio.sleep(0.001)

    return wait
