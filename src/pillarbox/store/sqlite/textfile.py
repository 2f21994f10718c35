"""The database of the index: trigrams of folded text, by the number of the message's blob.

A file of its own, so that filling it never holds up the commit of mail, its pages need no sync,
and a backup may leave it out: it can be made again (decision 0042).

Blobs are numbered upwards and never twice: up to ``done`` every blob has been indexed or is among
``todo``, beyond it none. A mark that is not the store's, or a number that the store has not yet
given out, show that the two files do not belong together; the index then begins anew. So it does
when it is damaged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import apsw

from pillarbox.store.search import Indexed

_FORMAT: Final = 1
_CACHE_KB: Final = 16 * 1024
_PAGE: Final = 8192
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    text, content='', contentless_delete=1, detail=none, tokenize='trigram case_sensitive 1'
);
-- Messages of which only part is indexed, and those to be indexed once more.
CREATE TABLE part (blob INTEGER PRIMARY KEY) STRICT;
CREATE TABLE todo (blob INTEGER PRIMARY KEY) STRICT;
"""
_MOVE_ON = "UPDATE meta SET value = max(value, ?) WHERE name = 'done'"
DAMAGED: Final = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
_SET = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


class TextFile:
    """Owns the connection that writes; all methods but the attributes belong in one thread."""

    def __init__(self, path: Path, mark: int, last: int) -> None:
        """``mark``: the store's. ``last``: the largest number it has given to a blob."""
        self.path = path
        self.generation = 0
        """Counts what makes batches taken before it useless."""
        self.age = 0
        """Counts files: a connection to an older one sees an index nobody fills."""
        self.edition: int | None = None
        """The rules that its texts are made by, once that is known."""
        self.tidied = 0
        """Up to where texts were looked at, in this round of tidying up."""
        self._mark = mark
        self._db = self._connect()
        if not self._belongs(last):
            self.make()

    def _belongs(self, last: int) -> bool:
        try:
            rows: Any = self._db.execute("SELECT name, value FROM meta").fetchall()
        except apsw.Error:
            return False
        meta = dict(rows)
        same = meta.get("mark") == self._mark and meta.get("format") == _FORMAT
        return same and meta.get("done", last + 1) <= last

    def _connect(self) -> apsw.Connection:
        self.path.touch(mode=0o600)
        db = apsw.Connection(str(self.path))
        db.set_busy_timeout(10_000)
        with contextlib.suppress(*DAMAGED):
            db.execute(f"PRAGMA page_size = {_PAGE}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # a power cut may undo, never spoil
            db.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        return db

    def make(self) -> None:
        """An empty one in place of whatever is there."""
        self.close()
        for end in ("", "-wal", "-shm", "-journal"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        self._db = self._connect()
        rows = [("mark", self._mark), ("format", _FORMAT), ("done", 0)]
        if self.edition is not None:
            rows.append(("edition", self.edition))
        with self._db:
            self._db.execute(_SCHEMA)
            self._db.executemany(_SET, rows)
        self.generation += 1
        self.age += 1
        self.tidied = 0

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(apsw.Error):
            self._db.close()

    # ------------------------------------------------------------------ changing it

    def adopt(self, edition: int) -> None:
        """Texts are made by these rules from now on."""
        found: Any = self._db.execute("SELECT value FROM meta WHERE name = 'edition'").fetchone()
        if found is None or found[0] != edition:
            self.begin_anew()
            self._db.execute(_SET, ("edition", edition))
        self.edition = edition

    def add(self, generation: int, texts: Sequence[Indexed]) -> None:
        """Texts of a batch; ``done`` moves on to its last."""
        if generation != self.generation or not texts:
            return
        with self._db:
            for one in texts:
                self._put(one)
            self._db.execute(_MOVE_ON, (texts[-1].blob,))

    def _put(self, one: Indexed) -> None:
        text = (one.blob, plain(one.text))
        self._db.execute("INSERT OR REPLACE INTO words (rowid, text) VALUES (?, ?)", text)
        self._db.execute("DELETE FROM todo WHERE blob = ?", (one.blob,))
        change = (
            "DELETE FROM part WHERE blob = ?"
            if one.whole
            else "INSERT OR IGNORE INTO part VALUES (?)"
        )
        self._db.execute(change, (one.blob,))

    def begin_anew(self) -> int:
        """Forget everything; how many texts."""
        count: Any = self._db.execute("SELECT count(*) FROM words_docsize").get
        with self._db:
            self._db.execute("INSERT INTO words (words) VALUES ('delete-all')")
            self._db.execute("DELETE FROM part")
            self._db.execute("DELETE FROM todo")
            self._db.execute(_SET, ("done", 0))
        self.generation += 1
        return int(count)

    def again(self, blobs: Iterable[int]) -> int:
        """Index these once more; how many."""
        rows = [(blob,) for blob in blobs]
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO todo VALUES (?)", rows)
        self.generation += 1
        return len(rows)

    def remove(self, blobs: Iterable[int], last: int) -> None:
        """Forget texts; tidying up goes on behind ``last``."""
        rows = [(blob,) for blob in blobs]
        if rows:
            with self._db:
                for table, key in (("words", "rowid"), ("part", "blob"), ("todo", "blob")):
                    self._db.executemany(f"DELETE FROM {table} WHERE {key} = ?", rows)
        self.tidied = last


def plain(text: str) -> str:
    """As it can be bound: SQLite's text ends at a NUL, and is UTF-8."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
