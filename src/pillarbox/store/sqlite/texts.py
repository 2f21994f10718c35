"""The index of texts: what ``search.TextIndex`` asks of the store on SQLite.

The index is a database of its own (``textfile``). Searches attach it to a connection that reads
the store, so that the messages of one mailbox are named by one statement, in a thread.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from pillarbox.base.errors import PillarboxError, Temporary
from pillarbox.base.ids import Rng
from pillarbox.base.lanes import Lane
from pillarbox.store.blobs.codec import decode
from pillarbox.store.search import Batch, Indexed, Pieces, Progress, Unindexed
from pillarbox.store.sqlite.faults import translate
from pillarbox.store.sqlite.opening import open_reader
from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.textfile import DAMAGED, TextFile, plain

T = TypeVar("T")

MARK: Final = "textindex"
"""Counter of the store whose value the index repeats: they belong together."""
_THREADS: Final = 2
_SWEEP: Final = 4096
"""Texts looked at by one step of tidying up."""

# Read by the statement that relies on it, so that both see the index at one moment.
_DONE = "(SELECT value FROM text.meta WHERE name = 'done')"
_UNINDEXED = (
    "SELECT b.id, b.size, b.codec, f.scan, d.data FROM blob b JOIN facts f ON f.blob = b.id"
    f" LEFT JOIN body d ON d.blob = b.id WHERE b.id > {_DONE} ORDER BY b.id LIMIT ?"
)
_AGAIN = (
    "SELECT t.blob, b.size, b.codec, f.scan, d.data FROM text.todo t"
    " LEFT JOIN blob b ON b.id = t.blob LEFT JOIN facts f ON f.blob = t.blob"
    " LEFT JOIN body d ON d.blob = t.blob ORDER BY t.blob LIMIT ?"
)
_ALL_OF = "SELECT rowid FROM text.words WHERE words MATCH ?"
_SOME_OF = "SELECT rowid FROM ({}) GROUP BY rowid HAVING count(*) >= ?"
_CANDIDATES = (
    "SELECT group_concat(uid) FROM (SELECT m.uid FROM msg m"
    f" WHERE m.account = ? AND m.mailbox = ? AND (m.blob > {_DONE} OR m.blob IN ("
    "SELECT * FROM ({}) UNION ALL SELECT blob FROM text.part"
    " UNION ALL SELECT blob FROM text.todo)) ORDER BY m.uid)"
)
_OF_ACCOUNT = f"SELECT DISTINCT blob FROM msg WHERE account = ? AND blob <= {_DONE}"
_WAITING = (
    f"SELECT (SELECT count(*) FROM blob b JOIN facts f ON f.blob = b.id WHERE b.id > {_DONE})"
    " + (SELECT count(*) FROM text.todo)"
)
# What only waits in the queue has no facts. Counted the other way round: facts are large rows.
_TOTAL = (
    "SELECT (SELECT count(*) FROM blob) - (SELECT count(DISTINCT q.blob) FROM queue q"
    " WHERE NOT EXISTS (SELECT 1 FROM facts f WHERE f.blob = q.blob))"
)
_GONE = (
    "SELECT w.id, b.id IS NULL FROM (SELECT id FROM text.words_docsize WHERE id > ?"
    " ORDER BY id LIMIT ?) w LEFT JOIN blob b ON b.id = w.id"
)


class TextLane:
    """The index and the threads that work on it: one that writes, few that read."""

    def __init__(self, store: Path, path: Path, options: Options, rng: Rng, store_db: Any) -> None:
        """Blocks while it opens. ``store_db``: the store's write connection, nothing else using
        it yet."""
        self._store = store
        self._options = options
        self.file = TextFile(path, _mark(store_db, rng), _last_blob(store_db))
        self._writing = Lane("text-write")
        self._reading = Lane("text-read", threads=_THREADS)
        self._spare: list[tuple[int, apsw.Connection]] = []
        self._closed = False

    async def write(self, work: Callable[[TextFile], T]) -> T:
        """Run ``work`` on the index, alone."""
        self._check()

        def run() -> T:
            try:
                return work(self.file)
            except apsw.Error as error:
                if isinstance(error, DAMAGED):
                    self.file.make()
                raise translate(error) from error

        return await self._writing.run(run)

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work`` with a connection that sees both databases."""
        self._check()

        def run() -> T:
            try:
                age, db = self._take()
                try:
                    return work(db)
                finally:
                    if self._closed or age != self.file.age:
                        db.close()
                    else:
                        self._spare.append((age, db))
            except apsw.Error as error:
                raise translate(error) from error

        return await self._reading.run(run)

    def _take(self) -> tuple[int, apsw.Connection]:
        """A connection, and the age of the file it is attached to."""
        while self._spare:
            age, db = self._spare.pop()
            if age == self.file.age:
                return age, db
            db.close()
        age = self.file.age
        db = open_reader(self._store, self._options)
        db.execute("ATTACH ? AS text", (str(self.file.path),))
        return age, db

    def _check(self) -> None:
        if self._closed:
            raise Temporary("the store is closed")

    async def close(self) -> None:
        """Finish what runs, close everything."""
        self._closed = True
        await self._reading.close()
        await self._writing.close()
        for _, db in self._spare:
            db.close()
        self.file.close()


class SqliteTexts:
    """See ``search.TextIndex``."""

    index: TextLane

    async def index_edition(self, edition: int) -> None:
        await self.index.write(lambda file: file.adopt(edition))

    async def unindexed(self, messages: int, octets: int) -> Batch:
        generation = self.index.file.generation  # before the rows: of two, the older
        return await self.index.read(lambda db: _unindexed(db, generation, messages, octets))

    async def index_texts(self, generation: int, texts: Sequence[Indexed]) -> None:
        await self.index.write(lambda file: file.add(generation, texts))

    async def candidates(
        self, account: int, mailbox: int, wanted: Sequence[Pieces]
    ) -> array[int] | None:
        if self.index.file.edition is None:
            return None
        try:
            return await self.index.read(lambda db: _candidates(db, account, mailbox, wanted))
        except PillarboxError:
            return None  # whoever asked looks at the messages themselves

    async def index_progress(self) -> Progress:
        return await self.index.read(_progress)

    async def reindex(self, account: int | None = None) -> int:
        if account is None:
            return await self.index.write(lambda file: file.begin_anew())
        blobs: list[int] = await self.index.read(
            lambda db: [n for (n,) in db.execute(_OF_ACCOUNT, (account,))]
        )
        return await self.index.write(lambda file: file.again(blobs))

    async def tidy_index(self) -> int:
        begin = self.index.file.tidied
        last, gone = await self.index.read(lambda db: _gone(db, begin))
        await self.index.write(lambda file: file.remove(gone, last))
        return len(gone)


def _mark(store_db: Any, rng: Rng) -> int:
    """The store's mark, made the first time."""
    found: Any = store_db.execute("SELECT value FROM counter WHERE name = ?", (MARK,)).fetchone()
    if found is not None:
        return int(found[0])
    made = int.from_bytes(rng.bytes(7), "big")
    store_db.execute("INSERT INTO counter (name, value) VALUES (?, ?)", (MARK, made))
    return made


def _last_blob(store_db: Any) -> int:
    found: Any = store_db.execute("SELECT value FROM counter WHERE name = 'blob'").fetchone()
    return 0 if found is None else int(found[0])


def _unindexed(db: apsw.Connection, generation: int, messages: int, octets: int) -> Batch:
    rows: Any = db.execute(_AGAIN, (messages,)).fetchall()
    if not rows:
        rows = db.execute(_UNINDEXED, (messages,))
    found = []
    for blob, size, codec, scan, data in rows:
        body = None if data is None else decode(codec, data, size)
        found.append(Unindexed(blob, scan or b"", body))
        octets -= size or 0
        if octets <= 0:
            break
    return Batch(generation, found)


def _candidates(
    db: apsw.Connection, account: int, mailbox: int, wanted: Sequence[Pieces]
) -> array[int]:
    parts: list[str] = []
    values: list[object] = []
    for pieces in wanted:
        quoted = ['"' + piece.replace('"', '""') + '"' for piece in map(plain, pieces.of)]
        if pieces.least >= len(quoted):
            parts.append(_ALL_OF)
            values.append(" AND ".join(quoted))
        else:
            parts.append(_SOME_OF.format(" UNION ALL ".join([_ALL_OF] * len(quoted))))
            values += (*quoted, pieces.least)
    sql = _CANDIDATES.format(" INTERSECT ".join(f"SELECT * FROM ({part})" for part in parts))
    found: Any = db.execute(sql, (account, mailbox, *values)).get
    return array("I", map(int, found.split(",")) if found else ())


def _progress(db: apsw.Connection) -> Progress:
    waiting: Any = db.execute(_WAITING).get
    total: Any = db.execute(_TOTAL).get
    return Progress(total - waiting, waiting)


def _gone(db: apsw.Connection, last: int) -> tuple[int, list[int]]:
    """Where a step of tidying up ends, 0 at the end, and the texts that have no message."""
    gone: list[int] = []
    while not gone:
        rows: Any = db.execute(_GONE, (last, _SWEEP)).fetchall()
        gone = [blob for blob, lacks in rows if lacks]
        if len(rows) < _SWEEP:
            return 0, gone
        last = rows[-1][0]
    return last, gone
