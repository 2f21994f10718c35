"""What can be set about the SQLite store. The defaults are measured (decision 0021)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """All sizes in octets."""

    inline_limit: int = 128 * 1024
    """Bodies up to this size lie in the database, larger ones in files."""
    page_size: int = 4096
    """Of a new database; one that is there keeps its own. A commit writes whole pages to the log,
    so small ones are less to write and to sync (decision 0092)."""
    write_cache: int = 64 * 1024 * 1024
    read_cache: int = 16 * 1024 * 1024
    """Of each read connection."""
    wal_limit: int = 32 * 1024 * 1024
    """Size of the write-ahead log at which its pages begin to move into the database."""
    batch_ops: int = 64
    batch_octets: int = 2 * 1024 * 1024
    """What one commit takes at most: both bound how long the loop is busy with one."""
    waiting_ops: int = 20_000
    """More waiting changes than this are turned away as temporary."""
    write_on_loop: bool = True
    """Run short changes on the event loop and only their commit in the write thread. Faster on
    anything but a spinning disk with a cold cache: there a change may wait for pages."""
    switch_interval: float | None = 0.000_05
    """Seconds a busy thread may keep the interpreter from the write thread
    (``sys.setswitchinterval``). Python's own 5 ms let one busy session hold up every commit by
    100 ms and more; None leaves the process as it is."""
    slow_read: float = 0.010
    """A range read on the loop that took longer (a cold disk) sends the next ones to a thread."""
    little_due: int = 128
    """Recipients in the queue that are due: fewer are all looked at on the loop; where more are, a
    thread finds out whose turn it is."""
    pack_from: int = 20_000
    """Messages from which on a mailbox is kept packed too, to open it faster: reading so many
    rows takes 10 ms."""
