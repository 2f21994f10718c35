"""What the operator sets for everybody's scripts, as values; ``app`` reads the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from pillarbox.sieve.limits import DEFAULT, Limits


@dataclass(frozen=True, slots=True)
class Named:
    """A script and what it is called in logs."""

    name: str
    source: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """``before`` and ``after`` run around the user's own script, in this order. ``shared`` is for
    ``include :global`` (RFC 6609 §3.2), ``lists`` for ``:list`` (RFC 6134), members in lower
    case."""

    enabled: bool = True
    hostname: str = "localhost"
    version: str = ""
    separator: str = "+"
    zone: tzinfo | None = None
    """That counts as local; None is the machine's own."""
    before: tuple[Named, ...] = ()
    after: tuple[Named, ...] = ()
    shared: Mapping[str, bytes] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Limits = DEFAULT
    vacation_days: tuple[int, int, int] = (1, 7, 60)
    """Least, usual and most (RFC 5230 §4.1)."""

    def list_named(self, name: str) -> tuple[str, ...] | None:
        """The members of a list, by its name or a URI that ends in it."""
        return self.lists.get(name.lower().rpartition(":")[2])
