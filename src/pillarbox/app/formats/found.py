"""A message in somebody's files, and one on its way into ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pillarbox.model.flags import NO_FLAGS, FlagSet

PIECE = 1 << 16
"""Octets read at once."""


@dataclass(slots=True)
class Found:
    """One message that a reader came across.

    ``chunks`` gives its octets, as they are in the file apart from what the format added around
    them; it may raise OSError. With some formats the next message begins where this one ends, so
    read it (or leave it) before asking for the next.
    """

    where: str
    """For people: the file, and the place in it."""
    mailbox: str
    chunks: Callable[[], Iterator[bytes]]
    flags: FlagSet = NO_FLAGS
    internaldate: int = 0
    """Seconds since 1970 UTC."""
    zone: int = 0
    """Minutes east of UTC."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One message of a mailbox here, to be written into a file."""

    uid: int
    size: int
    flags: FlagSet
    internaldate: int
    zone: int


Reader = Callable[[Path, str], Iterable[Found]]
"""Reads everything under a path; the text is the mailbox that its top level goes to."""


def file_chunks(path: Path) -> Iterator[bytes]:
    """The octets of a file."""
    with path.open("rb") as file:
        while chunk := file.read(PIECE):
            yield chunk


def below(mailbox: str, *levels: str) -> str:
    """A mailbox inside another; what lies inside INBOX's files lies beside INBOX here."""
    parts = [level for level in levels if level]
    if mailbox.upper() == "INBOX":
        return "/".join(parts) or "INBOX"
    return "/".join((mailbox, *parts))
