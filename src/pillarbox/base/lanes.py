"""Named worker threads for what would block the loop: password hashing, signing, store reads.

A lane has few threads and a bounded queue, so a storm of logins waits in line, then is turned
away as temporary, and neither starves another lane nor piles up memory. The store has a write
lane of its own that groups commits; this one runs plain functions.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

from pillarbox.base.errors import Misuse, Temporary

P = ParamSpec("P")
T = TypeVar("T")


class LaneFull(Temporary):
    """As many jobs wait as the lane allows: try again later."""


@dataclass(slots=True)
class _Job:
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    call: Callable[[], object]


class Lane:
    """Runs functions in ``threads`` threads called ``name``, first come, first served.

    ``bound``: jobs that may be in the lane, running or waiting; one more raises ``LaneFull``.
    Threads start with the first job. All of ``run`` and ``close`` belong on event loops; any loop
    may use the lane.
    """

    def __init__(self, name: str, *, threads: int = 1, bound: int = 1024) -> None:
        if threads < 1 or bound < 1:
            raise Misuse(f"lane {name}: needs at least one thread and room for one job")
        self.name = name
        self._size = threads
        self._bound = bound
        self._count = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    @property
    def load(self) -> int:
        """Jobs in the lane now, running or waiting."""
        return self._count

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in the lane; return or raise what it does.

        Raises ``LaneFull``; ``Misuse`` after ``close``. If the waiting task is cancelled, a job
        not yet begun is skipped; one under way runs to its end and its result is dropped.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            if self._closed:
                raise Misuse(f"lane {self.name} is closed")
            if self._count >= self._bound:
                raise LaneFull(f"lane {self.name} is full: {self._count} jobs")
            self._count += 1
            if not self._threads:
                self._start()
            self._queue.put(_Job(loop, answer, lambda: function(*args, **kwargs)))
        return cast("T", await answer)

    async def close(self) -> None:
        """Take no more jobs, finish those in the lane, end the threads. Idempotent."""
        with self._lock:
            first, self._closed = not self._closed, True
            if first:
                for _ in self._threads:
                    self._queue.put(None)
        # Joining blocks, so it needs a thread itself; this happens once in a lane's life.
        await asyncio.to_thread(self._join)

    def _start(self) -> None:
        for number in range(self._size):
            thread = threading.Thread(target=self._work, name=f"{self.name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            self._do(job)
            # Wait for the next one with hands free: a result may be large.
            del job

    def _do(self, job: _Job) -> None:
        result: object = None
        error: BaseException | None = None
        try:
            if not job.answer.cancelled():
                result = job.call()
        except StopIteration as stop:
            # A future refuses this one, and its waiter would hang.
            error = RuntimeError(f"StopIteration left a job of lane {self.name}")
            error.__cause__ = stop
        except BaseException as raised:
            error = raised
        with self._lock:
            self._count -= 1
        try:
            job.loop.call_soon_threadsafe(_settle, job.answer, result, error)
        except RuntimeError:
            pass  # the loop is gone, and with it whoever waited
        finally:
            del error  # its traceback holds this frame: a cycle otherwise


def _settle(answer: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
