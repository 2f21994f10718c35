"""The write lane: whatever waits is committed together, once to disk for all.

Operations run one after another in one transaction. Nobody is answered before its commit is on
the disk; then everything is published, in order, and then all waiters resume. Commits happen in
a thread of the lane's own. Short operations run on the event loop itself while the thread
rests: a thread that executes Python beside a busy loop gets its turn late, some hundred times a
message (decision 0021). Long ones, and all of them if so set, run in the thread.

Operations run without savepoints, since they look before they write. Should one raise after
all, the transaction is rolled back and run again with a savepoint around each, so that only
the faulty one fails. That is why an operation may run twice.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import apsw

from pillarbox.base.clock import Clock
from pillarbox.base.errors import Temporary
from pillarbox.model.change import Change
from pillarbox.store.sqlite.faults import translate
from pillarbox.store.sqlite.ids import Ids
from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.tx import Tx

T = TypeVar("T")
Settle = Callable[[bool], None]


@dataclass(slots=True)
class _Job(Generic[T]):
    operation: Callable[[Tx], T]
    answer: asyncio.Future[Any]
    aside: bool
    octets: int
    settle: Settle | None
    tx: Tx | None = None
    result: object = None
    error: BaseException | None = None


@dataclass(slots=True)
class Committed:
    """What one commit changed, for those who keep something in memory."""

    changes: list[Change] = field(default_factory=list)
    forget: set[int] = field(default_factory=set)
    learned: set[int] = field(default_factory=set)
    forget_all: bool = False
    files: list[str] = field(default_factory=list)


class WriteLane:
    """Owns the write connection. All methods belong on the loop it was made on."""

    def __init__(
        self,
        connection: apsw.Connection,
        ids: Ids,
        options: Options,
        clock: Clock,
        committed: Callable[[Committed], None],
    ) -> None:
        self._db = connection
        self._ids = ids
        self._options = options
        self._clock = clock
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Job[Any]] = deque()
        self._outside: deque[tuple[Callable[[apsw.Connection], None], asyncio.Future[None]]] = (
            deque()
        )
        self._busy = False
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    async def do(
        self,
        operation: Callable[[Tx], T],
        *,
        aside: bool = False,
        octets: int = 0,
        settle: Settle | None = None,
    ) -> T:
        """Run ``operation`` in a transaction; return its result once that is durable.

        ``aside``: it may take milliseconds, keep it off the loop. ``octets``: what it writes,
        about. ``settle`` is called on the loop when it is over, committed (True) or not, even
        if the waiter was cancelled; a cancelled waiter does not stop the operation.
        """
        try:
            self.check()
        except Temporary:
            if settle is not None:
                settle(False)
            raise
        answer: asyncio.Future[Any] = self._loop.create_future()
        aside = aside or not self._options.write_on_loop
        self._waiting.append(_Job(operation, answer, aside, octets, settle))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._loop.call_soon(self._next)  # others of this turn of the loop come along
        return cast("T", await answer)

    async def outside(self, call: Callable[[apsw.Connection], None]) -> None:
        """Run ``call`` in the thread between two transactions (a checkpoint)."""
        if self._closing:
            return
        answer: asyncio.Future[None] = self._loop.create_future()
        self._outside.append((call, answer))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._next()
        await answer

    def _outside_done(self, answer: asyncio.Future[None], error: BaseException | None) -> None:
        if not answer.done():
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(None)
        self._next()

    def check(self) -> None:
        """Raise Temporary when nothing more is taken."""
        if self._closing:
            raise Temporary("the store is closed")
        if len(self._waiting) >= self._options.waiting_ops:
            raise Temporary("too many changes wait", hint="is the disk slow?")

    def log_pages(self) -> int:
        """Pages in the write-ahead log; 0 when that cannot be told now. For whoever hears of a
        commit: the thread rests then."""
        try:
            return self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)[0]
        except apsw.Error:
            return 0

    async def finish(self) -> None:
        """Take no more, and do what waits."""
        self._closing = True
        while self._busy:
            await self._idle.wait()

    async def close(self) -> None:
        """After ``finish``: give back reserved numbers, stop the thread, close the database."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)
        self._ids.give_back(self._db)
        self._db.close()

    # ------------------------------------------------------------------ on the loop

    def _next(self) -> None:
        """Begin the next transaction with what waits, up to the bounds."""
        if self._outside:
            call, answer = self._outside.popleft()
            self._work.put(lambda: self._call(call, answer))
            return
        batch: list[_Job[Any]] = []
        octets = 0
        while self._waiting and len(batch) < self._options.batch_ops:
            if batch and octets + self._waiting[0].octets > self._options.batch_octets:
                break
            job = self._waiting.popleft()
            octets += job.octets
            batch.append(job)
        if not batch:
            self._busy = False
            self._idle.set()
            return
        if any(job.aside for job in batch):
            self._work.put(lambda: self._commit(batch, self._attempt(batch)))
            return
        error = self._attempt(batch)
        self._work.put(lambda: self._commit(batch, error))

    def _finish(self, batch: Sequence[_Job[Any]], error: BaseException | None) -> None:
        """Publish, then answer, then go on. ``error``: nothing was committed."""
        if error is None:
            self._ids.committed()
            done = Committed()
            for job in batch:
                if job.error is None and job.tx is not None:
                    done.changes += job.tx.changes
                    done.forget |= job.tx.forget
                    done.learned |= job.tx.learned
                    done.forget_all |= job.tx.forget_all
                    done.files += job.tx.files
            self._tell(done)
        else:
            self._ids.rolled_back()
        for job in batch:
            fault = job.error or error
            if job.settle is not None:
                job.settle(fault is None)
            if job.answer.done():
                continue  # its waiter was cancelled
            if fault is not None:
                job.answer.set_exception(translate(fault))
            else:
                job.answer.set_result(job.result)
        self._next()

    def _tell(self, done: Committed) -> None:
        """A listener's fault must not leave the waiters of a good commit without an answer."""
        try:
            self._committed(done)
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": "a listener failed after a commit", "exception": error}
            )

    # ------------------------------------------------------------------ where the batch runs

    def _attempt(self, batch: Sequence[_Job[Any]]) -> BaseException | None:
        """Run all operations, up to but without the commit; an error means it is hopeless."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in batch:
                job.tx = Tx(self._db, self._ids, self._clock.now())
                job.result = job.operation(job.tx)
        except BaseException:
            self._roll_back()
            return self._attempt_singly(batch)
        return None

    def _attempt_singly(self, batch: Sequence[_Job[Any]]) -> BaseException | None:
        """Again, with a savepoint around each: only the faulty ones fail."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._db.execute("SAVEPOINT operation")
                mark = self._ids.mark()
                job.tx = Tx(self._db, self._ids, self._clock.now())
                try:
                    job.result = job.operation(job.tx)
                except Exception as error:
                    if not self._db.in_transaction:
                        raise  # a full or broken disk takes the whole transaction with it
                    job.error = error
                    self._db.execute("ROLLBACK TO operation")
                    self._ids.back_to(mark)
                self._db.execute("RELEASE operation")
        except BaseException as error:
            self._roll_back()
            return error
        return None

    def _roll_back(self) -> None:
        self._ids.rolled_back()
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error:
            pass  # the next BEGIN will tell

    # ------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work

    def _commit(self, batch: Sequence[_Job[Any]], error: BaseException | None) -> None:
        if error is None:
            try:
                self._db.execute("COMMIT")
            except BaseException as raised:
                error = raised
                self._roll_back()
        self._post(lambda: self._finish(batch, error))

    def _call(self, call: Callable[[apsw.Connection], None], answer: asyncio.Future[None]) -> None:
        error: BaseException | None = None
        try:
            call(self._db)
        except BaseException as raised:
            error = translate(raised)
        self._post(lambda: self._outside_done(answer, error))

    def _post(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # the loop is gone, and with it whoever waited
