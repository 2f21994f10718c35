"""Opening the database file: making it, recognising it, bringing an older one up to date.

An older database is never changed in place. It is copied with SQLite's backup, the copy is
migrated and checked, and only then takes the old one's name, which lives on as ``.bak``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import apsw

from pillarbox.base.errors import Permanent
from pillarbox.store.blobs.files import sync_directory
from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.schema import APPLICATION_ID, MIGRATIONS, Migration

BUSY_MS = 10_000


def open_database(
    path: Path, options: Options, migrations: Sequence[Migration] = MIGRATIONS
) -> apsw.Connection:
    """The write connection, on a database of the newest version.

    Raises Permanent for a file of a newer version or of something else.
    """
    side = path.with_name(path.name + ".new")
    for left in (side, Path(f"{side}-wal"), Path(f"{side}-journal")):
        left.unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # the log inherits the permissions
    connection = _raw(path)
    version = _version(connection, path)
    if version > len(migrations):
        connection.close()
        raise Permanent(
            f"{path} has version {version}; this program knows up to {len(migrations)}",
            hint="run the newer program, or restore the .bak of before the upgrade",
        )
    if version == 0:
        _create(connection, options, migrations)
    elif version < len(migrations):
        connection = _upgrade(connection, path, side, version, migrations)
    _settings(connection, options.write_cache)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.wal_autocheckpoint(0)  # the checkpointer decides
    return connection


def open_reader(path: Path, options: Options) -> apsw.Connection:
    """A connection that cannot write."""
    connection = _raw(path)
    _settings(connection, options.read_cache)
    connection.execute("PRAGMA query_only = ON")
    return connection


def open_checkpointer(path: Path) -> apsw.Connection:
    """A connection for moving pages from the log to the database in another thread."""
    connection = _raw(path)
    _settings(connection, 1024 * 1024)
    connection.wal_autocheckpoint(0)
    return connection


def _raw(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), statementcachesize=200)
    connection.set_busy_timeout(BUSY_MS)
    return connection


def _settings(connection: apsw.Connection, cache: int) -> None:
    connection.execute(f"PRAGMA cache_size = -{cache // 1024}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA trusted_schema = OFF")


def _version(connection: apsw.Connection, path: Path) -> int:
    try:
        version = int(connection.pragma("user_version"))
        application = int(connection.pragma("application_id"))
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    except apsw.NotADBError as error:
        raise Permanent(f"{path} is not a database", hint="is it the right directory?") from error
    if application == APPLICATION_ID or (not version and not tables):
        return version
    connection.close()
    raise Permanent(f"{path} belongs to another program", hint="is it the right directory?")


def _create(connection: apsw.Connection, options: Options, migrations: Sequence[Migration]) -> None:
    connection.execute(f"PRAGMA page_size = {options.page_size}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    _migrate(connection, 0, migrations)
    place = Path(connection.filename).parent
    sync_directory(place)  # the names of a new store and of its directory are part of the promise
    sync_directory(place.parent)


def _migrate(connection: apsw.Connection, version: int, migrations: Sequence[Migration]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for migration in migrations[version:]:
        migration(connection)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")


def _upgrade(
    old: apsw.Connection, path: Path, side: Path, version: int, migrations: Sequence[Migration]
) -> apsw.Connection:
    new = _raw(side)
    with new.backup("main", old, "main") as backup:
        while not backup.done:
            backup.step(4096)
    new.execute("PRAGMA journal_mode = DELETE")
    new.execute("PRAGMA synchronous = EXTRA")
    _migrate(new, version, migrations)
    new.close()
    new = _raw(side)  # reads the schema as it was written
    verdict = new.execute("PRAGMA integrity_check").get
    new.close()
    if verdict != "ok":
        old.close()
        raise Permanent(
            f"{path} did not survive its upgrade: {verdict}", hint="the old file is untouched"
        )
    old.execute("PRAGMA journal_mode = DELETE")  # folds the log in: one file, complete
    old.close()
    fd = os.open(side, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    kept = path.with_name(f"{path.name}.v{version}.bak")
    kept.unlink(missing_ok=True)
    os.link(path, kept)
    side.replace(path)
    sync_directory(path.parent)
    return _raw(path)
