"""The store on SQLite: one database a shard, large bodies beside it as files."""

from pillarbox.store.sqlite.options import Options
from pillarbox.store.sqlite.store import open_store

__all__ = ["Options", "open_store"]
