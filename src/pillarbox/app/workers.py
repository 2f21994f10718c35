"""The other processes of a house: started, kept going, told of every commit, answered, stopped.

This process has the store open and is the only one that writes (decision 0076). A worker speaks to
clients, reads for itself and asks us for every change. When one dies its connections are lost and
nothing else: what it had promised was committed here, and its place is taken by a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.app.asking import StoreDesk
from pillarbox.app.counts import Counted, Counts, Ended, Picture
from pillarbox.app.supervise import Supervisor
from pillarbox.base.clock import Clock
from pillarbox.base.errors import Misuse, PillarboxError
from pillarbox.base.log import Logger
from pillarbox.bus.line import Line, news
from pillarbox.config.schema import Config
from pillarbox.store.api import Store
from pillarbox.store.sqlite.writer import Committed

log = Logger("workers")

START: Final = 120.0
"""Seconds until a worker must be ready: a second or two, unless the machine is starved."""
LAST_SECONDS: Final = 2.0
"""Beyond the time for draining, until a worker that does not end is killed."""
ANSWER: Final = 2.0
"""Seconds for a worker to answer; then it is left out."""
CONNECTIONS: Final = "connections"
"""A worker can be asked how many it has at each door,"""
END_SESSIONS: Final = "end-sessions"
"""and to cut those that an account is logged in over."""
_ENTRY: Final = "import sys; from pillarbox.app.worker import main; main(int(sys.argv[1]))"

Sockets = Mapping[str, Sequence[socket.socket]]


@dataclass(frozen=True, slots=True)
class Hello:
    """The first thing a worker is told. ``doors``: descriptors that it has inherited; ``number``:
    of the worker, from 1 on; ``counts``: what the others have counted so far."""

    config: Config
    doors: Mapping[str, Sequence[int]]
    number: int
    counts: Picture


@dataclass(frozen=True, slots=True)
class Adopt:
    """Another configuration, for the connections that come."""

    config: Config


@dataclass(frozen=True, slots=True)
class Stop:
    """Take no more connections, let those there are finish for so many seconds, and end."""

    grace: float


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker's first word: it takes connections."""


class WorkerDied(PillarboxError):
    """A worker ended by itself."""


class _One:
    """A worker that runs. ``counted``: what it says that it counts."""

    def __init__(
        self, process: asyncio.subprocess.Process, counted: Callable[[Counted], None]
    ) -> None:
        self.process = process
        self._counted = counted
        self.line: Line | None = None
        self.ready = asyncio.Event()

    def heard(self, value: object) -> None:
        if isinstance(value, Ready):
            self.ready.set()
        elif isinstance(value, Counted):
            self._counted(value)

    def lost(self) -> None:
        """Without us it can do nothing; it ends itself, and this is for one that hangs."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)


class Workers:
    """All of them. ``sockets``: for each worker, those it accepts on, which are ours to keep open:
    who waits in the queue of a dead worker is served by the next."""

    def __init__(
        self,
        config: Config,
        sockets: Sequence[Sockets],
        store: Store,
        wake: Callable[[], None],
        clock: Clock,
        counts: Counts,
    ) -> None:
        """``wake``: mail was put into the queue. ``counts``: of this process."""
        self._config = config
        self._sockets = sockets
        self._desk = StoreDesk(store, wake)
        self._supervisor = Supervisor(clock)
        self._counts = counts
        counts.share(self._tell)
        self._running: dict[int, _One] = {}
        self._started = [asyncio.Event() for _ in sockets]
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """Of those that run now."""
        return [one.process.pid for one in self._running.values()]

    async def start(self) -> None:
        """Start all; return when they take connections. Misuse when they do not come up."""
        for number in range(len(self._sockets)):
            self._supervisor.start(f"worker-{number + 1}", lambda n=number: self._keep(n))  # type: ignore[misc]
        try:
            async with asyncio.timeout(START):
                for started in self._started:
                    await started.wait()
        except TimeoutError:
            raise Misuse("a worker does not start", hint="the log has its reason") from None

    def committed(self, done: Committed) -> None:
        """Tell all of a commit: before its waiters go on, so a worker hears of what it asked for
        before it gets the answer."""
        if self._running and (done.changes or done.forget or done.learned or done.forget_all):
            frame = news(done)
            for one in self._running.values():
                if one.line is not None:
                    one.line.send(frame)

    async def connections(self) -> Counter[str]:
        """How many all of them have, by door. One that does not answer is left out."""
        found: Counter[str] = Counter()
        for answer in await self._ask_all(CONNECTIONS):
            found.update(answer or {})
        return found

    async def _ask_all(self, name: str, *args: object) -> list[Any]:
        """What those that run say; None for one that does not answer."""
        lines = [one.line for one in self._running.values() if one.line and one.ready.is_set()]
        return await asyncio.gather(*(_answer(line, name, *args) for line in lines))

    def adopt(self, config: Config) -> None:
        """Another configuration, for the connections that come."""
        self._config = config
        self._tell(Adopt(config))

    async def end_sessions(self, account: int) -> None:
        """Cut what an account is logged in over, and return when that is done."""
        await self._ask_all(END_SESSIONS, account)

    async def close(self, grace: float) -> None:
        """Let all finish for so many seconds. Idempotent."""
        self._stopping = True
        self._tell(Stop(grace))
        waiting = [one.process.wait() for one in self._running.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace + LAST_SECONDS):
                await asyncio.gather(*waiting)
        await self._supervisor.close()
        for sockets in self._sockets:
            for bound in sockets.values():
                for sock in bound:
                    sock.close()

    def cut(self) -> None:
        """Do not wait for connections any longer."""
        self._tell(Stop(0.0))

    def _tell(self, value: object, but: int | None = None) -> None:
        """All workers, ``but`` the one with this place."""
        frame = news(value)
        for number, one in self._running.items():
            if one.line is not None and number != but:
                one.line.send(frame)

    def _counted(self, value: Counted) -> None:
        """A worker counted something: this process counts it too, and so does every other."""
        self._counts.heard(value)
        self._tell(value, but=value.process - 1)

    async def _keep(self, number: int) -> None:
        """Run one worker to its end, which comes by itself only when something is wrong."""
        doors = {
            name: [sock.fileno() for sock in bound] for name, bound in self._sockets[number].items()
        }
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _ENTRY, str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *(fd for fds in doors.values() for fd in fds)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        one = self._running[number] = _One(process, self._counted)
        try:
            ours.setblocking(False)
            line = Line(asked=self._desk.asked, heard=one.heard, lost=one.lost)
            await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=ours)
            one.line = line
            line.tell(Hello(self._config, doors, number + 1, self._counts.picture()))
            ready = asyncio.ensure_future(one.ready.wait())
            ended = asyncio.ensure_future(process.wait())
            try:
                await asyncio.wait((ready, ended), return_when=asyncio.FIRST_COMPLETED)
                if ready.done():
                    self._started[number].set()
                    log.info("workers.ready", number=number + 1, pid=process.pid)
                code = await ended
            finally:
                ready.cancel()
                ended.cancel()
        finally:
            self._running.pop(number, None)
            if one.line is not None:
                one.line.close()
            if process.returncode is None:
                process.kill()
                await process.wait()
            ended_one = Ended(number + 1)
            self._counts.heard(ended_one)
            self._tell(ended_one)
        if self._stopping:
            await asyncio.get_running_loop().create_future()  # until the supervisor is closed
        raise WorkerDied(f"worker {number + 1} ended with {code}")


async def _answer(line: Line, name: str, *args: object) -> Any:
    try:
        async with asyncio.timeout(ANSWER):
            return await line.call(name, *args)
    except (TimeoutError, PillarboxError) as error:
        log.warning("workers.silent", asked=name, error=repr(error))
        return None
