"""Read connections: point reads on the loop, ranges in slices, a thread where the disk is slow.

A point read takes microseconds and a slice of a range about a millisecond, so both run on the
loop: a thread would need the interpreter back for every row, and beside a busy loop that takes
longer than the reading (decision 0021). Only when slices prove slow, because pages must come
from a cold disk, do the next ones go to a thread, until that has passed.

Every statement outside a transaction sees all that was committed before it began.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import apsw

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.base.lanes import Lane
from pillarbox.store.sqlite.faults import translate
from pillarbox.store.sqlite.opening import open_reader
from pillarbox.store.sqlite.options import Options

P = ParamSpec("P")
T = TypeVar("T")
_SPARE = 8
_AFTER_SLOW = 32
"""Slices that go to the thread after a slow one."""


class Reader:
    """All reading of one database."""

    def __init__(self, path: Path, options: Options, clock: Clock, lane: Lane) -> None:
        self._path = path
        self.options = options
        self._clock = clock
        self._lane = lane
        self._here = open_reader(path, options)
        self._spare: list[apsw.Connection] = []
        self._slow = 0
        self._closed = False

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a point read, on the loop."""
        self._check()
        try:
            found: tuple[Any, ...] | None = self._here.execute(sql, values).fetchone()
        except apsw.Error as error:
            raise translate(error) from error
        return found

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a short list, on the loop."""
        self._check()
        try:
            found: list[tuple[Any, ...]] = self._here.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise translate(error) from error
        return found

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[apsw.Connection]:
        """A connection that sees one state of the database until it is given back."""
        self._check()
        db = self._spare.pop() if self._spare else open_reader(self._path, self.options)
        try:
            db.execute("BEGIN")
            yield db
        except apsw.Error as error:
            raise translate(error) from error
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if self._closed or len(self._spare) >= _SPARE:
                db.close()
            else:
                self._spare.append(db)

    async def slice(self, read: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one bounded piece of reading where it hurts least."""
        if self._slow:
            self._slow -= 1
            return await _to_the_end(self._lane.run(read, *args, **kwargs))
        began = self._clock.monotonic()
        result = read(*args, **kwargs)
        if self._clock.monotonic() - began > self.options.slow_read:
            self._slow = _AFTER_SLOW
        return result

    async def aside(self, read: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something long in a thread."""
        return await _to_the_end(self._lane.run(read, *args, **kwargs))

    async def breathe(self) -> None:
        """Between two slices: everyone else's turn."""
        await asyncio.sleep(0)

    def _check(self) -> None:
        if self._closed:
            raise Temporary("the store is closed")

    def close(self) -> None:
        """Close all connections; those in use close when given back."""
        self._closed = True
        self._here.close()
        for db in self._spare:
            db.close()
        self._spare.clear()


async def _to_the_end(call: Coroutine[Any, Any, T]) -> T:
    """Await ``call``; when cancelled meanwhile, only once it is over.

    Whoever waits for a slice gives its connection back afterwards, and a thread must not be at
    work on it then.
    """
    job = asyncio.ensure_future(call)
    cancelled = False
    while not job.done():
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        job.exception()  # looked at, so that nobody complains about it
        raise asyncio.CancelledError
    return job.result()
