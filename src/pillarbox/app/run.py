"""A house as a process: privileges, signals, the service manager.

What a ``House`` does not do because whoever embeds one does it in another way.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import encodings
import gc
import logging
import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Literal, cast

from pillarbox.app.house import House
from pillarbox.app.loops import run
from pillarbox.app.supervise import Supervisor, every
from pillarbox.base import log as logs
from pillarbox.base.clock import Clock, SystemClock
from pillarbox.base.errors import Misuse, PillarboxError
from pillarbox.config.load import load
from pillarbox.config.schema import Config, Log
from pillarbox.net.privileges import drop_privileges
from pillarbox.net.sdnotify import Notifier
from pillarbox.net.sockets import inherited

log = logs.Logger("house")

COLLECT = (20_000, 20, 20)
"""New objects that stay until the youngest generation is looked at; how many looks at one until
the next older is looked at."""


def serve(path: Path) -> None:
    """Run the house of the configuration in ``path`` until SIGTERM or SIGINT.

    Raises what keeps it from starting.
    """
    config = load(path)
    if os.geteuid() == 0 and not config.server.user and not config.server.allow_root:
        raise Misuse(
            "started as root, and server.user does not say whom to become",
            hint="set server.user in the configuration; in a container, server.allow_root = true",
        )
    with logging_to_stderr(config.log):
        run(_serve(path, config), config.server.event_loop)


@contextmanager
def logging_to_stderr(wanted: Log) -> Iterator[None]:
    """Events to standard error, without the time where that is the journal, which adds it."""
    handler = logs.configure(
        sys.stderr,
        form=cast('Literal["logfmt", "json"]', wanted.format),
        level=wanted.level,
        stamped=not is_journal(os.environ, sys.stderr.fileno),
    )
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def is_journal(environ: Mapping[str, str], fileno: Callable[[], int]) -> bool:
    """Whether a stream goes to the journal: systemd.exec(5) says how to tell."""
    try:
        found = os.fstat(fileno())
    except OSError:  # a stream without a file
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


async def _serve(path: Path, config: Config) -> None:
    clock = SystemClock()
    notifier = Notifier(os.environ, clock)
    house = House(config, clock=clock, given=inherited(os.environ, os.getpid()))
    house.bind()
    if config.server.user:
        become(config.server.user, config.server.group or None)

    def again() -> None:
        notifier.reloading()
        reload(house, path)
        notifier.ready()

    async with AsyncExitStack() as stack:
        # Before the house and beyond it: a second SIGTERM ends the draining.
        handlers = {signal.SIGTERM: house.stop, signal.SIGINT: house.stop, signal.SIGHUP: again}
        stack.callback(catch(handlers).close)
        await stack.enter_async_context(house)
        await _watch(stack, notifier, clock)
        quiet_collector()
        notifier.ready("taking mail")
        await house.serve()
        log.info("house.stopping", grace=house.config.server.drain)
        notifier.stopping("draining")


def quiet_collector() -> None:
    """Take what is there for good out of the sight of Python's collector of cycles.

    It looks at young objects after every 700 that stay, and now and then at all; a message makes
    some hundreds and no cycle, so most looks find nothing (decision 0070). What a cycle holds is
    freed a little later.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def become(user: str, group: str | None) -> None:
    """Drop privileges, with all in memory that the new user may not be able to load.

    Python reads a character set from its library when somebody first names it, which strangers
    do; a library in root's home is then out of reach.
    """
    for module in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(LookupError, ImportError):  # no codec, or one of other systems
            codecs.lookup(module.name)
    drop_privileges(user, group)
    if not os.access(os.__file__, os.R_OK):
        log.warning("house.python-unreadable", user=user, path=os.__file__)


def reload(house: House, path: Path) -> None:
    """Read the configuration again. What is wrong with it is logged, and all stays as it is."""
    try:
        config = load(path)
        house.reload(config)
    except PillarboxError as error:
        log.error("house.reload-failed", error=str(error))
    else:
        logs.set_level(house.config.log.level)


async def _watch(stack: AsyncExitStack, notifier: Notifier, clock: Clock) -> None:
    """Tell the service manager that the loop turns, if it wants to know."""
    seconds = notifier.watchdog
    if seconds is None:
        return

    async def alive() -> None:
        notifier.alive()

    supervisor = Supervisor(clock)
    stack.push_async_callback(supervisor.close)
    supervisor.start("watchdog", lambda: every(clock, seconds, alive))


class Caught:
    """Signals with handlers on the running loop; ``close`` gives them back."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._loop = asyncio.get_running_loop()
        self._numbers = list(numbers)

    def close(self) -> None:
        """Leave the signals to whoever had them before."""
        for number in self._numbers:
            self._loop.remove_signal_handler(number)


def catch(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Caught:
    """Have handlers called on the running loop when their signals come."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    return Caught(handlers)
